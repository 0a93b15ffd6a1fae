"""What is owed: the shared counter table and what Python knows of it.

Cell         one counter record: a budget, a window and a scope; used, charged, accrued, limit
Lease        the record of a reservation: its owner's slot, its amount, the cells that hold it
Slot         one process that may reserve: its leases, its journal ring, its counters, its heartbeat
Value        a name (tenant, session, model, budget ...) interned as a small number
Row          one journal record, counts only; published together with the money it tells of
Table        all of them in one mapped file, exact after a crash at any instruction
Budgets      which cells an exchange must fit, and the reservation in all of them
Journal      the rows as Python reads and writes them
Window       where the calendar stands, moving only forward

used = charged + held; charged = spent + accrued.  The table compares `used` with the limit, nothing
else.
"""
