"""Every rule of who may ask the admin listener what."""

from __future__ import annotations

import pytest

from s4fw.admin.auth import (
    NO_TOKEN_SET,
    TOKEN_MISSING,
    TOKEN_READS_ONLY,
    TOKEN_WRONG,
    Access,
    Denial,
    Guard,
)

RIGHT = b"Bearer correct-horse"

LOOK = b"Bearer battery-staple"

OPEN = Guard(None, None, is_loopback=True)
LOCKED = Guard("correct-horse", None, is_loopback=False)
SCRAPED = Guard("correct-horse", "battery-staple", is_loopback=False)
ONLY_SCRAPED = Guard(None, "battery-staple", is_loopback=False)


@pytest.mark.parametrize(
    ("guard", "access", "authorizations", "expected"),
    [
        (OPEN, Access.HEALTH, [], None),
        (OPEN, Access.READ, [], None),
        (OPEN, Access.CHANGE, [], NO_TOKEN_SET),
        (OPEN, Access.CHANGE, [RIGHT], NO_TOKEN_SET),
        (OPEN, Access.CHANGE, [b"Bearer "], NO_TOKEN_SET),
        (LOCKED, Access.HEALTH, [], None),
        (LOCKED, Access.READ, [], TOKEN_MISSING),
        (LOCKED, Access.CHANGE, [], TOKEN_MISSING),
        (LOCKED, Access.READ, [RIGHT], None),
        (LOCKED, Access.CHANGE, [RIGHT], None),
        (LOCKED, Access.READ, [b"bearer correct-horse"], None),
        (LOCKED, Access.READ, [b"Basic correct-horse"], TOKEN_MISSING),
        (LOCKED, Access.READ, [b"correct-horse"], TOKEN_MISSING),
        (LOCKED, Access.READ, [b"Bearer"], TOKEN_WRONG),
        (LOCKED, Access.READ, [b"Bearer "], TOKEN_WRONG),
        (LOCKED, Access.READ, [b"Bearer correct-hors"], TOKEN_WRONG),
        (LOCKED, Access.READ, [b"Bearer correct-horse2"], TOKEN_WRONG),
        (LOCKED, Access.READ, [b"Bearer CORRECT-HORSE"], TOKEN_WRONG),
        (LOCKED, Access.CHANGE, [RIGHT, b"Bearer other"], TOKEN_WRONG),
        (LOCKED, Access.CHANGE, [RIGHT, RIGHT], TOKEN_WRONG),
        (LOCKED, Access.READ, [LOOK], TOKEN_WRONG),
        (SCRAPED, Access.HEALTH, [], None),
        (SCRAPED, Access.READ, [], TOKEN_MISSING),
        (SCRAPED, Access.READ, [LOOK], None),
        (SCRAPED, Access.READ, [RIGHT], None),
        (SCRAPED, Access.READ, [b"Bearer other"], TOKEN_WRONG),
        (SCRAPED, Access.READ, [LOOK, RIGHT], TOKEN_WRONG),
        (SCRAPED, Access.CHANGE, [LOOK], TOKEN_READS_ONLY),
        (SCRAPED, Access.CHANGE, [RIGHT], None),
        (SCRAPED, Access.CHANGE, [b"Bearer other"], TOKEN_WRONG),
        (ONLY_SCRAPED, Access.READ, [], TOKEN_MISSING),
        (ONLY_SCRAPED, Access.READ, [LOOK], None),
        (ONLY_SCRAPED, Access.READ, [RIGHT], TOKEN_WRONG),
        (ONLY_SCRAPED, Access.CHANGE, [LOOK], NO_TOKEN_SET),
    ],
)
def test_judge_each_rule_gives_its_verdict(
    guard: Guard, access: Access, authorizations: list[bytes], expected: Denial | None
) -> None:
    """The rules are few and each is a promise to operators, so each is written down here."""
    assert expected == guard.judge(access, authorizations)


def test_guard_without_token_beyond_loopback_refuses_to_exist() -> None:
    """A listener that is open to the network must not start, whatever checked before."""
    with pytest.raises(ValueError, match="needs a token"):
        Guard(None, None, is_loopback=False)


@pytest.mark.parametrize("token", ["", "  "])
def test_guard_empty_token_refuses_to_exist(token: str) -> None:
    """An unset variable expands to nothing; nothing must not become the password."""
    with pytest.raises(ValueError, match="empty"):
        Guard(token, None, is_loopback=True)
    with pytest.raises(ValueError, match="empty"):
        Guard("correct-horse", token, is_loopback=True)


def test_guard_repr_hides_the_token() -> None:
    """A repr ends up in logs and test output."""
    assert "<Guard token>" == repr(LOCKED)
