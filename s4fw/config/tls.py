"""`server.tls`: the certificate and key of the listener, read with the configuration.

Both files are read once, by the process that judges the configuration, and travel inside it: so a
reload takes a new pair whole or not at all, however the files change in the meantime, and workers
need no access to them.  OpenSSL reads files only, so the pair is shown to it in memory files.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo, model_validator
from pydantic_core import CoreSchema, core_schema

from s4fw.config.document import Scalar
from s4fw.config.forms import BROKEN, EMPTY, Form
from s4fw.config.section import Section, setting

FILE_BYTES_MAX = 256 * 1024  # a chain of certificates is a few KiB
_PEM = b"-----BEGIN "
_OTHERS_MAY = 0o027  # the group may not write, others may not do anything

# Forward secrecy and authenticated encryption only; TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file as it was read.  `is_open`: others than its owner and group can read or write it."""

    path: str
    pem: bytes = field(repr=False)
    is_open: bool


class Pem(Form):
    """A PEM file, by its path relative to the configuration."""

    words = "the path of a file in PEM form"
    schema = {"type": "string", "minLength": 1}

    def show(self, value: PemFile) -> str:
        return value.path

    def _read(self, value: Any, info: ValidationInfo) -> PemFile:
        if isinstance(value, PemFile):
            return value
        if isinstance(value, (dict, list)):
            raise self.refused()
        if isinstance(value, Scalar) and (value.is_null or value.is_broken):
            raise ValueError(EMPTY if value.is_null else BROKEN)
        name = value.text if isinstance(value, Scalar) else str(value)
        if not name or "\0" in name:
            raise self.refused()
        path = ((info.context or {}).get("directory", Path()) / name).absolute()
        try:
            with open(path, "rb") as file:
                pem = file.read(FILE_BYTES_MAX + 1)
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            raise ValueError(f"names a file that cannot be read: {error.strerror}") from None
        if _PEM not in pem or len(pem) > FILE_BYTES_MAX:
            raise ValueError("names a file that is not in PEM form")
        return PemFile(str(path), pem, bool(mode & _OTHERS_MAY))

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.show),
        )


class Tls(Section):
    """TLS on the listener of callers: version 1.2 and above, HTTP/1.1.  SIGHUP reads both files
    again; connections that are open keep what they began with."""

    cert: Annotated[PemFile, Pem()] = setting(
        "The file of the certificate, followed by those between it and its root."
    )
    key: Annotated[PemFile, Pem()] = setting("The file of its private key, not encrypted.")

    @model_validator(mode="after")
    def _judge(self) -> Tls:
        listener_context(self)
        return self


def listener_context(tls: Tls) -> ssl.SSLContext:
    """What a listener needs to speak TLS.  Raises ValueError where the pair cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    with _shown(tls.cert) as cert, _shown(tls.key) as key:
        try:
            # A password is never asked for: that would wait for a terminal.
            context.load_cert_chain(cert, key, password=_no_password)
        except _Encrypted:
            raise ValueError("has a key that is encrypted; give it without a password") from None
        except ssl.SSLError as error:
            raise ValueError(_reason(error)) from None
    return context


class _Encrypted(Exception):
    """The key asks for a password."""


def _no_password() -> str:
    raise _Encrypted


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "has a key that does not belong to the certificate"
    return f"cannot be used: {(error.reason or 'not a certificate and its key').lower()}"


@contextmanager
def _shown(file: PemFile) -> Iterator[str]:
    """A path at which OpenSSL finds what was read."""
    memory = os.memfd_create("s4fw-pem", os.MFD_CLOEXEC)
    try:
        os.write(memory, file.pem)
        yield f"/proc/self/fd/{memory}"
    finally:
        os.close(memory)
