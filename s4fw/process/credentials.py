"""AWS credentials: found and renewed by the steward, handed to the workers, written nowhere.

Theory of operation.  Between the steward and each worker there is a socketpair, made by the master
before the first fork and kept by it, so that children that die and their replacements use the same
one.  The steward sends what it found to every worker whenever that changes; a worker that was just
born asks (its predecessor may have read the last message), and reads whatever is there, of which
the last counts.  Either may be missing: messages wait in the socket, and a full one is written
again with the next look.  Messages are whole (SEQPACKET) and only ever on these sockets.

The search itself (botocore's chain: environment, profile, container, instance role) may block for
seconds, so it has a thread of the steward's, and runs only where an upstream needs it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from s4fw.config.schema import Config
from s4fw.proxy.credentials import Credentials, Wallet

log = logging.getLogger(__name__)

_ASK = b"?"
_MESSAGE_BYTES_MAX = 65_536
LOOK_S = 60.0  # how often is looked whether something changed; botocore renews 15 min before expiry
RETRY_S = 2.0  # after nothing was found; doubled up to LOOK_S
THREAD = "s4fw-credentials"
MISSING = (
    "the firewall has no AWS credentials to sign with: its machine needs an instance role or a"
    " profile, or the upstream an api_key"
)

# What was found, or a sentence for callers about why nothing was.
Found = Credentials | str


class Channels:
    """All socketpairs.  A child keeps its own ends and closes the others."""

    def __init__(self, workers: int) -> None:
        pairs = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            for _ in range(workers)
        ]
        self.of_steward = [pair[0] for pair in pairs]
        self.of_workers = [pair[1] for pair in pairs]

    def keep_only(self, worker: int | None) -> None:
        """In a child: the worker with this index, or the steward."""
        kept = self.of_steward if worker is None else [self.of_workers[worker]]
        for end in (*self.of_steward, *self.of_workers):
            if end not in kept:
                end.close()


# In a worker.


class Recipient:
    """Keeps a worker's wallet as the steward says."""

    def __init__(self, end: socket.socket, wallet: Wallet, loop: asyncio.AbstractEventLoop) -> None:
        self._end = end
        self._wallet = wallet
        self._loop = loop
        loop.add_reader(end.fileno(), self._read)
        _send(end, _ASK)

    def _read(self) -> None:
        last = b""
        try:
            while message := self._end.recv(_MESSAGE_BYTES_MAX):
                last = message
            self._loop.remove_reader(self._end.fileno())  # the master is gone, and the steward
        except BlockingIOError:
            pass
        if not last:
            return
        found = _unpacked(last)
        if isinstance(found, Credentials):
            self._wallet.put(found)
        else:
            self._wallet.empty(found)


# In the steward.


