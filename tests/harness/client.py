"""Callers: plain HTTP, raw bytes, many requests at once, the OpenAI SDK."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import h11
import openai

T = TypeVar("T")

_STATUS = re.compile(rb"(?:^|\n)HTTP/1\.[01] (\d{3})[ \r]")


@dataclass(slots=True)
class Answer:
    """One HTTP answer; header names in lower case, repeated ones joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of each event of a streamed body; `[DONE]` as that text."""
        blocks = self.body.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
        lines = [line for block in blocks for line in block.split("\n")]
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [text if text == "[DONE]" else json.loads(text) for text in data]


@dataclass(slots=True)
class Raw:
    """What came back for raw bytes, and how it ended."""

    data: bytes
    is_closed: bool  # FIN or RST came
    is_reset: bool

    @property
    def statuses(self) -> list[int]:
        """The status of every answer in the data, interim ones too."""
        return [int(match) for match in _STATUS.findall(self.data)]


def chat_body(
    model: str = "mock-small", content: str = "Where is my order?", **more: Any
) -> dict[str, Any]:
    """The body of a chat request with one message."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


def chat_request(
    body: dict[str, Any] | None = None, headers: dict[str, str] | None = None, *, close: bool = True
) -> bytes:
    """The bytes of a chat request, for raw exchanges."""
    data = json.dumps(body or chat_body()).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: test",
        "authorization: Bearer sk-test",
        "content-type: application/json",
        f"content-length: {len(data)}",
        *(["connection: close"] if close else []),
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def fetch(
    url: str,
    method: str = "GET",
    body: bytes | dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    *,
    timeout_s: float = 30.0,
) -> Answer:
    """Ask once, on a connection of its own."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    sent = {"authorization": "Bearer sk-test"} | (headers or {})
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        sent = {"content-type": "application/json"} | sent
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target or "/", body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, _joined(answer.getheaders()), answer.read())
    finally:
        connection.close()


def post_chat(
    base_url: str, headers: dict[str, str] | None = None, *, timeout_s: float = 30.0, **body: Any
) -> Answer:
    """Post one chat request; `base_url` ends in /v1, `body` as for `chat_body`."""
    url = base_url + "/chat/completions"
    return fetch(url, "POST", chat_body(**body), headers, timeout_s=timeout_s)


def exchange_raw(
    host: str,
    port: int,
    data: bytes,
    *,
    timeout_s: float = 5.0,
    idle_s: float | None = None,
    half_close: bool = False,
) -> Raw:
    """Send bytes and read until the other side closes, is silent for `idle_s`, or time is over."""
    end = time.monotonic() + timeout_s
    received = bytearray()
    with socket.create_connection((host, port), timeout=timeout_s) as sock:
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            while (left_s := end - time.monotonic()) > 0:
                patience_s = min(left_s, idle_s) if idle_s and received else left_s
                sock.settimeout(patience_s)
                piece = sock.recv(65536)
                if not piece:
                    return Raw(bytes(received), True, False)
                received += piece
        except TimeoutError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            with suppress(OSError):  # an answer may have come before the reset
                received += sock.recv(1 << 20)
            return Raw(bytes(received), True, True)
    return Raw(bytes(received), False, False)


def parallel(count: int, call: Callable[[int], T], *, threads: int = 64) -> list[T | Exception]:
    """Run call(0) .. call(count - 1) in threads; what one raises is its result."""

    def attempt(index: int) -> T | Exception:
        try:
            return call(index)
        except Exception as problem:
            return problem

    with ThreadPoolExecutor(min(count, threads)) as pool:
        return list(pool.map(attempt, range(count)))


def send_all(
    host: str, port: int, requests: Sequence[bytes], *, timeout_s: float = 30.0
) -> list[Answer | Exception]:
    """Send all requests at once, each on a connection of its own; answers in their order.

    One thread and one loop, so hundreds of connections cost little.  A connection that breaks, or
    an answer that is no HTTP, is an exception in its place.
    """

    async def run() -> list[Answer | Exception]:
        tasks = (_send_one(host, port, request, timeout_s) for request in requests)
        return list(await asyncio.gather(*tasks))

    return asyncio.run(run())


async def _send_one(host: str, port: int, request: bytes, timeout_s: float) -> Answer | Exception:
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await _read_answer(reader, request)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, h11.RemoteProtocolError) as problem:
        return problem


async def _read_answer(reader: asyncio.StreamReader, request: bytes) -> Answer:
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    method = request.split(b" ", 1)[0]
    parser.send(h11.Request(method=method, target=b"/", headers=[("host", "test")]))
    parser.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers]
            return Answer(head.status_code, _joined(pairs), bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError("closed without an answer")


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


@contextmanager
def openai_client(base_url: str, **more: Any) -> Iterator[openai.OpenAI]:
    """The real SDK; without retries unless `max_retries` is given."""
    options: dict[str, Any] = {"api_key": "sk-test", "max_retries": 0, "timeout": 30.0, **more}
    with openai.OpenAI(base_url=base_url, **options) as client:
        yield client
