"""The process tree: who forks whom, who may die, and what happens then.

Master   validates, forks, supervises, reloads, drains; carries no traffic and never waits
Child    one forked process: a worker (carries traffic) or a steward (does the slow chores)
Seat     what a child is given at birth: its slot of the table, its sockets, the configuration
Crew     the living children and the decisions about them: spawn, reap, murder
Estate   what the master owns and its children inherit: lock, table, listeners, prices, vocabulary
Runtime  what one generation of the configuration consists of inside a worker

`docs/internals/prefork.md` tells the whole story.
"""
