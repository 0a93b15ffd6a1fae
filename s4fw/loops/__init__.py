"""Layer 2: whether an agent goes round in circles.  Pure: no I/O but the mapped memory it is given.

turn        the fingerprint of one turn, 13 fields, keyed hashes only
verdict     whether the last turns are a loop: a pure function of them
thresholds  how often is too often, by rule
tail        what is known of a transcript up to one of its items
tails       the last turns of a transcript; only what is new is read
ask         what goes into the watch for a request, and what comes out
sessions    which requests belong together
memory      fixed-size shared memory: what crosses requests, on all workers
signals     what only several requests show: storms, growth, endless sessions
wording     verdicts in words, for callers and operators
"""
