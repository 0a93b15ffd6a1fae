"""The end of a firewall, as a list of steps: what runs finishes, nothing new begins.

  listening   SIGTERM came: workers get it too, our listeners close, the master lock is released
  working     until the last worker has gone; at the deadline they abort what is left by themselves,
              and a worker that is late even for that is killed and recovered
  emptying    the steward writes what the last rows tell, and goes
  over

A second SIGTERM hurries: workers abort at once.  From `working` on a successor may start; the
steward leaves then, because two must not drain the same rings, and the successor's takes over.
"""

from __future__ import annotations

from enum import Enum

# After the deadline a worker still has to settle thousands of leases and flush its connections.
LATE_S = 5.0


class Step(Enum):
    WORKING = "working"
    EMPTYING = "emptying"
    OVER = "over"


class Drain:
    """Decides the steps; monotonic seconds.  The master carries them out."""

    def __init__(self, now_s: float, drain_s: float) -> None:
        self.step = Step.WORKING
        self.has_successor = False
        self._deadline_s = now_s + drain_s
        self._steward_deadline_s = 0.0
        self._nudged_s = now_s

    def hurry(self, now_s: float) -> None:
        """A second SIGTERM."""
        self._deadline_s = min(self._deadline_s, now_s)

    def look(self, now_s: float, workers: int, stewards: int) -> Step:
        """The step we are in, given how many children still live."""
        if self.step is Step.WORKING and not workers:
            self.step = Step.EMPTYING
            self._steward_deadline_s = now_s + LATE_S
        if self.step is Step.EMPTYING and not stewards:
            self.step = Step.OVER
        return self.step

    def is_nudge_due(self, now_s: float) -> bool:
        """Whether to tell the workers (again) to abort: signals that meet become one.

        True once a second after the deadline, which workers keep by themselves if all is well.
        """
        is_due = self.step is Step.WORKING and now_s >= max(self._deadline_s, self._nudged_s + 1)
        if is_due:
            self._nudged_s = now_s
        return is_due

    def is_late(self, now_s: float) -> bool:
        """Whether the children of this step had their time and must be killed."""
        if self.step is Step.WORKING:
            return now_s > self._deadline_s + LATE_S
        return self.step is Step.EMPTYING and now_s > self._steward_deadline_s
