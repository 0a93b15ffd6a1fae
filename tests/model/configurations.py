"""The searches: small ones for every test run, large ones for `make prove`, and the mutants.

A mutant is a protocol with one step left out or misplaced.  It names the invariant that must break:
a model in which nothing can be broken proves nothing.
"""

from __future__ import annotations

from tests.model.setup import Setup, Wish

BOTH = (0, 1)
SMALL = {
    "two workers, two cells, one death": Setup(
        (11, 12), ((Wish(BOTH, 6, 3),), (Wish(BOTH, 6, 4),)), cells=2, deaths=1
    ),
    "a death, then one in the recovery": Setup(
        (12,), ((Wish((0,), 6, 3),), (Wish((0,), 5, 4),)), cells=1, deaths=1, master_deaths=1
    ),
    "an overrun": Setup((20,), ((Wish((0,), 3, 9),), (Wish((0,), 4, 4),)), cells=1, deaths=1),
    "one cell for two keys, closed and used again": Setup(
        (20, 20), ((Wish((0,), 6, 3),), (Wish((1,), 5, 4),)), cells=1, deaths=1, closes=1
    ),
    "a ring of two rows, three leases of one worker": Setup(
        (20,), ((Wish((0,), 6, 3), Wish((0,), 5, 4), Wish((0,), 2, 1)),), cells=1, deaths=1, rows=2
    ),
}
LARGE = {
    "two workers, two cells, two deaths, the second perhaps in the repair": Setup(
        (20, 20), ((Wish(BOTH, 6, 3),), (Wish(BOTH, 6, 4),)), 2, deaths=2, master_deaths=1
    ),
    "two workers, two leases and one, two cells": Setup(
        (20, 20), ((Wish(BOTH, 6, 3), Wish(BOTH, 5, 2)), (Wish(BOTH, 6, 4),)), 2, deaths=1
    ),
    "a parent that is full": Setup(
        (6, 12), ((Wish(BOTH, 6, 3),), (Wish((1,), 6, 4),)), 2, deaths=1, master_deaths=1
    ),
    "three workers, one cell": Setup(
        (9,), ((Wish((0,), 4, 2),), (Wish((0,), 4, 4),), (Wish((0,), 4, 1),)), 1, deaths=1
    ),
    "one cell for two keys, closed twice, two deaths": Setup(
        (20, 20),
        ((Wish((0,), 6, 3),), (Wish((1,), 5, 4),)),
        cells=1,
        deaths=2,
        master_deaths=1,
        closes=2,
    ),
    "rings that are full, two workers, two deaths": Setup(
        (40,),
        ((Wish((0,), 6, 3), Wish((0,), 5, 4), Wish((0,), 3, 1)), (Wish((0,), 2, 5),)),
        cells=1,
        deaths=1,
        master_deaths=1,
        rows=2,
    ),
    "three workers, two cells, two deaths": Setup(
        (14, 12),
        ((Wish(BOTH, 4, 2),), (Wish(BOTH, 4, 6),), (Wish((1,), 6, 1),)),
        cells=2,
        deaths=2,
    ),
}

CELLS, REUSE = "two workers, two cells, one death", "one cell for two keys, closed and used again"
RING, AGAIN = "a ring of two rows, three leases of one worker", "a death, then one in the recovery"
# mutant: (the search that must notice it, the invariant that must break)
MUTANTS = {
    "apply-before-valid": (CELLS, "i1"),
    "clear-early": (CELLS, "i1"),
    "deltas": (AGAIN, "i5"),
    "ignore-record": (CELLS, "i1"),
    "look-outside": (CELLS, "i2"),
    "sent-not-recorded": (CELLS, "i3"),
    "sent-voided": (CELLS, "i3"),
    "settle-at-hold": (CELLS, "i4"),
    "off-by-one": (CELLS, "i5"),
    "stale-generation": (REUSE, "i6"),
    "generation-not-raised": (REUSE, "i6"),
    "close-in-use": (REUSE, "i6"),
    "recover-the-living": (CELLS, "i1"),
    "settle-twice": (CELLS, "i1"),
    "row-outside-record": (RING, "i7"),
    "overwrite-full-ring": (RING, "i7"),
    "drop-not-counted": (RING, "i8"),
}
