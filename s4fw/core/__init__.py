"""The nouns of the firewall and the walk through its stages.  No I/O, no knowledge of a provider.

Exchange     one request and its answer: the one object every stage sees
Request      what came in: head, body, and what a dialect read from it
Attribution  who pays
Usage        the provider's own account of what it did, in disjoint buckets
Verdict      what a stage decides: None (go on), Block, or Answer
Stage        one rule of the firewall
Pipeline     the walk: open, admit, sent, feed, finish
Counter      a figure of the data plane, declared once
"""
