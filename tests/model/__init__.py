"""What the counter table promises, as models that are searched to the end.

    setup.py, state.py      what one search is given, and one state of shared memory and processes
    meaning.py              what each operation means: the words it changes
    explorer.py             every interleaving and every death, step by step
    invariants.py           the list of what must hold, each a function
    configurations.py       the searches, and the broken protocols that each invariant must notice

    memory.py               release and acquire as C11 has them: who may still read what
    accesses.py             the places in the C that use no lock, and what their orders are for
    death.py                the stores of one operation in any order a compiler may choose, cut off

    books.py, walk.py       the whole table as a dictionary, and random operations on both

The first two groups are about the protocol and know nothing of C but its orders; the last drives
the compiled table.  `make prove` runs the larger searches.
"""
