"""Journal rows for tests."""

from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, JournalRow, Kind

NAMES = ("bot", "acme", "support", "c1", None, "s1", "mock-small", "openai")


def row(kind=Kind.SETTLE, reason=Reason.USAGE, charged=500, **more):
    fields = {
        "seq": 1, "at_ns": 1, "request": bytes(16), "kind": kind, "reason": reason,
        "decision": Decision.ALLOW, "status": 200, "slot": 0, "values": (0,) * 8, "cells": (),
        "reserved_nusd": 900, "charged_nusd": charged, "price": 1,
        "tokens": (100, 20, 3, 4, 5, 60, 30, 7), "duration_ms": 1, "first_byte_ms": 1, "code": None,
    }  # fmt: skip
    return JournalRow(**(fields | more))
