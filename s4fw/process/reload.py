"""SIGHUP: the whole new configuration or the whole old one, never a mixture.

A new configuration is read, judged and only then sent to the children; each builds what it needs
beside the old, switches, and acknowledges the generation in its slot of the table.  Exchanges that
run stay with what they began with.  Limits of existing cells are changed last, when every child
has acknowledged: a worker with the old configuration would open new cells at the old limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from s4fw.config import ConfigErrors, load
from s4fw.config.changes import unreloadable_changes
from s4fw.config.schema import Config
from s4fw.ledger.table import SlotInfo
from s4fw.process.child import Child
from s4fw.process.estate import rates_of
from s4fw.stages.check import problems


class Refused(Exception):
    """The new configuration is not taken; `reasons` has a line for each problem."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


def read_again(path: Path, env: Mapping[str, str], old: Config) -> Config:
    """The configuration as it stands in the file now.  Raises Refused with all reasons."""
    try:
        new = load(path, env)
    except ConfigErrors as errors:
        raise Refused(str(errors).splitlines()) from errors
    except OSError as fault:
        raise Refused([f"{path}: {fault.strerror}"]) from fault
    fixed = unreloadable_changes(old, new)
    if fixed:
        raise Refused(fixed)
    unpriced = problems(new, rates_of(new))
    if unpriced:
        raise Refused([str(problem) for problem in unpriced])
    return new


class Acknowledgement:
    """Waits for the children that lived when a generation was sent.

    One that dies needs not answer: its replacement is born with the new configuration.
    """

    def __init__(self, generation: int, children: Iterable[Child]) -> None:
        self.generation = generation
        self._waited_for = {child.pid for child in children}

    def is_complete(self, infos: Sequence[SlotInfo], children: Iterable[Child]) -> bool:
        """Whether every child that is left has acknowledged."""
        done = {i.pid for i in infos if i.is_live and i.generation >= self.generation}
        self._waited_for -= done
        self._waited_for &= {child.pid for child in children}
        return not self._waited_for
