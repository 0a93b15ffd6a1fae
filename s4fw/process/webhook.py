"""Posts alerts to the one URL that is configured, signed, and looks at nothing but the status.

Theory of operation.  Whoever can change what a name resolves to could turn this into a way to the
machine's own metadata service.  So the name is resolved here, every address it has is judged, and
the connection goes to a judged address, never to the name again.  There is no HTTP library in
between: none that follows a redirect, uses a proxy of the environment or reads a body without end.
One deadline holds for all of an attempt except the resolver, which has its own.

The signature is that of standardwebhooks.com: HMAC-SHA256 over `id.timestamp.body`.  The timestamp
is that of the attempt, so that a receiver can refuse what was replayed; the id stays the same, so
that it can drop what came twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import socket
import ssl
import time
from urllib.parse import urlsplit

from s4fw import __version__
from s4fw.config.alerts import Webhook
from s4fw.config.listeners import is_loopback
from s4fw.process.courier import Letter, NotBrought

ATTEMPT_S = 10.0
STATUS_BYTES_MAX = 4096
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r?\n)")
_PASSING = frozenset({408, 409, 425, 429})
_SECRET_PREFIX = "whsec_"

# Metadata services at addresses that are not link-local: Alibaba, AWS over IPv6, Oracle.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "192.0.0.192", "168.63.129.16"))
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Hook:
    """The URL, taken apart once.  Used in one thread."""

    name = "webhook"

    def __init__(self, config: Webhook, attempt_s: float = ATTEMPT_S) -> None:
        parts = urlsplit(config.url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._authority = parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._key = None if config.secret is None else key_of(config.secret.get_secret_value())
        self._attempt_s = attempt_s
        self._tls = ssl.create_default_context() if self._is_tls else None

    def bring(self, letter: Letter) -> None:
        """Post one.  Raises NotBrought."""
        addresses = self._resolved()
        end_s = time.monotonic() + self._attempt_s
        try:
            status = self._post(addresses, self._request(letter, int(time.time())), end_s)
        except ssl.SSLCertVerificationError as fault:
            raise NotBrought("its certificate is not valid") from fault
        except TimeoutError as fault:
            raise NotBrought("it did not answer in time") from fault
        except OSError as fault:
            raise NotBrought(f"no connection: {type(fault).__name__}") from fault
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise NotBrought(f"it answered {status}; redirects are not followed", True)
        raise NotBrought(f"it answered {status}", 400 <= status < 500 and status not in _PASSING)

    def _resolved(self) -> list[str]:
        """The addresses of the host.  Raises NotBrought; also for one that may not be asked."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as fault:
            raise NotBrought("its name does not resolve") from fault
        addresses = [str(one[4][0]) for one in found]
        for address in addresses:
            if (why := refusal(address, is_loopback(self._host))) is not None:
                raise NotBrought(f"its name leads to {why}; that is never asked")
        return addresses

    def _request(self, letter: Letter, now_s: int) -> bytes:
        lines = [
            f"POST {self._target} HTTP/1.1",
            f"host: {self._authority}",
            f"user-agent: s4fw/{__version__}",
            "content-type: application/json",
            f"content-length: {len(letter.body)}",
            "accept: */*",
            "connection: close",
            f"webhook-id: {letter.id}",
            f"webhook-timestamp: {now_s}",
        ]
        if self._key is not None:
            lines.append(f"webhook-signature: {signature(self._key, letter, now_s)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + letter.body

    def _post(self, addresses: list[str], request: bytes, end_s: float) -> int:
        """The status of the answer.  Raises OSError, TimeoutError and NotBrought."""
        with self._connected(addresses, end_s) as peer:
            peer.settimeout(_left(end_s))
            peer.sendall(request)
            head = b""
            while (match := _STATUS.match(head)) is None:
                if b"\n" in head or len(head) > STATUS_BYTES_MAX:
                    raise NotBrought("it did not answer in HTTP")
                peer.settimeout(_left(end_s))
                piece = peer.recv(1024)
                if not piece:
                    raise NotBrought("it closed the connection without an answer")
                head += piece
            return int(match[1])

    def _connected(self, addresses: list[str], end_s: float) -> socket.socket:
        fault: OSError | None = None
        for address in addresses:
            try:
                plain = socket.create_connection((address, self._port), timeout=_left(end_s))
            except OSError as refused:
                fault = refused
                continue
            if self._tls is None:
                return plain
            try:
                plain.settimeout(_left(end_s))
                return self._tls.wrap_socket(plain, server_hostname=self._host)
            except BaseException:
                plain.close()
                raise
        raise fault or OSError("no address")


def _left(end_s: float) -> float:
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def refusal(address: str, is_loopback_named: bool) -> str | None:
    """Why an address is never asked; None where it may be.

    This machine is asked only where the URL itself says so: then it is meant.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip.sixtofour is not None:
            ip = ip.sixtofour
    if ip.is_link_local:
        return "a link-local address"
    if ip in _METADATA:
        return "a metadata service"
    if ip.is_loopback:
        return None if is_loopback_named else "this machine"
    if ip.is_unspecified or ip.is_multicast or ip.is_reserved:
        return "no host"
    return None


def key_of(secret: str) -> bytes:
    """The key of a secret as the standard writes it, `whsec_` and base64; other text is the key."""
    if secret.startswith(_SECRET_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def signature(key: bytes, letter: Letter, now_s: int) -> str:
    """The value of `webhook-signature`."""
    signed = f"{letter.id}.{now_s}.".encode() + letter.body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
