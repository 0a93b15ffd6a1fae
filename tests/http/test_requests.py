"""Every request row, at a real firewall process, and at our reader however the bytes are cut."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest

from s4fw.proxy.reader import RequestReader
from s4fw.proxy.settings import Settings
from tests.differential.test_http1_against_h11 import by_us
from tests.harness import Firewall, fetch, firewall_config, quiesce
from tests.http import framing, heads
from tests.http.playing import Player, Recording, complaint
from tests.http.rows import GOOD, KEY, Row

ROWS = framing.rows() + heads.rows()
ALL = [{"id": "all", "per": [], "window": "total", "limit_usd": "100"}]
_SPLITS_MAX = 600  # of a row's places to cut, the first and the last; all of most rows


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    """What reaches the other side."""
    with Recording() as made:
        yield made


@pytest.fixture(scope="module")
def edge(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """One firewall for all rows, with one worker, one key and one upstream."""
    upstreams = {
        name: {"base_url": f"http://127.0.0.1:{recording.port}", "api_key": "sk-upstream"}
        for name in ("openai", "anthropic")
    }
    config = firewall_config(
        f"http://127.0.0.1:{recording.port}",
        ALL,
        server={"workers": 1},
        upstreams=upstreams,
        keys=[{"id": "caller", "sha256": hashlib.sha256(KEY).hexdigest(), "tenant": "acme"}],
    )
    with Firewall(tmp_path_factory.mktemp("http"), config) as made:
        yield made


def test_families_are_as_many_as_promised_and_none_is_there_twice() -> None:
    """A family that generates nothing would prove nothing."""
    assert len(ROWS) >= 700
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert sum(not row.is_refused for row in ROWS) >= 90


@pytest.mark.parametrize("piece", [0, 1, 7], ids=["at-once", "by-the-byte", "by-seven"])
def test_every_row_meets_its_verdict(edge: Firewall, recording: Recording, piece: int) -> None:
    """What two servers might read differently is refused, and nothing of it is forwarded."""
    first = piece * 10_000
    before = recording.total
    outcomes = Player(edge.host, edge.port, piece).play(ROWS, first)
    complaints = [complaint(one, recording.seen[one.mark]) for one in outcomes]
    assert "" == "\n".join(text for text in complaints if text)
    assert sum(row.reaching for row in ROWS) == recording.total - before
    assert not any(b"sk-caller" in head for head in recording.heads)
    # The worker goes on as if nothing had been, and holds nothing.
    answer = fetch(edge.base_url + "/models", headers={"authorization": f"Bearer {KEY.decode()}"})
    assert 200 == answer.status
    assert 0 == quiesce(edge).held_nusd
    assert 0 == sum(row.get("restarts", 0) for row in edge.workers())


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_reading_is_the_same_wherever_the_bytes_are_cut(row: Row) -> None:
    """A parser that remembers too little between two reads is how smuggling begins."""
    data = row.raw
    whole = by_us([data])
    assert whole == by_us(
        [data[i : i + 1] for i in range(min(len(data), 40_000))] + [data[40_000:]]
    )
    places = range(1, len(data))
    if len(places) > _SPLITS_MAX:
        places = [*places[: _SPLITS_MAX // 2], *places[-_SPLITS_MAX // 2 :]]
    for at in places:
        assert whole == by_us([data[:at], data[at:]]), at


@pytest.mark.parametrize("field", [b"POST /v1?a=%b HTTP/1.1", b"POST / HTTP/1.1\r\nX-A: %b"])
def test_long_line_that_comes_byte_by_byte_costs_little(field: bytes) -> None:
    """Looking at all of it again with each byte cost 8 seconds of a worker for 32 kB."""
    data = field % (b"a" * 32_000)
    reader, limits = RequestReader(), Settings()
    started = time.process_time()
    for at in range(32_000):
        reader.read_head(data[at : at + 1], None, limits)
    assert time.process_time() - started < 1.5
    assert not reader.is_empty


def test_rows_that_are_read_whole_are_the_requests_that_were_meant() -> None:
    """The sans-IO reader is the one the firewall uses: it must read a good request."""
    requests, verdict = by_us([GOOD + GOOD])
    assert (2, "open") == (len(requests), verdict)
