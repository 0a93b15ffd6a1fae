"""Who signs the ledger: an Ed25519 key in a file, behind an interface that a KMS fits too.

The only file that knows `cryptography`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES_MAX = 8192


def key_id(public: bytes) -> str:
    """What people compare: 16 characters of a key's digest."""
    return hashlib.sha256(public).hexdigest()[:16]


class KeySigner:
    """A private key at hand."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"<KeySigner {key_id(self.public)}>"

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    @property
    def public_pem(self) -> bytes:
        """The public key as auditors keep it."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def load(cls, path: Path) -> KeySigner:
        """From PEM, as `openssl genpkey -algorithm ed25519` writes it.

        Raises OSError; ValueError with the rest of a sentence about the file.
        """
        key = _private(_read(path))
        if key is None:
            raise ValueError("holds no Ed25519 private key in PEM without a password")
        return cls(key)

    @classmethod
    def kept(cls, path: Path) -> KeySigner:
        """The key of a file, made where there is none.  Raises like `load`."""
        if not path.exists():
            _make(path)
        return cls.load(path)


def public_keys(path: Path) -> bytes:
    """The public key in a PEM file, of a public or a private key.  Raises like `load`."""
    pem = _read(path)
    private = _private(pem)
    if private is not None:
        return private.public_key().public_bytes_raw()
    try:
        public = serialization.load_pem_public_key(pem)
    except ValueError:
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("holds no Ed25519 key in PEM")
    return public.public_bytes_raw()


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of a public key signed this."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(KEY_BYTES_MAX)


def _private(pem: bytes) -> Ed25519PrivateKey | None:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # TypeError: it has a password
        return None
    return key if isinstance(key, Ed25519PrivateKey) else None


def _make(path: Path) -> None:
    """A new key, whole or not at all: two that start at once end up with the same."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
