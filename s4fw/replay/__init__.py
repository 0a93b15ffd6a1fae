"""Replay: recorded requests through the very stages that a worker runs, offline.

lines      lines of files, packed or not, one at a time
records    one line -> the requests that it stands for
offline    the stages up to the verdict, without a network and without a budget
tallies    what the rules found: would-blocks, what they save, how often they were wrong
"""
