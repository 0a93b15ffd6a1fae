"""Exit codes: what the process tree says to systemd, to scripts, and between child and master."""

from __future__ import annotations

FINE = 0
FAILED = 1
DAMAGED_TABLE = 65  # EX_DATAERR: the table is not ours to replace
ANOTHER_MASTER = 75  # EX_TEMPFAIL: it works once the other one is gone
CONFIGURATION = 78  # EX_CONFIG

# Between a child and its master only.  gunicorn uses 3 for the same purpose: a child that knows it
# can never boot says so, and the service stops with a sentence instead of forking for ever.
CANNOT_BOOT = 3


class Stop(Exception):
    """The service cannot start or go on: a sentence for people, and the code to exit with."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
