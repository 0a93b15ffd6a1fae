"""How much the data plane puts up with, and how long it waits.

Bytes and counts end in `_max`, times in `_ns`.  The first group is configuration; the second is
fixed, each figure with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from s4fw.config.listeners import Server
from s4fw.config.upstreams import Upstream

NS_PER_S: Final = 1_000_000_000
KIB: Final = 1024
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """One version of the limits; an exchange keeps the one it began with."""

    body_bytes_max: int = 32 * MIB
    headers_bytes_max: int = 32 * KIB
    header_fields_max: int = 100
    connections_max: int = 16_384
    in_flight_max: int = 4_096
    headers_ns: int = 10 * NS_PER_S
    body_ns: int = 60 * NS_PER_S
    connect_ns: int = 10 * NS_PER_S
    first_byte_ns: int = 600 * NS_PER_S
    stream_idle_ns: int = 120 * NS_PER_S
    total_ns: int = 1_800 * NS_PER_S
    loop_lag_ns: int = NS_PER_S
    memory_bytes_max: int = 0  # of one worker; 0: no bound

    # A balancer that closes by itself (ALB, 60 s by default) must close first, or it meets our
    # close with a request on the way; an NLB passes our close on.
    keep_alive_ns: int = 400 * NS_PER_S
    # After a refusal the caller may still be sending; closing at once would reset the connection
    # and destroy the answer on its way (RFC 9112 9.6; nginx lingering_timeout is 5 s).
    linger_ns: int = 5 * NS_PER_S
    # Answers whose caller left are read on for the sake of their usage, within these bounds.
    drains_max: int = 256
    drain_answer_ns: int = 60 * NS_PER_S
    # Shorter than the idle timeout of common servers (60 s and more), so that we close first.
    upstream_idle_ns: int = 30 * NS_PER_S
    upstream_idle_max: int = 256
    upstream_connections_max: int = 4_096
    # An answer up to this size is kept whole, so that its head can tell what it cost.
    whole_answer_bytes_max: int = 1 * MIB
    answer_headers_bytes_max: int = 64 * KIB  # twice what we take from callers
    deadline_tick_ns: int = NS_PER_S // 10  # how late a deadline may be noticed
    prefixes: frozenset[bytes] = frozenset()  # what a path may begin with, each naming an upstream

    @classmethod
    def of(cls, server: Server, upstreams: Iterable[Upstream] = ()) -> Settings:
        """The settings that these sections of the configuration describe."""
        limits, timeouts = server.limits, server.timeouts
        return cls(
            body_bytes_max=limits.body_bytes,
            headers_bytes_max=limits.headers_bytes,
            header_fields_max=limits.header_fields,
            connections_max=limits.connections,
            in_flight_max=limits.in_flight,
            upstream_connections_max=limits.in_flight,
            loop_lag_ns=_ns(limits.loop_lag_s),
            memory_bytes_max=limits.memory_bytes or 0,
            headers_ns=_ns(timeouts.headers_s),
            body_ns=_ns(timeouts.body_s),
            connect_ns=_ns(timeouts.connect_s),
            first_byte_ns=_ns(timeouts.first_byte_s),
            stream_idle_ns=_ns(timeouts.stream_idle_s),
            total_ns=_ns(timeouts.total_s),
            prefixes=frozenset(one.prefix.encode() for one in upstreams if one.prefix is not None),
        )


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_S)
