"""A limit of steps, as most frameworks have one."""

from __future__ import annotations

from tests.loops.rivals.steps import Rival

STEPS = 25  # LangGraph's recursion_limit until 1.0, n8n and others alike

CALLS = Rival(
    "at most 25 calls",
    "25 turns in a session, whatever they do",
    "LangGraph, docs: recursion_limit",
    lambda steps: steps[-1].turn + 1 >= STEPS,
)
