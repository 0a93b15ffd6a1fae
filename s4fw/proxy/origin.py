"""Where an upstream stands, and our credential for it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

# What comes before the key, by how it is sent, and how it is sent by dialect.
_CREDENTIAL: Final = {
    "bearer": b"authorization: Bearer ",
    "api-key": b"api-key: ",
    "x-api-key": b"x-api-key: ",
}
_AUTH_BY_DIALECT: Final = {"openai": "bearer", "anthropic": "x-api-key", "bedrock": "bearer"}


class Signer(Protocol):
    """Signs each request to an upstream that takes no fixed credential."""

    def lack(self) -> str | None:
        """Why nothing can be signed now, as a sentence for callers; None where it can."""

    def has_nothing(self) -> bool:
        """Whether it is certain that there is nothing to sign with, not only nothing yet."""

    def sign(
        self,
        method: bytes,
        authority: bytes,
        path: bytes,
        query: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        pieces: Sequence[bytes | bytearray | memoryview],
        body_sha256: bytes,
    ) -> bytes:
        """The header lines to add, each with its CR LF.  All but the length is as it will be sent;
        `fields` are those of the caller that are forwarded, `pieces` the body, `body_sha256` its
        hash in hex where it is known already, else empty.  Raises Refusal."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One upstream as the proxy needs it.  Equal origins share their connections."""

    host: str
    port: int
    is_tls: bool
    base_path: bytes  # what stands before each route's upstream path, without a trailing slash
    credential: bytes = field(default=b"", repr=False)  # a header line of ours
    signer: Signer | None = field(default=None, repr=False)  # without both the caller's own passes

    @classmethod
    def of(
        cls,
        dialect: str,
        base_url: str,
        api_key: str | None = None,
        auth: str | None = None,
        signer: Signer | None = None,
    ) -> Origin:
        """Read a base URL as the configuration stores it: without `/v1`, query or user.  `auth`
        says how the key is sent: bearer, api-key or x-api-key, else as the dialect has it."""
        parts = urlsplit(base_url)
        is_tls = parts.scheme == "https"
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise ValueError("not an http or https URL")
        return cls(
            host=parts.hostname,
            port=parts.port or (443 if is_tls else 80),
            is_tls=is_tls,
            base_path=parts.path.rstrip("/").encode("ascii"),
            credential=(
                _CREDENTIAL[auth or _AUTH_BY_DIALECT[dialect]] + api_key.encode("ascii") + b"\r\n"
                if api_key
                else b""
            ),
            signer=signer,
        )

    @property
    def authority(self) -> bytes:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.is_tls else 80
        return (host if self.port == usual else f"{host}:{self.port}").encode("ascii")

    def __str__(self) -> str:
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{self.authority.decode()}{self.base_path.decode()}"

    @property
    def log_text(self) -> str:
        """What a log line may show: it is of the configuration, and has no credential."""
        return str(self)


def tls_context() -> ssl.SSLContext:
    """Certificates and host names are checked; SSL_CERT_FILE names another root store."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
