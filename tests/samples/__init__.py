"""Recorded wire shapes, read by the tests."""

from pathlib import Path

FOLDER = Path(__file__).parent


def sample(path: str) -> bytes:
    """The bytes of one sample, by its path below this folder."""
    return (FOLDER / path).read_bytes()
