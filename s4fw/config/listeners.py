"""`server` and `admin`: where the firewall listens, and what it puts up with there."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Annotated

from pydantic import SecretStr

from s4fw.config.forms import Auto, Choice, Duration, Flag, Size, Text, Whole
from s4fw.config.secret import Secret
from s4fw.config.section import Section, setting
from s4fw.config.sigv4 import MASTER_CHARACTERS_MIN
from s4fw.config.tls import Tls

# An address, or a name of labels; `*` is no host: 0.0.0.0 says the same without a shell's help.
Host = Annotated[
    str,
    Text(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:.]{2,45}", "an address or a host name"),
]
Port = Annotated[int, Whole(0, 65535)]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host.  A name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Limits(Section):
    """What one caller may make the firewall hold; beyond it a request is refused."""

    body_bytes: Annotated[int, Size("1KiB", "256MiB")] = setting(
        "Bytes of a request's body; a longer one is refused with 413.", "32MiB", key="body"
    )
    headers_bytes: Annotated[int, Size("1KiB", "1MiB")] = setting(
        "Bytes of a request's head, request line included; a longer one is refused with 431.",
        "32KiB",
        key="headers",
    )
    header_fields: Annotated[int, Whole(8, 1000)] = setting(
        "Header fields of a request; more are refused with 431.", 100
    )
    connections: Annotated[int, Whole(1, 1_000_000)] = setting(
        "Connections open from callers to one worker.", 16384
    )
    in_flight: Annotated[int, Whole(1, 1_000_000)] = setting(
        "Requests one worker works on at once; more are refused with 503.", 4096
    )
    loop_lag_s: Annotated[float, Duration("50ms", "1m")] = setting(
        "How late a worker's event loop may be; while it is later, requests are refused with 503.",
        "1s",
        key="loop_lag",
    )
    memory_bytes: Annotated[int, Size("64MiB", "1024GiB")] | None = setting(
        "Resident memory of one worker, what it shares with the others included; above it requests"
        " are refused with 503. Where left out, there is no bound.",
        None,
        key="memory",
    )


class Timeouts(Section):
    """How long each part of an exchange may take."""

    headers_s: Annotated[float, Duration("50ms", "5m")] = setting(
        "From a request's first byte to the end of its head.", "10s", key="headers"
    )
    body_s: Annotated[float, Duration("50ms", "1h")] = setting(
        "From the end of a request's head to the end of its body.", "60s", key="body"
    )
    connect_s: Annotated[float, Duration("50ms", "5m")] = setting(
        "To open a connection to an upstream, TLS included.", "10s", key="connect"
    )
    first_byte_s: Annotated[float, Duration("50ms", "1h")] = setting(
        "From the request sent to the first byte of the upstream's answer.",
        "600s",
        key="first_byte",
    )
    stream_idle_s: Annotated[float, Duration("50ms", "1h")] = setting(
        "Silence between two parts of an upstream's answer.", "120s", key="stream_idle"
    )
    total_s: Annotated[float, Duration("50ms", "1d")] = setting(
        "A whole exchange; then it is cut and charged at worst case.", "1800s", key="total"
    )
    drain_s: Annotated[float, Duration("0s", "1h")] = setting(
        "What still runs at a shutdown may go on this long.", "300s", key="drain"
    )


# Callers choose these values, so that each is a series more only where it is asked for.
METRIC_LABELS = ("key", "customer", "agent", "session")


def _processors() -> int:
    return len(os.sched_getaffinity(0))


class Server(Section):
    """The listener of callers."""

    host: Host = setting("The address callers connect to.", "127.0.0.1")
    port: Port = setting("The port callers connect to; 0 takes a free one.", 8080)
    workers: Annotated[int, Auto(1, 256, _processors)] = setting(
        "Worker processes; auto is one for each processor this process may run on.", "auto"
    )
    tls: Tls | None = setting("TLS for callers; without it they connect in the clear.", None)
    sigv4_master: Annotated[SecretStr, Secret(MASTER_CHARACTERS_MIN)] | None = setting(
        "What the secrets of `keys` with an access_key_id are derived from, best as `{file: path}`;"
        " whoever knows it can call as any of them.",
        None,
    )
    allow_anonymous: Annotated[bool, Flag()] = setting(
        "Start without `keys`, although an upstream has a credential of ours and the host is not"
        " loopback: then everyone who reaches the port spends our money.",
        False,
    )
    limits: Limits = setting("What one caller may make the firewall hold.", {})
    timeouts: Timeouts = setting("How long each part of an exchange may take.", {})


class Admin(Section):
    """The listener of operators: health, metrics, status, budgets."""

    host: Host = setting("The address of the admin listener.", "127.0.0.1")
    port: Port = setting("The port of the admin listener; 0 takes a free one.", 9090)
    token: Annotated[SecretStr, Secret(16)] | None = setting(
        "Who sends it as a bearer token may read and change. Without it nobody may change anything;"
        " without it and `read_token`, reading is open on loopback.",
        None,
    )
    read_token: Annotated[SecretStr, Secret(16)] | None = setting(
        "Who sends it as a bearer token may read, but change nothing: for scrapers.  With it, and"
        " without `token`, nobody may change anything.",
        None,
    )
    metric_labels: frozenset[Annotated[str, Choice(*METRIC_LABELS)]] = setting(
        "Dimensions beside tenant, feature, model and provider whose values may be labels of"
        " metrics, at most 500 of each.",
        [],
    )


def _admin_problems(admin: Admin) -> Iterator[tuple[str, str]]:
    tokens = [t.get_secret_value() for t in (admin.token, admin.read_token) if t is not None]
    if not tokens and not is_loopback(admin.host):
        yield (
            "admin.host",
            "is reachable from other machines, so admin.token must be set (or use 127.0.0.1)",
        )
    if len(tokens) != len(set(tokens)):
        yield "admin.read_token", "is the same as admin.token, so who has it may change things"


def listener_problems(server: Server | None, admin: Admin | None) -> Iterator[tuple[str, str]]:
    """What is wrong with the two together, as (path, sentence)."""
    if admin is not None:
        yield from _admin_problems(admin)
    if server is None or admin is None or server.port != admin.port or not server.port:
        return
    any_host = {"0.0.0.0", "::"}
    if server.host == admin.host or any_host & {server.host, admin.host}:
        yield "admin.port", f"is {admin.port}, which server.port takes already"
