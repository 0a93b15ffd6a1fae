"""The other end of the admin listener: what commands use to ask a running firewall."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # a table full of cells is 6 MiB of JSON


class AdminError(Exception):
    """The question was not answered.  The text is one sentence that tells what to check."""


class Unreachable(AdminError):
    """No firewall answered at the address."""


class Refused(AdminError):
    """The listener said no; `code` is its own word for why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AdminClient:
    """One admin listener.  A new connection for each question: commands ask once or twice."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """`url` is `http://host:port`.  Raises ValueError where it is not."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must look like http://127.0.0.1:9090")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("must be an address only: http://host:port")
        self._host, self._port = parts.hostname, parts.port or 80
        self._token = token

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def __repr__(self) -> str:
        return f"<AdminClient {self.url}{' with token' if self._token else ''}>"

    def get(self, path: str, **parameters: str | int) -> Any:
        """The document at `path`.  Raises AdminError."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._ask("GET", path + query, None)

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """Ask for a change.  Raises AdminError."""
        return self._ask("POST", path, orjson.dumps(document))

    def _ask(self, method: str, target: str, body: bytes | None) -> Any:
        headers = {"accept": "application/json", "connection": "close"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["content-type"] = "application/json"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            if answer.length is None or answer.length > ANSWER_BYTES_MAX:
                raise http.client.HTTPException("an answer without an acceptable length")
            text = answer.read()  # all of it: raises where the answer was cut
        except (OSError, http.client.HTTPException) as fault:
            raise Unreachable(f"no firewall answers at {self.url}: {_told(fault)}") from fault
        finally:
            connection.close()
        return _document(answer.status, text, self.url)


def _document(status: int, text: bytes, url: str) -> Any:
    not_ours = Unreachable(f"what answers at {url} is not the admin listener of a firewall")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise not_ours from None
    if not isinstance(document, dict):
        raise not_ours
    if status == 200:
        return document
    match document:
        case {"error": {"code": str(code), "message": str(message)}}:
            raise Refused(status, code, message)
    raise not_ours


def _told(fault: BaseException) -> str:
    if isinstance(fault, ConnectionRefusedError):
        return "connection refused"
    if isinstance(fault, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(fault, socket.gaierror):
        return "the host name is unknown"
    if isinstance(fault, http.client.IncompleteRead):
        return "the answer was cut"
    if isinstance(fault, http.client.HTTPException):
        return "it does not speak HTTP as a firewall does"
    strerror = getattr(fault, "strerror", None)
    return str(strerror).lower() if strerror else type(fault).__name__
