"""Everything fails, on purpose, and the money stays right.

cases       the catalogue: one row for each case, what is done, what must come of it
scene       a firewall in front of a provider, watched by the oracle, and what plays need
oracle      what must be true of money at every instant and in the end
plays_*     the scripted cases
faultpoints `s4fw serve` whose workers die at a named place
hurt        load beyond what there is room for
soak        a mix of faults under load, for minutes

`make chaos` plays all of it and writes docs/chaos-report.md; `make test` plays a short selection.
"""
