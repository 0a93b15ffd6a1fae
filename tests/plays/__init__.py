"""End to end, through real processes and sockets, the most basic first.

b basic, c caps, f faults, s streaming, x hostile or wrong input.  When many fail, look at the
first.
"""
