"""Those that count the same call in a row, whatever it gives back."""

from __future__ import annotations

from collections.abc import Sequence

from tests.loops.rivals.steps import Rival, Step, same_at_end


def _times(count: int, name: str, source: str) -> Rival:
    def stops(steps: Sequence[Step]) -> bool:
        return same_at_end(steps, lambda step: (step.tool, step.arguments)) >= count

    return Rival(name, f"the same call {count} times in a row", source, stops)


GEMINI = _times(5, "gemini-cli", "google-gemini/gemini-cli, docs: loop detection")
ROO = _times(4, "Roo Code", "RooCodeInc/Roo-Code, consecutive mistake limit 3")
OPENCODE = _times(3, "opencode doom_loop", "sst/opencode, docs: permission doom_loop")
