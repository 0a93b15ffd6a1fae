"""The steward's part in outliving the machine: checkpoints, and marks raised ahead of need.

Theory of operation.  One task does one thing at a time, and whatever it writes is synced in a
thread before it counts:

    marks   plan which cells need more room, append them to the checkpoint file, sync, and only then
            write the marks into the table.  All demands that came meanwhile are the next group.
    files   each second a new checkpoint, unless nothing has changed

A cell's new mark is what it has used plus a step: a hundredth of its limit, or four times the
largest quote that met its mark, whatever is more; but not above the limit, which is as far as it
can be used.  What a power loss charges too much is at most that step.

If the disk refuses, marks stay where they are and it is tried again each second, whole checkpoint
first: what a failed sync left behind is not known.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from s4fw.ledger.checkpoint import Head, SavedCell, cell_lines
from s4fw.ledger.snapshot import Names, frozen_names, snapshot
from s4fw.ledger.table import MARKED_FROM, CellInfo, Table, TableError
from s4fw.process import rundir
from s4fw.process.checkpoints import CheckpointFiles
from s4fw.process.demands import Demand, Demands
from s4fw.process.tell import Tell
from s4fw.units import NUSD_MAX

log = logging.getLogger(__name__)

STEP_SHARE = 100  # of the limit
STEP_QUOTES = 4
QUOTES_MAX = 20_000  # cells whose largest quote is remembered

Place = tuple[int, int]


def head_of(table: Table, names: Names, is_clean: bool) -> Head:
    """The head of a checkpoint of now; its sequence is given by who writes it."""
    offset_ns, starts_s = table.clock()
    frozen = frozen_names(table, names)
    at_s = time.time_ns() // 10**9
    return Head(0, rundir.boot_id(), offset_ns, starts_s, at_s, is_clean, frozen)


def write_now(table: Table, files: CheckpointFiles, is_clean: bool) -> None:
    """A checkpoint at once.  Raises OSError.  Clean only where nothing is held."""
    names = Names(table)
    cells = table.cells()
    is_clean = is_clean and all(cell.used == cell.charged for cell in cells)
    files.write(head_of(table, names, is_clean), cell_lines(snapshot(cells, names)))


def room_for(cell: CellInfo, asked_nusd: int, quote_nusd: int) -> int:
    """The mark a cell should have: `asked` wait just now, `quote` is the largest quote seen."""
    step = max(cell.stated // STEP_SHARE, STEP_QUOTES * quote_nusd)
    wanted = cell.used + asked_nusd + step
    return max(cell.mark, min(wanted, max(cell.limit, cell.used), NUSD_MAX))


def is_short(cell: CellInfo, quote_nusd: int) -> bool:
    """Whether less than half a step is left below the mark of a cell, and more would be of use."""
    if cell.kind < MARKED_FROM or cell.mark >= max(cell.limit, cell.used):
        return False
    step = max(cell.stated // STEP_SHARE, STEP_QUOTES * quote_nusd)
    return cell.mark - cell.used < max(1, step // 2)


class Durability:
    """One steward's; `start` once, `tick` each second, `stop` at the end."""

    def __init__(self, table: Table, files: CheckpointFiles, demands: Demands, tell: Tell) -> None:
        self._table = table
        self._files = files
        self._demands = demands
        self._tell = tell
        self._names = Names(table)
        self._thread = ThreadPoolExecutor(1, "s4fw-disk")
        self._due = asyncio.Event()
        self._waiting: dict[Place, int] = {}
        self._quotes: dict[Place, int] = {}
        self._written: tuple[bytes, object] | None = None
        self._is_tick = False
        self._is_ending = False
        self._can_write = True
        self._retry_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self.checkpoints = 0  # written by this steward
        self.raised = 0  # marks

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Mark what is open, so that the first requests find room, and serve from then on."""
        if self._files.take():
            asked, cells = self._plan()
            try:
                self._write_whole(self._table.cells())
                if cells:
                    self._files.append(cells)
                    self._publish(asked)
            except OSError as fault:
                self._note_failure(fault)
        loop.add_reader(self._demands.receiver.fileno(), self._hear)
        self._task = loop.create_task(self._serve(loop))

    def tick(self) -> None:
        """Another second has passed."""
        self._is_tick = True
        self._due.set()

    def forget_names(self) -> None:
        """Ids of values were freed."""
        self._names.forget()

    async def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Finish what is being written, and let another one write."""
        loop.remove_reader(self._demands.receiver.fileno())
        self._is_ending = True
        self._due.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        self._files.release()

    def _hear(self) -> None:
        for demand in self._demands.take():
            self._note(demand)
        self._due.set()

    def _note(self, demand: Demand) -> None:
        place = (demand.index, demand.generation)
        self._waiting[place] = self._waiting.get(place, 0) + demand.amount_nusd
        if len(self._quotes) >= QUOTES_MAX:
            self._quotes.clear()
        self._quotes[place] = max(self._quotes.get(place, 0), demand.amount_nusd)

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._is_ending:
            await self._due.wait()
            self._due.clear()
            is_tick, self._is_tick = self._is_tick, False
            if not self._files.take():
                continue  # the steward of a draining master still writes
            if not self._can_write and not (is_tick and time.monotonic() >= self._retry_s):
                continue
            try:
                await self._turn(loop, is_tick)
            except OSError as fault:
                self._note_failure(fault)
            except TableError as fault:
                log.warning("durable marks were put off: %s", type(fault).__name__)

    async def _turn(self, loop: asyncio.AbstractEventLoop, is_tick: bool) -> None:
        """One group of marks; each second before it a checkpoint."""
        if is_tick or not self._can_write:
            cells = self._table.cells()
            lines, others = self._state_of(cells)
            if (lines, others) != self._written or not self._can_write:
                head = head_of(self._table, self._names, False)
                self._written = None
                await loop.run_in_executor(self._thread, self._files.write, head, lines)
                self._note_written(lines, others)
        marks, saved = self._plan(is_tick)
        if saved:
            await loop.run_in_executor(self._thread, self._files.append, saved)
            self._publish(marks)

    def _write_whole(self, cells: list[CellInfo]) -> None:
        lines, others = self._state_of(cells)
        self._files.write(head_of(self._table, self._names, False), lines)
        self._note_written(lines, others)

    def _state_of(self, cells: list[CellInfo]) -> tuple[bytes, object]:
        """What makes a checkpoint worth writing."""
        _, starts_s = self._table.clock()
        others = (frozen_names(self._table, self._names), starts_s[1:])
        return cell_lines(snapshot(cells, self._names)), others

    def _note_written(self, lines: bytes, others: object) -> None:
        self._written = (lines, others)
        self.checkpoints += 1
        if not self._can_write:
            self._can_write = True
            self._tell("durability", "info", "checkpoints can be written again")

    def _note_failure(self, fault: OSError) -> None:
        self._retry_s = time.monotonic() + 0.5
        if self._can_write:
            number = fault.errno or 0
            self._tell(
                "durability", "alarm", f"checkpoints cannot be written: errno {number}; what is"
                " spent from now on may be forgotten by a power loss",
            )  # fmt: skip
        self._can_write = False

    def _plan(self, is_tick: bool = True) -> tuple[dict[Place, int], list[SavedCell]]:
        """The next group: new marks by place, and the same by names for the file."""
        waiting, self._waiting = self._waiting, {}
        if is_tick:
            cells = self._table.cells()
        else:
            cells = [cell for place in waiting if (cell := self._cell(place)) is not None]
        marks: dict[Place, int] = {}
        saved = []
        for cell in cells:
            place = (cell.index, cell.generation)
            quote = self._quotes.get(place, 0)
            if place not in waiting and not is_short(cell, quote):
                continue
            one = self._names.saved(cell)
            mark = room_for(cell, waiting.get(place, 0), quote)
            if one is None or mark <= cell.mark:
                continue
            marks[place] = mark
            saved.append(one._replace(mark=mark))
        return marks, saved

    def _cell(self, place: Place) -> CellInfo | None:
        try:
            cell = self._table.cell(place[0])
        except KeyError:
            return None
        return cell if cell.generation == place[1] else None

    def _publish(self, marks: dict[Place, int]) -> None:
        for (index, generation), mark in marks.items():
            self._table.set_mark(index, generation, mark)
            self.raised += 1
