"""What the addresses of the two listeners mean."""

from __future__ import annotations

import pytest

from s4fw.config.listeners import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("Localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_is_loopback_only_for_addresses_of_this_machine(host: str, expected: bool) -> None:
    """What counts as loopback decides whether reading is open."""
    assert expected == is_loopback(host)