class Chain:
    """The credentials of this machine, as botocore finds them.  Used by one thread."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self.method = ""  # how they were found, in botocore's words

    def look(self) -> Found:
        """What is there now, renewed where it is due.  May block for seconds; raises nothing."""
        # Only here: it takes time and memory that nobody else shall pay for.
        import botocore.exceptions
        import botocore.session

        try:
            if self._credentials is None:
                self._credentials = botocore.session.Session().get_credentials()
            if self._credentials is None:
                return MISSING
            frozen = self._credentials.get_frozen_credentials()
        except Exception as fault:
            # Its text may quote what a credential process wrote.  Look everywhere again next time.
            self._credentials = None
            is_plain = isinstance(fault, botocore.exceptions.ProfileNotFound)
            why = str(fault) if is_plain else type(fault).__name__
            return f"the AWS credentials of the firewall could not be read: {why}"
        if not (frozen.access_key and frozen.secret_key):
            return MISSING
        self.method = self._credentials.method
        expiry = getattr(self._credentials, "_expiry_time", None)  # there is no public name for it
        return Credentials(
            frozen.access_key,
            frozen.secret_key,
            frozen.token,
            int(expiry.timestamp()) if expiry is not None else None,
        )


class Keeper:
    """The steward's side: looks, and tells the workers.

    `tell` takes (level, sentence) about what an operator should know.
    """

    def __init__(
        self,
        ends: Sequence[socket.socket],
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[str, str], None],
    ) -> None:
        self._ends = ends
        self._loop = loop
        self._tell = tell
        self._found: Found | None = None
        self._untold: set[socket.socket] = set()
        self._over: threading.Event | None = None  # of the search that runs
        for end in ends:
            loop.add_reader(end.fileno(), self._asked, end)

    def adopt(self, config: Config) -> None:
        """Search, from the beginning, if an upstream needs it; stop where none does any more."""
        if self._over is not None:
            self._over.set()
            self._over = None
        if not any(upstream.is_signed_by_role for upstream in config.upstreams.values()):
            return
        self._over = threading.Event()
        for name in ("botocore", "urllib3"):  # below that they write requests with all their fields
            logging.getLogger(name).setLevel(logging.WARNING)
        threading.Thread(target=self._search, args=(self._over,), name=THREAD, daemon=True).start()

    def _search(self, is_over: threading.Event) -> None:
        """In a thread: look again and again."""
        chain = Chain()
        failures = 0
        pause_s = 0.0
        while not is_over.wait(pause_s):
            found = chain.look()
            failures = 0 if isinstance(found, Credentials) else failures + 1
            pause_s = _pause_s(found, failures, time.time())
            try:
                self._loop.call_soon_threadsafe(self._take, is_over, found, chain.method)
            except RuntimeError:  # the loop is closed: the steward has ended
                return

    def _take(self, is_over: threading.Event, found: Found, method: str) -> None:
        if is_over.is_set():
            return
        old = self._found
        if isinstance(found, str) and isinstance(old, Credentials) and _is_good(old):
            log.warning("AWS credentials were not renewed; those at hand are still good")
            found = old
        if found != old:
            self._found = found
            self._untold = set(self._ends)
            self._report(old, found, method)
        for end in list(self._untold):
            self._give(end)

    def _report(self, old: Found | None, new: Found, method: str) -> None:
        if isinstance(new, str):
            self._tell("alarm", new)
        elif isinstance(old, Credentials):
            log.info("AWS credentials were renewed")
        else:
            self._tell("info", f"AWS credentials were found ({method}); requests are signed")

    def _asked(self, end: socket.socket) -> None:
        try:
            while end.recv(_MESSAGE_BYTES_MAX):
                self._untold.add(end)
            self._loop.remove_reader(end.fileno())  # the master is gone
        except BlockingIOError:
            pass
        self._give(end)

    def _give(self, end: socket.socket) -> None:
        if self._found is not None and _send(end, _packed(self._found)):
            self._untold.discard(end)


def _is_good(credentials: Credentials) -> bool:
    return credentials.expires_s is None or credentials.expires_s > time.time()


def _pause_s(found: Found, failures: int, now_s: float) -> float:
    """Until the next look: soon enough to renew before the end, however short a life is."""
    if isinstance(found, str):
        return min(LOOK_S, RETRY_S * (1 << min(failures - 1, 10)))
    if found.expires_s is None:
        return LOOK_S
    return min(LOOK_S, max(1.0, (found.expires_s - now_s) / 8))


def _send(end: socket.socket, message: bytes) -> bool:
    """Write what fits; False while the other side reads nothing."""
    try:
        end.send(message)
    except OSError:
        return False
    return True


def _packed(found: Found) -> bytes:
    if isinstance(found, str):
        return json.dumps({"missing": found}).encode()
    values = (found.access_key_id, found.secret_access_key, found.session_token, found.expires_s)
    return json.dumps({"found": values}).encode()


def _unpacked(message: bytes) -> Found:
    content = json.loads(message)
    return Credentials(*content["found"]) if "found" in content else str(content["missing"])
