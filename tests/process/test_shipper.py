"""Segments into a bucket: each once, under one name, however often it is tried."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.config.ledger import LedgerS3
from s4fw.ledger import segments
from s4fw.process.shipper import S3, NotStored, Shipper
from s4fw.process.spool import Spool
from tests.harness.bucket import REGION, Bucket, bucket
from tests.ledger.signed import SIGNER, row


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Two sealed segments and an open one."""
    made = Spool(tmp_path, SIGNER)
    made.open()
    for number in (1, 2):
        made.begin("t", {0: number - 1})
        made.append([row(0, number)])
        made.seal()
    made.begin("t", {0: 2})
    return made


class Memory:
    """A store that keeps everything, or fails as told."""

    def __init__(self, *failures: Exception) -> None:
        self.objects: dict[str, bytes] = {}
        self.failures = list(failures)

    def put(self, name: str, data: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        assert name not in self.objects
        self.objects[name] = data


def shipper(spool: Spool, store: Memory | S3 | None, told: list[str] | None = None) -> Shipper:
    said = told if told is not None else []
    return Shipper(
        spool.directory,
        lambda: spool.first_open,
        store,
        lambda kind, level, text: said.append(kind),
    )


def test_sealed_segments_are_packed_and_the_open_one_is_left(spool: Spool) -> None:
    """Without a bucket they stay here, a tenth of the size."""
    assert shipper(spool, None).turn()
    files = segments.files_in(spool.directory)
    assert [(1, True), (2, True), (3, False)] == [(f.number, f.is_packed) for f in files]


def test_stored_segments_move_to_sent_oldest_first(spool: Spool) -> None:
    """What is stored elsewhere may be removed when room is needed."""
    store = Memory()
    assert shipper(spool, store).turn()
    assert ["000000000001", "000000000002"] == [name[:12] for name in store.objects]
    sent = segments.files_in(spool.directory / segments.SENT)
    assert list(store.objects) == [file.path.name for file in sent]
    assert list(store.objects.values()) == [file.path.read_bytes() for file in sent]


def test_store_that_fails_is_tried_again_and_told_once(spool: Spool) -> None:
    """A bucket may be away for days; people need one alarm, not one a second."""
    told: list[str] = []
    ship = shipper(spool, store := Memory(NotStored("S3 answered SlowDown"), NotStored("x")), told)
    assert [False, False, True] == [ship.turn() for _ in range(3)]
    assert 2 == len(store.objects)
    assert ["ledger_waits", "ledger_shipped"] == told


def test_full_disk_is_no_reason_not_to_send(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a full spool could never become empty."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("s4fw.process.shipper._write_synced", full)
    store = Memory()
    assert shipper(spool, store).turn()
    assert 2 == len(store.objects)
    assert [3] == [file.number for file in segments.files_in(spool.directory)]


def test_segment_without_its_seal_is_not_sent(spool: Spool) -> None:
    """A file that somebody cut is left for people to look at."""
    path = spool.directory / segments.open_name(1)
    path.write_bytes(path.read_bytes()[:-20])
    told: list[str] = []
    store = Memory()
    assert not shipper(spool, store, told).turn()
    assert ({}, ["ledger_waits"]) == (store.objects, told)


def test_segments_behind_one_without_its_seal_follow_when_it_is_moved_away(spool: Spool) -> None:
    """What operations.md tells people to do must be enough, without a restart."""
    path = spool.directory / segments.open_name(1)
    path.write_bytes(path.read_bytes()[:-20])
    told: list[str] = []
    ship = shipper(spool, store := Memory(), told)
    assert not ship.turn()
    (elsewhere := spool.directory / "aside").mkdir()
    path.rename(elsewhere / path.name)
    assert ship.turn()
    assert ["000000000002"] == [name[:12] for name in store.objects]
    assert ["ledger_waits", "ledger_shipped"] == told


def store_of(s3: Bucket, monkeypatch: pytest.MonkeyPatch, chain_id: str, name: str = "") -> S3:
    for variable, value in s3.env.items():
        monkeypatch.setenv(variable, value)
    config = {"bucket": name or s3.name, "prefix": "s4fw/ledger", "region": REGION}
    return S3(LedgerS3.model_validate(config), chain_id)


def test_bucket_gets_each_segment_once_also_after_a_death(
    s3: Bucket, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death between the answer and the move repeats the put; the bucket says that it has it."""
    store = store_of(s3, monkeypatch, "chain-once")
    assert shipper(spool, store).turn()
    sent = segments.files_in(spool.directory / segments.SENT)
    names = [f"s4fw/ledger/chain-once/{file.path.name}" for file in sent]
    before = {name: s3.read(name) for name in names}
    assert list(before.values()) == [file.path.read_bytes() for file in sent]
    for file in sent:  # as it lay before it was moved
        file.path.rename(spool.directory / file.path.name)
    assert shipper(spool, store).turn()
    assert before == {name: s3.read(name) for name in s3.names() if "chain-once" in name}
    assert 2 == len(segments.files_in(spool.directory / segments.SENT))


def test_object_that_is_there_is_never_replaced(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly once for each name, whatever the second try brings."""
    store = store_of(s3, monkeypatch, "chain-same")
    store.put("a", b"first")
    store.put("a", b"second")
    assert b"first" == s3.read("s4fw/ledger/chain-same/a")


def test_bucket_that_is_not_there_or_not_reached_says_why(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads the code of S3, and never a credential."""
    with pytest.raises(NotStored, match="S3 answered NoSuchBucket"):
        store_of(s3, monkeypatch, "c", "nowhere-at-all").put("a", b"x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    config = LedgerS3.model_validate({"bucket": s3.name, "region": REGION})
    with pytest.raises(NotStored, match="S3 was not reached: EndpointConnectionError"):
        S3(config, "c").put("a", b"x")
