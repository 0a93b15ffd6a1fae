"""Why an exchange was charged at worst case, given back, or corrected.

The numbers stand in journal rows of the shared table: append only.  0 means settled on the
provider's own usage.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why the charge of a journal row is not simply the provider's own usage."""

    USAGE = 0  # settled on the provider's usage: the normal case
    # Given back: provably nothing was charged.
    NOT_SENT = 1  # refused, failed or abandoned before the first upstream byte
    UNBILLED_STATUS = 2  # the upstream answered with a status that is documented as unbilled
    # Charged at worst case, shown as accrued: the truth is unknown.
    NO_USAGE = 10  # the answer ended well but carried no usage
    UPSTREAM_CUT = 11  # the connection broke before usage was seen
    UPSTREAM_TIMEOUT = 12  # no first byte, silence, or too long in total
    UPSTREAM_INVALID = 13  # the answer could not be read
    ERROR_EVENT = 14  # the stream reported an error and no usage
    CLIENT_GONE = 15  # the caller left and the answer could not be drained within bounds
    DRAIN_DEADLINE = 16  # aborted because the firewall was shutting down
    UNKNOWN_STATUS = 17  # a status of which nobody documents whether it is billed
    IMPLAUSIBLE_USAGE = 18  # usage was negative, not a number, or beyond any model
    WORKER_CRASH = 19  # the owner died after sending: its lease was recovered
    POWER_LOSS = 20  # spend between the last checkpoint and the durable mark
    LEFT_OPEN = 21  # found open at finish: a bug of the firewall, charged all the same
    # Later truths.
    CORRECTION = 30
    # What an application reported of its work.
    SUCCEEDED = 40
    FAILED = 41


ACCRUED: Final = frozenset(reason for reason in Reason if 10 <= reason < 30)
