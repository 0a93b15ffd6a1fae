"""The admin listener: what a running firewall tells and lets change, on a port of its own.

facts    what the listener must be able to ask: implemented by the process that has the answers
auth     who may ask: one decision for each request
api      the routes as one table, and the JSON shapes
server   the listener: HTTP with limits and deadlines, nothing else
client   the other end, used by the commands
"""
