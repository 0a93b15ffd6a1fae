"""The loop detectors of other tools, written anew from what their documentation says.

For comparison only (`tests.loops.evaluate`).  They run inside an agent and see calls of tools; what
is replayed are transcripts, so each turn is cut into calls first (`steps`).  Where a tool warns
before it stops, what counts here is the stop.
"""

from __future__ import annotations

from tests.loops.rivals import limits, names, openhands, repeats, zeroclaw
from tests.loops.rivals.steps import Rival

RIVALS: tuple[Rival, ...] = (
    openhands.RIVAL,
    repeats.GEMINI,
    repeats.ROO,
    repeats.OPENCODE,
    zeroclaw.RIVAL,
    limits.CALLS,
    names.RIVAL,
)
