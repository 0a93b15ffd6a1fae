"""What can be seen of a running firewall: figures, metrics, log lines.  Counts, never content.

figures      the nouns: one budget cell, one slot, and all of them at one moment
readers      the shared table -> figures; takes no lock, changes nothing
meters       the declared gauges beside the counters of the data plane
prometheus   figures -> text exposition
reference    counters and meters -> docs/reference/metrics.md
log          log records -> JSON lines on standard error
"""
