"""Packs sealed segments of the ledger and puts them into S3, each once, for as long as it takes.

Theory of operation.  A thread of the steward's, because reading, packing and sending may block.  It
touches files that nobody writes any more: those before the open segment.  A packed file is synced
before it gets its name, and the plain one is removed afterwards, so a death leaves one or both.

An object's name carries the digest of the last line, hence of every line: one name, one content.
It is put with `If-None-Match: *`; "it is there already" (412) therefore means that it was put
before a death, or by the steward of a draining master, and counts as done.  Only PutObject is
needed.  What fails is tried again for ever, with pauses up to a minute.  A segment that is stored
moves to `sent/`, from where the writer removes the oldest when it needs room.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from s4fw.config.ledger import LedgerS3
from s4fw.ledger import segments
from s4fw.ledger.segments import SegmentFile
from s4fw.process import aws
from s4fw.process.tell import Tell

log = logging.getLogger(__name__)

THREAD = "s4fw-ledger"
LOOK_S = 1.0  # a sealed segment is seen at once; this is for what was missed
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
TIMEOUT_S = 30


class NotStored(Exception):
    """The store did not take it; the message is safe to log."""


class Store(Protocol):
    """Where packed segments go."""

    def put(self, name: str, data: bytes) -> None:
        """Store it under a name that nothing else has.  Raises NotStored."""


class S3:
    """A bucket.  Made and used in one thread."""

    def __init__(self, config: LedgerS3, chain_id: str) -> None:
        self._config = config
        self._chain_id = chain_id
        self._client: Any = None

    def put(self, name: str, data: bytes) -> None:
        # Only here: they take time and memory that nobody else shall pay for.
        import botocore.exceptions

        arguments: dict[str, Any] = {
            "Bucket": self._config.bucket,
            "Key": self._config.key_of(self._chain_id, name),
            "Body": data,
            "IfNoneMatch": "*",
            "ContentType": "application/gzip",
            "ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        }
        if self._config.kms_key_id is not None:
            arguments |= {
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": self._config.kms_key_id,
            }
        try:
            if self._client is None:
                self._client = aws.client("s3", self._config.region, TIMEOUT_S, 1)
            self._client.put_object(**arguments)
        except botocore.exceptions.ClientError as fault:
            code = aws.code_of(fault)
            status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status != 412 and code != "PreconditionFailed":
                raise NotStored(f"S3 answered {code}") from fault
        except Exception as fault:  # its text may quote what a credential process wrote
            self._client = None
            raise NotStored(f"S3 was not reached: {type(fault).__name__}") from fault


class Shipper:
    """The thread.  `first_open` says from which segment on files are still written."""

    def __init__(
        self, directory: Path, first_open: Callable[[], int], store: Store | None, tell: Tell
    ) -> None:
        self._directory = directory
        self._first_open = first_open
        self._store = store
        self._tell = tell
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._live, name=THREAD, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """A segment was sealed."""
        self._has_work.set()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was sealed is where it belongs."""
        return not any(
            file.number < self._first_open() and (self._store is not None or not file.is_packed)
            for file in segments.files_in(self._directory)
            if file.path.parent.name != segments.SENT
        )

    def close(self, timeout_s: float) -> None:
        """Stop; what is being put meanwhile is put by the next steward again, under its name."""
        self._stopping.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _live(self) -> None:
        while not self._stopping.is_set():
            self._has_work.clear()
            is_done = self.turn()
            if is_done:
                self._has_work.wait(LOOK_S)
            else:  # news of further segments are no reason to try the same one earlier
                self._pause(PAUSES_S[min(self._failures, len(PAUSES_S)) - 1])

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def turn(self) -> bool:
        """Pack and send what is sealed, the oldest first; False where something has to wait."""
        for file in segments.files_in(self._directory):
            if file.number >= self._first_open() or file.path.parent.name == segments.SENT:
                continue
            if self._stopping.is_set():
                return False
            try:
                self._ship(file)
            except FileNotFoundError:
                continue  # it was packed or moved by the steward before this one
            except (NotStored, OSError, ValueError) as fault:
                self._failed(fault)
                return False
        if self._failures:
            self._failures = 0
            self._tell("ledger_shipped", "info", "segments of the ledger are stored again")
        return True

    def _ship(self, file: SegmentFile) -> None:
        packed, name = self._packed(file)
        if self._store is None:
            return
        self._store.put(name, packed)
        sent = self._directory / segments.SENT / name
        source = self._directory / name
        if source.exists():
            os.replace(source, sent)
        elif not sent.exists():
            with contextlib.suppress(OSError):  # a full disk: it is stored, that is enough
                _write_synced(sent, packed)
        with contextlib.suppress(FileNotFoundError):
            (self._directory / segments.open_name(file.number)).unlink()

    def _packed(self, file: SegmentFile) -> tuple[bytes, str]:
        """The packed bytes and their name; the file of them where the disk has room for it."""
        if file.is_packed:
            return file.path.read_bytes() if self._store is not None else b"", file.path.name
        with open(file.path, "rb") as plain:
            data = plain.read()
            os.fsync(plain.fileno())
        try:
            seal = segments.seal_of(data)
        except ValueError as fault:
            raise ValueError(f"segment {file.number} {fault}") from fault
        packed = segments.pack(data)
        name = segments.packed_name(file.number, seal.digest)
        try:
            _write_synced(self._directory / name, packed)
            file.path.unlink()
        except OSError as fault:
            if fault.errno not in (errno.ENOSPC, errno.EDQUOT) or self._store is None:
                raise
        return packed, name

    def _failed(self, fault: Exception) -> None:
        self._failures += 1
        if isinstance(fault, NotStored):
            why = str(fault)
        else:
            why = f"{type(fault).__name__} {getattr(fault, 'strerror', None) or fault}"
        if self._failures == 1:
            log.error("a segment of the ledger waits: %s", why)
            sentence = f"a segment of the ledger waits, it is tried again: {why}"
            self._tell("ledger_waits", "alarm", sentence)


def _write_synced(path: Path, data: bytes) -> None:
    """Replace a file once its bytes are on the disk.  Raises OSError, and leaves nothing then."""
    temporary = path.with_name(path.name + ".packing")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
