"""The whole counter table as dictionaries: what each call answers, without lock, record or lists.

Every call of `driver.Driver` has one of the same name here, with the same arguments and the same
answer, so a test calls both and compares.  Lists are stacks: what was freed last is taken first.
"""

from __future__ import annotations

from typing import Any

from tests.model.mirrored import (
    ALREADY,
    CELLS_KEPT,
    CORRECTED,
    CROWDED,
    DENIED,
    EVENT,
    FROZEN,
    FULL,
    GAP,
    MARKED_FROM,
    NO_END,
    NUSD_MAX,
    OK,
    OTHERS,
    RECOVERED,
    RING_FULL,
    SETTLED,
    STALE,
    UNMARKED,
    VOIDED,
    Cell,
    Key,
    Lease,
    Place,
    Size,
    Slot,
    Value,
)


class Mirror:
    """The table and its workers."""

    def __init__(self, size: Size, is_strict: tuple[bool, ...]) -> None:
        self.size = size
        self.cells: dict[int, Cell] = {}
        self.generations: list[int] = []  # of every cell that was ever open
        self.free_cells: list[int] = []
        self.values: dict[int, Value] = {}
        self.free_values: list[int] = []
        self.fresh_values = OTHERS
        self.frozen: list[int] = []
        self.is_all_frozen = False
        self.epoch = 0
        self.slots = [Slot(strict) for strict in is_strict]

    # -- values

    def intern(self, dimension: int, text: bytes, most: int) -> int:
        """The id of a live value, of a new one, or of `other`."""
        for number, value in self.values.items():
            if value.is_live and (value.dimension, value.text) == (dimension, text):
                value.is_touched = True
                return number
        alike = sum(v.is_live and v.dimension == dimension for v in self.values.values())
        kept = self.size.values // 16 if dimension < 8 else 0
        has_fresh = self.fresh_values < self.size.values - kept
        if (most and alike >= most) or not (self.free_values or has_fresh):
            return dimension + 1 if dimension < 8 else FULL
        if self.free_values:
            number = self.free_values.pop()
        else:
            self.fresh_values += 1
            number = self.fresh_values
        self.values[number] = Value(dimension, text)
        return number

    def touch(self, numbers: tuple[int, ...]) -> bool:
        """Marks values as used, up to the first that is not live."""
        for number in numbers:
            if number <= OTHERS:
                continue
            if number not in self.values:
                return False
            self.values[number].is_touched = True
            if not self.values[number].is_live:
                return False
        return True

    def sweep(self, most: int = NO_END) -> tuple[int, int]:
        """Retires what nobody used since the sweep before, empties what that one retired.

        `most`: as far as a steward came who died behind this many of its operations.
        """
        retired = emptied = 0
        for number in sorted(self.values):
            if retired + emptied == most:
                return retired, emptied
            value = self.values[number]
            if not value.is_live and not value.is_touched:
                del self.values[number]
                self.free_values.append(number)
                emptied += 1
            elif value.is_live and value.dimension < 8 and not (value.cells or value.is_touched):
                value.is_live = False
                retired += 1
            value.is_touched = False
        self.epoch += retired + emptied < most
        return retired, emptied

    # -- cells

    def claim(self, key: Key, limit: int, stated: int) -> Place | int:
        """The open cell of a key, or a new one."""
        if not self.touch(key[3]):
            return STALE
        for index, cell in self.cells.items():
            if cell.key == key:
                return index, cell.generation
        is_late = len(self.cells) >= self.size.cells - self.size.cells // CELLS_KEPT
        if is_late and any(number > OTHERS for number in key[3]):
            return FULL
        if self.free_cells:
            index = self.free_cells.pop()
        elif len(self.generations) == self.size.cells:
            return FULL
        else:
            index = len(self.generations)
            self.generations.append(0)
        self.generations[index] += 1
        self.cells[index] = Cell(key, self.generations[index], limit, stated)
        self.count_names(key, 1)
        return index, self.generations[index]

    def count_names(self, key: Key, change: int) -> None:
        """One cell more or less has these values in its key."""
        for number in {*key[3]}:
            if number in self.values:
                self.values[number].cells += change

    def find(self, place: Place) -> Cell | None:
        """The cell of a handle, while it is that cell."""
        cell = self.cells.get(place[0])
        return cell if cell and cell.generation == place[1] else None

    def set_limit(self, place: Place, limit: int, stated: int) -> bool:
        """Also below what is used."""
        cell = self.find(place)
        if cell:
            cell.limit, cell.stated = limit, stated
        return cell is not None

    def close(self, place: Place) -> bool:
        """Not while a lease names it."""
        cell = self.find(place)
        if not cell or cell.open:
            return False
        self.count_names(cell.key, -1)
        del self.cells[place[0]]
        self.free_cells.append(place[0])
        return True

    def freeze(self, budget: int) -> None:
        """0: everything."""
        if budget == 0:
            self.is_all_frozen = True
        elif budget not in self.frozen:
            self.frozen.append(budget)

    def release(self, budget: int) -> None:
        """The last of the list takes the place."""
        if budget == 0:
            self.is_all_frozen = False
        elif budget in self.frozen:
            self.frozen[self.frozen.index(budget)] = self.frozen[-1]
            self.frozen.pop()

    # -- leases

    def prepare(
        self,
        w: int,
        places: tuple[Place, ...],
        values: tuple[int, ...],
        caller: Place | None = None,
        most: int = 0,
        held_max: int = 0,
    ) -> int:
        """A set of cells for the reserves to come, and the cell that counts them."""
        if not self.touch(values):
            return STALE
        slot = self.slots[w]
        slot.prepared, slot.caller, slot.open_max = (places, self.epoch), caller, most
        slot.held_max = held_max
        return OK

    def look(self, slot: Slot) -> tuple[int, int]:
        """A code, and the place in the set that it is about."""
        places, epoch = slot.prepared
        if epoch != self.epoch:
            return STALE, -1
        cells = [self.find(place) for place in places]
        if None in cells:
            return STALE, cells.index(None)
        if slot.caller and not self.find(slot.caller):
            return STALE, len(places)
        if self.is_all_frozen:
            return FROZEN, -1
        for i, cell in enumerate(cells):
            if cell and cell.key[0] in self.frozen:
                return FROZEN, i
        return OK, -1

    def reserve(self, w: int, amount: int) -> tuple[int, int, int]:
        """The lease or a code, the place it is about, and which stated limits are passed."""
        slot = self.slots[w]
        code, place = self.look(slot)
        if code:
            return code, place, 0
        caller = self.cells[slot.caller[0]] if slot.caller else None
        if caller and caller.open >= slot.open_max:
            caller.denials += 1
            return CROWDED, 0, 0
        held_max = slot.held_max or NUSD_MAX
        if caller and caller.open and caller.charged + caller.held + amount > held_max:
            caller.denials += 1
            return CROWDED, 1, 0
        places = slot.prepared[0]
        cells = [self.cells[index] for index, _ in places]
        for i, cell in enumerate(cells):
            if cell.charged + cell.held + amount > cell.limit:
                cell.denials += 1
                return DENIED, i, 0
        for i, cell in enumerate(cells):
            is_long = slot.is_marked and cell.key[1] >= MARKED_FROM
            if is_long and cell.charged + cell.held + amount > cell.arrival_ns:
                return UNMARKED, i, 0
        if slot.is_strict and len(slot.rows) + len(slot.leases) >= self.size.rows:
            return RING_FULL, -1, 0
        if not slot.free and len(slot.generations) == self.size.leases:
            return FULL, -1, 0
        passed = 0
        for i, cell in enumerate(cells):
            cell.held += amount
            cell.open += 1
            passed |= (cell.charged + cell.held > cell.stated) << i
        if caller:
            caller.open += 1
            caller.held += amount
        handle = self.take(slot)
        slot.leases[handle] = Lease(places, amount, slot.caller[0] if slot.caller else None)
        return handle, -1, passed

    @staticmethod
    def take(slot: Slot) -> int:
        """A free lease: generation and index."""
        if slot.free:
            index = slot.free.pop()
        else:
            index = len(slot.generations)
            slot.generations.append(0)
        slot.generations[index] += 1
        return slot.generations[index] << 32 | index

    def sent(self, w: int, handle: int) -> None:
        """From here on a crash charges the amount."""
        if handle in self.slots[w].leases:
            self.slots[w].leases[handle].is_sent = True

    def settle(self, w: int, handle: int, actual: int, is_accrued: bool) -> int:
        """A negative amount is unknown: the whole hold, accrued."""
        if handle not in self.slots[w].leases:
            return ALREADY
        if actual < 0:
            actual, is_accrued = self.slots[w].leases[handle].amount, True
        self.resolve(w, handle, actual, is_accrued, SETTLED)
        return OK

    def void(self, w: int, handle: int) -> int:
        """Gives everything back."""
        if handle not in self.slots[w].leases:
            return ALREADY
        self.resolve(w, handle, 0, False, VOIDED)
        return OK

    def resolve(self, w: int, handle: int, actual: int, is_accrued: bool, kind: int) -> None:
        """What ends a lease."""
        lease = self.slots[w].leases.pop(handle)
        for index, _ in lease.places:
            cell = self.cells[index]
            cell.held -= lease.amount
            cell.open -= 1
            cell.charged += actual
            cell.accrued += actual if is_accrued else 0
            cell.overrun += max(0, actual - lease.amount)
        if lease.caller is not None:
            self.cells[lease.caller].open -= 1
            self.cells[lease.caller].held -= lease.amount
        self.slots[w].free.append(handle & 0xFFFFFFFF)
        self.row(w, kind, len(lease.places), lease.amount, actual)

    def arrive(self, rates: tuple[tuple[Place, int, int], ...], now_ns: int) -> tuple[int, int]:
        """The wait or a code, and the rate it is about; each is (cell, interval, burst)."""
        arrivals = []
        for i, (place, interval_ns, burst) in enumerate(rates):
            cell = self.find(place)
            if not cell:
                return STALE, i
            used_up_ns = now_ns + burst * interval_ns
            cell.arrival_ns = min(cell.arrival_ns, used_up_ns)
            arrivals.append(max(cell.arrival_ns, now_ns) + interval_ns)
            if arrivals[-1] > used_up_ns:
                cell.denials += 1
                return arrivals[-1] - used_up_ns, i
        for (place, _, _), arrival_ns in zip(rates, arrivals, strict=True):
            self.cells[place[0]].arrival_ns = arrival_ns
        return OK, -1

    def correct(self, w: int, place: Place, delta: int) -> bool:
        """Never below nothing."""
        cell = self.find(place)
        if not cell:
            return False
        moved = max(0, cell.charged + delta) - cell.charged
        cell.charged += moved
        cell.accrued = min(cell.accrued, cell.charged)
        self.row(w, CORRECTED, 1, 0, moved)
        return True

    def set_marked(self, w: int, is_marked: bool) -> None:
        """Whether reserves of a worker stay below the marks."""
        self.slots[w].is_marked = is_marked

    def set_mark(self, place: Place, mark: int) -> bool:
        """Up or down."""
        cell = self.find(place)
        if cell:
            cell.arrival_ns = mark
        return cell is not None

    def raise_charged(
        self, w: int, place: Place, charged: int, is_accrued: bool, has_row: bool
    ) -> bool:
        """Never down."""
        cell = self.find(place)
        if cell and charged > cell.charged:
            moved = charged - cell.charged
            cell.charged = charged
            cell.accrued += moved if is_accrued else 0
            if has_row:
                self.row(w, CORRECTED, 1, 0, moved)
        return cell is not None

    def crash(self, w: int, most: int = NO_END) -> tuple[int, int, int]:
        """The worker dies and is recovered: how many were given back and charged, and how much.

        `most`: as far as a master came who died behind this many of its operations.
        """
        slot = self.slots[w]
        voided = accrued = accrued_nusd = 0
        for handle, lease in sorted(slot.leases.items(), key=lambda item: item[0] & 0xFFFFFFFF):
            if voided + accrued == most:
                break
            if lease.is_sent:
                accrued += 1
                accrued_nusd += lease.amount
                self.resolve(w, handle, lease.amount, True, RECOVERED)
            else:
                voided += 1
                self.resolve(w, handle, 0, False, RECOVERED)
        slot.is_marked = False  # the next owner has not asked for it yet
        return voided, accrued, accrued_nusd

    # -- journal

    def row(self, w: int, kind: int, n: int, reserved: int, charged: int) -> None:
        """A row with money, preceded by a gap row where some were dropped."""
        slot = self.slots[w]
        has_gap = slot.dropped != slot.told
        if self.size.rows - len(slot.rows) < 1 + has_gap:
            slot.dropped += 1
            return
        if has_gap:
            self.append(slot, GAP, 0, 0, 0, slot.dropped - slot.told)
            slot.told = slot.dropped
        self.append(slot, kind, n, reserved, charged, 0)

    @staticmethod
    def append(slot: Slot, *figures: int) -> None:
        """Numbered without a hole."""
        slot.head += 1
        slot.rows.append((slot.head, *figures))

    def publish(self, w: int) -> None:
        """A row without money."""
        slot = self.slots[w]
        if len(slot.rows) >= self.size.rows:
            slot.dropped += 1
        else:
            self.append(slot, EVENT, 0, 0, 0, 0)

    def drain(self, w: int, most: int) -> list[tuple[int, ...]]:
        """The oldest rows: number, kind, cells, reserved, charged, dropped."""
        rows = self.slots[w].rows
        return [rows.popleft() for _ in range(min(most, len(rows)))]

    # -- all of it

    def view(self) -> dict[str, Any]:
        """Everything that can be seen of a table."""
        cells = {i: self.view_of(cell) for i, cell in self.cells.items()}
        slots = [(len(s.leases), len(s.rows), s.dropped) for s in self.slots]
        frozen = ((0,) if self.is_all_frozen else ()) + tuple(self.frozen)
        values = {n: (v.dimension, v.text) for n, v in self.values.items()}
        return {"cells": cells, "slots": slots, "frozen": frozen, "values": values}

    def view_of(self, c: Cell) -> tuple[Any, ...]:
        """The figures of one cell."""
        is_frozen = self.is_all_frozen or c.key[0] in self.frozen
        sums = (c.charged + c.held, c.charged, c.accrued, c.open, c.denials, c.overrun)
        return (c.generation, *c.key, c.limit, c.stated, *sums, is_frozen, c.arrival_ns)
