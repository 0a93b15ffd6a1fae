"""The simulator as a process, in a thread, on a loop, and after a fork."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from s4fw.sim import server
from s4fw.sim.pacing import Pace
from s4fw.sim.simulator import Options
from s4fw.tokens import TokenCounter
from tests.harness import Process, Simulator, fetch, parallel, post_chat


def test_sim_terminated_ends_with_0_and_leaves_nothing(tmp_path: Path) -> None:
    """Calls that are held do not keep it alive."""
    with Simulator(tmp_path) as simulator:
        simulator.faults("hold")
        parallel(1, lambda _: post_chat(simulator.base_url, timeout_s=0.1))
        simulator.terminate()
        assert simulator.wait(3.0) == 0
        assert simulator.tree() == []
        assert simulator.stderr() == ""


def test_sim_on_a_taken_port_says_so(tmp_path: Path) -> None:
    """One clear line, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        args = ["sim", "--port", str(taken.getsockname()[1])]
        sim = Process(args, folder=tmp_path, ready_word="ready ")
        sim.start(wait=False)
        code = sim.wait()
        sim.stop()
    assert code != 0
    assert "cannot listen on 127.0.0.1:" in sim.stderr()
    assert "Traceback" not in sim.stderr()


def test_sim_options_change_answers(tmp_path: Path) -> None:
    """Seed, length, key and prices from the command line."""
    args = ("--seed", "5", "--output-tokens", "3", "--key", "k", "--prices", "mock-x=3:4:10")
    with Simulator(tmp_path, *args) as simulator:
        assert post_chat(simulator.base_url).status == 401
        key = {"authorization": "Bearer k"}
        assert post_chat(simulator.base_url, key, model="mock-x", max_tokens=11).status == 400
        usage = post_chat(simulator.base_url, key, model="mock-x").json()["usage"]
        assert usage["completion_tokens"] == 3
        assert simulator.ledger()["total_nusd"] == usage["prompt_tokens"] * 3_000 + 3 * 4_000


def test_sim_with_a_wrong_price_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2, and which option it was."""
    sim = Process(["sim", "--prices", "mock-x=cheap"], folder=tmp_path, ready_word="ready ")
    sim.start(wait=False)
    assert sim.wait() == 2
    sim.stop()
    assert "--prices" in sim.stderr()


def test_in_thread_serves_and_stops(counter: TokenCounter) -> None:
    """For tests that want to look inside."""
    with server.in_thread(counter=counter) as running:
        assert post_chat(running.base_url).status == 200
        fetch(running.url + "/sim/state")  # an answer is billed once its last byte is sent
        assert running.simulator.ledger.billed == 1
    with pytest.raises(ConnectionRefusedError):
        fetch(running.url + "/sim/state")


def test_serve_paces_tokens(counter: TokenCounter) -> None:
    """20 ms to the first token, then 50 tokens at 500 a second: 0.12 s."""

    async def run() -> float:
        options = Options(pace=Pace(first_ms=20, tokens_per_s=500), output_tokens=50)
        async with server.serve(options=options, counter=counter) as running:
            loop = asyncio.get_running_loop()
            started_s = loop.time()
            await asyncio.to_thread(post_chat, running.base_url, stream=True)
            return loop.time() - started_s

    assert 0.11 <= asyncio.run(run()) < 1.0


def test_run_after_a_fork_tells_its_address_and_stops_on_sigterm(counter: TokenCounter) -> None:
    """The way a parent that loaded the vocabularies starts it."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_fd)
            server.run(ready_fd=write_fd, counter=counter)
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(write_fd)
    try:
        with os.fdopen(read_fd) as lines:
            url = lines.readline().split()[1]
        assert post_chat(url + "/v1").status == 200
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
