"""AWS credentials from the steward to the workers: who asks, who is told, what is never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.config import parse
from s4fw.config.schema import Config
from s4fw.process import credentials
from s4fw.process.credentials import Chain, Channels, Keeper, Recipient
from s4fw.proxy.credentials import Credentials, Wallet
from tests.harness.aws import machine

BEDROCK = "upstreams: {bedrock: {region: us-east-1}}"
PLAIN = "upstreams: {openai: {base_url: https://a.example}}"
FIXED = (
    "upstreams: {bedrock: {region: us-east-1,"
    " credentials: {access_key_id: AKIDAKID, secret_access_key: s}}}"
)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a profile, far from any real one."""
    for name, value in machine(tmp_path, lifetime_s=3600).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def channels() -> Iterator[Channels]:
    """For two workers, closed afterwards."""
    made = Channels(2)
    yield made
    for end in (*made.of_steward, *made.of_workers):
        end.close()


def config(text: str) -> Config:
    """A configuration."""
    return parse(text, "x", {})


def searches() -> int:
    """How many searches run in this process."""
    return sum(thread.name.startswith(credentials.THREAD) for thread in threading.enumerate())


def run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play on a loop of its own."""
    asyncio.run(asyncio.wait_for(play(), 15))


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for it."""
    while not is_true():  # noqa: ASYNC110 - threads and sockets set no event
        await asyncio.sleep(0.01)


class Told(list[tuple[str, str]]):
    """What operators were told."""

    def tell(self, level: str, sentence: str) -> None:
        self.append((level, sentence))


def test_workers_get_what_was_found_and_one_that_comes_later_asks(channels: Channels) -> None:
    """A replacement finds an empty socket: its predecessor had read everything."""

    async def play() -> None:
        loop, told = asyncio.get_running_loop(), Told()
        keeper = Keeper(channels.of_steward, loop, told.tell)
        first = Wallet()
        Recipient(channels.of_workers[0], first, loop)
        keeper.adopt(config(BEDROCK))
        await until(lambda: first.lack(0) is None)
        assert first.take(0).secret_access_key.startswith("secret-of-")
        loop.remove_reader(channels.of_workers[0].fileno())
        again = Wallet()
        Recipient(channels.of_workers[0], again, loop)
        await until(lambda: again.lack(0) is None)
        assert first.take(0) == again.take(0)
        assert ["info"] == [level for level, _ in told]
        assert "custom-process" in told[0][1]
        keeper.adopt(config(PLAIN))

    run(play)


def test_steward_that_comes_later_tells_everybody(channels: Channels) -> None:
    """Questions wait in the sockets while there is no steward."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        wallets = [Wallet(), Wallet()]
        for end, wallet in zip(channels.of_workers, wallets, strict=True):
            Recipient(end, wallet, loop)
        keeper = Keeper(channels.of_steward, loop, Told().tell)
        keeper.adopt(config(BEDROCK))
        await until(lambda: all(wallet.lack(0) is None for wallet in wallets))
        keeper.adopt(config(PLAIN))

    run(play)


def test_worker_that_reads_nothing_gets_the_latest_when_it_does(channels: Channels) -> None:
    """A full socket loses nothing: it is written again, and the last message counts."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        keeper = Keeper(channels.of_steward, loop, Told().tell)
        is_over = threading.Event()
        for number in range(5_000):
            keeper._take(is_over, Credentials(f"ID{number}", "x" * 1_000), "test")
        wallet = Wallet()
        Recipient(channels.of_workers[1], wallet, loop)
        await until(lambda: wallet.lack(0) is None)

        def is_latest() -> bool:
            keeper._take(is_over, Credentials("ID4999", "x" * 1_000), "test")
            return wallet.take(0).access_key_id == "ID4999"

        await until(is_latest)

    run(play)


@pytest.mark.parametrize("text", [PLAIN, FIXED])
def test_nothing_is_searched_where_no_upstream_needs_it(channels: Channels, text: str) -> None:
    """No thread, no botocore, no question to the metadata service of the machine."""

    async def play() -> None:
        keeper = Keeper(channels.of_steward, asyncio.get_running_loop(), Told().tell)
        keeper.adopt(config(text))
        assert 0 == searches()
        keeper.adopt(config(BEDROCK))
        assert 1 == searches()
        keeper.adopt(config(text))
        await until(lambda: searches() == 0)

    run(play)


def test_failed_renewal_keeps_what_is_good_and_tells_once_it_is_not(channels: Channels) -> None:
    """A metadata service that is away for a minute stops nobody."""

    async def play() -> None:
        loop, told = asyncio.get_running_loop(), Told()
        keeper = Keeper(channels.of_steward, loop, told.tell)
        wallet = Wallet()
        Recipient(channels.of_workers[0], wallet, loop)
        is_over = threading.Event()
        keeper._take(is_over, Credentials("GOOD", "s", None, 2**40), "iam-role")
        keeper._take(is_over, "gone", "iam-role")
        await until(lambda: wallet.lack(0) is None)
        assert "GOOD" == wallet.take(0).access_key_id
        keeper._take(is_over, Credentials("OLD", "s", None, 1), "iam-role")
        keeper._take(is_over, "gone", "iam-role")
        await until(lambda: wallet.lack(0) == "gone")
        assert [("alarm", "gone")] == told[1:]

    run(play)


def test_late_result_of_an_old_search_is_not_taken(channels: Channels) -> None:
    """After a reload that needs no credentials, or searches anew."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        keeper = Keeper(channels.of_steward, loop, Told().tell)
        wallet = Wallet()
        Recipient(channels.of_workers[0], wallet, loop)
        is_over = threading.Event()
        is_over.set()
        keeper._take(is_over, Credentials("LATE", "s"), "env")
        await asyncio.sleep(0.05)
        assert wallet.lack(0) is not None

    run(play)


def test_chain_says_what_is_wrong_without_what_was_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A credential process may print anything on its way out."""
    program = tmp_path / "fails.sh"
    program.write_text("#!/bin/sh\necho my-secret >&2; exit 1\n")
    program.chmod(0o700)
    (tmp_path / "aws-config").write_text(f"[default]\ncredential_process = {program}\n")
    found = Chain().look()
    assert isinstance(found, str)
    assert "my-secret" not in found
    assert "CredentialRetrievalError" in found
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "nobody" in str(Chain().look())


def test_chain_finds_nothing_on_a_machine_without_any(tmp_path: Path) -> None:
    """The sentence names what is missing."""
    machine(tmp_path)
    assert credentials.MISSING == Chain().look()


@pytest.mark.parametrize(
    ("found", "failures", "pause_s"),
    [
        ("none", 1, 2.0),
        ("none", 3, 8.0),
        ("none", 50, 60.0),
        (Credentials("a", "b"), 0, 60.0),
        (Credentials("a", "b", None, 1_000 + 21_600), 0, 60.0),
        (Credentials("a", "b", None, 1_000 + 80), 0, 10.0),
        (Credentials("a", "b", None, 990), 0, 1.0),
    ],
)
def test_next_look_comes_before_the_end(
    found: Credentials | str, failures: int, pause_s: float
) -> None:
    """However short a life is; and a machine without credentials is not asked all the time."""
    assert pause_s == credentials._pause_s(found, failures, 1_000)
