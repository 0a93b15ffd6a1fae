"""The digests of the strict scan: SipHash-1-3-128, against a reference in Python."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from s4fw.dialects import strictjson


def sip(data: bytes, key: bytes, rounds: tuple[int, int], is_128: bool) -> bytes:
    mask = 2**64 - 1
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def turned(word: int, bits: int) -> int:
        return (word << bits | word >> (64 - bits)) & mask

    def mix(times: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(times):
            v0 = (v0 + v1) & mask
            v2 = (v2 + v3) & mask
            v1, v3 = turned(v1, 13) ^ v0, turned(v3, 16) ^ v2
            v0 = turned(v0, 32)
            v2 = (v2 + v1) & mask
            v0 = (v0 + v3) & mask
            v1, v3 = turned(v1, 17) ^ v2, turned(v3, 21) ^ v0
            v2 = turned(v2, 32)

    if is_128:
        v1 ^= 0xEE
    padded = data + bytes(-(len(data) + 1) % 8) + bytes((len(data) & 255,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v3 ^= word
        mix(rounds[0])
        v0 ^= word
    v2 ^= 0xEE if is_128 else 0xFF
    mix(rounds[1])
    out = (v0 ^ v1 ^ v2 ^ v3).to_bytes(8, "little")
    if is_128:
        v1 ^= 0xDD
        mix(rounds[1])
        out += (v0 ^ v1 ^ v2 ^ v3).to_bytes(8, "little")
    return out


KEY = bytes(range(16))


@pytest.fixture
def known_key() -> Iterator[None]:
    strictjson.set_key(KEY)
    yield
    strictjson.set_key(os.urandom(16))


def test_reference_of_siphash_meets_the_published_vectors() -> None:
    """Because a reference that is wrong proves nothing (SipHash 2-4: paper and vectors.h)."""
    assert 0xA129CA6149BE45E5.to_bytes(8, "little") == sip(bytes(range(15)), KEY, (2, 4), False)
    assert "a3817f04ba25a8e66df67214c7550293" == sip(b"", KEY, (2, 4), True).hex()


@pytest.mark.usefixtures("known_key")
def test_digests_are_siphash_of_the_bytes() -> None:
    """Because prefixes of any length modulo eight go through the streaming hash."""
    body = b'{"m":[' + b",".join(b'"%s"' % (b"x" * n) for n in range(20)) + b'],"v":"abcdefg"}'
    document = strictjson.scan(body)

    spans, digests = document.items("m")

    start = document.members["m"][0]
    assert [sip(body[start:end], KEY, (1, 3), True) for _, end in spans] == list(digests)
    assert sip(b'"abcdefg"', KEY, (1, 3), True) == document.digest("v")


def test_set_key_of_another_length_is_refused() -> None:
    """Because C would read past a short one."""
    with pytest.raises(ValueError, match="16 bytes"):
        strictjson.set_key(b"short")
