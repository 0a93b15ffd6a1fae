"""CHA-*: processes die, hang, are stopped and started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.chaos import scene as s
from tests.chaos.faultpoints import POINTS, Point
from tests.chaos.scene import ALL, SILENT, Crowd, Scene, ask, streams, usd, worst
from tests.harness import Firewall, firewall_config, post_chat, quiesce, wait_until
from tests.harness.process import is_alive
from tests.harness.quote import dollars
from tests.native import programs

PATIENT = {"workers": 2, "timeouts": {"drain": "30s"}}


def busiest(proxy: Firewall) -> tuple[int, int]:
    """The worker with most requests in flight: its pid, and how many."""
    rows = [row for row in proxy.workers() if row["kind"] == "worker" and is_alive(row["pid"])]
    row = max(rows, key=lambda row: row["in_flight"])
    return row["pid"], row["in_flight"]


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), f"{pid} is dead")


def worker_killed(scene: Scene) -> str:
    """CHA-01."""
    count = scene.either(50, 12)
    proxy = scene.firewall()
    with streams(proxy, count):
        victim, lost = busiest(proxy)
        killed_s = time.monotonic()
        kill(victim)
        wait_until(lambda: proxy.budgets()[0]["accrued_nusd"] == worst(lost), "worst cases")
        proxy.wait_workers()
        took_s = time.monotonic() - killed_s
        assert worst(count - lost) == proxy.budgets()[0]["held_nusd"]
        assert took_s < 10, f"replaced after {took_s:.1f} s"  # on a quiet machine in less than 2
        assert 200 == ask(proxy)
        kill(busiest(proxy)[0])  # the others, too: every stream ends in the same way
        proxy.wait_workers()
    entry = scene.end(proxy, accrued_nusd=worst(count))
    accrued = usd(entry["accrued_nusd"])
    return f"{count} × worst case = {accrued} accrued, 0 given back; replaced in {took_s:.1f} s"


def master_killed(scene: Scene) -> str:
    """CHA-02: a new master while streams of the old one run on."""
    old = scene.firewall(server=PATIENT)
    assert 200 == ask(old)
    with streams(old, 4), streams(old, 4, content="[[fault hold]]" + s.CANARY, stream=True,
                                  max_tokens=5, model="mock-hang_stream"):  # fmt: skip
        before = old.budgets()[0]
        old_workers = old.pids()
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        new = _successor(scene, old)
        held = new.budgets()[0]
        assert before["charged_nusd"] == held["charged_nusd"]
        assert before["held_nusd"] == held["held_nusd"], "a living owner's lease was recovered"
        assert 200 == ask(new)
        for pid in old_workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        expected = worst(4) + worst(4, **SILENT | {"content": "[[fault hold]]" + s.CANARY,
                                                   "max_tokens": 5})  # fmt: skip
        wait_until(lambda: new.budgets()[0]["accrued_nusd"] == expected, "each recovered once")
        time.sleep(1.1)  # the master looks for more to recover each second
    entry = scene.end(new, accrued_nusd=expected)
    return f"numbers carried on; 8 leases recovered once each, {usd(entry['accrued_nusd'])}"


def _successor(scene: Scene, old: Firewall) -> Firewall:
    """Another master over the same table, on ports of its own; the old one is left alone."""
    return scene.firewall(config=old.config, name="successor")


def master_then_worker_killed(scene: Scene) -> str:
    """CHA-03."""
    old = scene.firewall(server=PATIENT | {"workers": 1})
    with streams(old, 5):
        (worker,) = old.pids()
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        kill(worker)
        new = _successor(scene, old)
        time.sleep(1.1)
    entry = scene.end(new, accrued_nusd=worst(5))
    return f"5 × worst case accrued once = {usd(entry['accrued_nusd'])}"


def everything_killed(scene: Scene) -> str:
    """CHA-04: with the runtime directory kept; what was reserved only comes back."""
    proxy = scene.firewall()
    for _ in range(5):
        assert 200 == ask(proxy)
    before = quiesce(proxy).one("all")
    with streams(proxy, 4):
        proxy.kill_everything()
    proxy.start()
    entry = scene.end(proxy, accrued_nusd=worst(4), spent_nusd=before["spent_nusd"])
    return f"spent {usd(entry['spent_nusd'])} as before, 4 × worst case accrued"


def killed_in_a_loop(scene: Scene) -> str:
    """CHA-06: near the cap, so that one forgotten or doubled reservation would show."""
    turns, kills = scene.either(300, 12), 0
    quote = worst(1, model="mock-hang_stream", max_tokens=5)
    limit = scene.either(50, 12) * quote  # reached before the end
    budget = [ALL[0] | {"limit_usd": dollars(limit)}]
    proxy = scene.firewall(budgets=budget)
    with Crowd(proxy, 6, max_tokens=5) as crowd:
        for _ in range(turns):
            time.sleep(0.2)
            pids = [pid for pid in proxy.pids() if is_alive(pid)]
            if pids:  # else the next ones are being started
                with suppress(ProcessLookupError):
                    os.kill(scene.random.choice(pids), signal.SIGKILL)
                    kills += 1
        statuses = crowd.stop()
    proxy.wait_workers()
    entry = scene.end(proxy)
    assert entry["used_nusd"] <= limit
    assert entry["charged_nusd"] > 0
    assert kills >= turns // 10, kills
    return (
        f"{kills} kills in {turns} turns, {statuses[200]} answered, {statuses[0]} cut, "
        f"{statuses[402]} over: used {usd(entry['used_nusd'])} of {usd(limit)}, never above"
    )


def stopped_for_a_while(scene: Scene) -> str:
    """CHA-07."""
    proxy = scene.firewall()
    body = {"content": f"{s.CANARY} [[fault drip:1]]", "max_tokens": 4, "stream": True}
    with streams(proxy, 6, **body) as socks:
        victim, stuck = busiest(proxy)
        os.kill(victim, signal.SIGSTOP)
        time.sleep(3 if scene.is_whole else 0.5)
        os.kill(victim, signal.SIGCONT)
        assert stuck > 0
        for sock in socks:
            s.read_stream(sock)
        assert victim in proxy.pids()
    entry = scene.end(proxy, accrued_nusd=0)
    return f"6 streams went on, spent exactly {usd(entry['spent_nusd'])}"


def stopped_for_ever(scene: Scene) -> str:
    """CHA-08."""
    proxy = scene.firewall()
    with streams(proxy, 6):
        victim, lost = busiest(proxy)
        os.kill(victim, signal.SIGSTOP)
        time.sleep(3.0)
        assert is_alive(victim), "killed too early"
        wait_until(lambda: not is_alive(victim), "the stopped worker is killed", timeout_s=6.0)
        proxy.wait_workers()
        assert worst(lost) == proxy.budgets()[0]["accrued_nusd"]
        assert 200 == ask(proxy)
        kill(busiest(proxy)[0])
        proxy.wait_workers()
    entry = scene.end(proxy, accrued_nusd=worst(6))
    return f"killed after 5 s; worst cases accrued, {usd(entry['accrued_nusd'])}"


def stopped_inside_the_lock(scene: Scene) -> str:
    """CHA-09: a process stands still with half of a committed record applied."""
    folder = scene.folder / "native"
    folder.mkdir()
    objects = [o for o in programs.compile_table(folder) if o.stem != "harness"]
    holder = programs.link("hold_lock", folder, objects)
    proxy = scene.firewall(server={"workers": 1})
    assert 200 == ask(proxy)
    before = quiesce(proxy).one("all")
    table = Path(proxy.config["paths"]["runtime"]) / "table"
    with subprocess.Popen([holder, table], stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert b"held\n" == stopped.stdout.readline()
        sent = scene.simulator.request_count()
        waits = []
        for _ in range(5):
            asked_s = time.monotonic()
            answer = post_chat(proxy.base_url, content=s.CANARY, max_tokens=5)
            waits.append(time.monotonic() - asked_s)
            assert 503 == answer.status
            assert "retry-after" in answer.headers
        assert max(waits) < 1.0
        assert sent == scene.simulator.request_count()
        stopped.kill()
    wait_until(lambda: ask(proxy) == 200, "it goes on once the holder is dead")
    entry = scene.end(proxy, accrued_nusd=0)
    assert entry["charged_nusd"] > before["charged_nusd"]
    return f"refused in {round(1000 * max(waits))} ms at most, nothing sent; exact afterwards"


class Faulty(Firewall):
    """A firewall of which one process dies at a point."""

    point: Point
    fired: Path

    def arm(self) -> None:
        """Change what is started."""
        at = self.args.index("serve")
        program = [sys.executable, "-m", "tests.chaos.faultpoints"]
        self.args = [*program, self.point.name, str(self.fired), *self.args[at:]]

    def start(self, *, wait: bool = True) -> None:
        self.fired = self.folder / f"fired {self.point.name}"
        if "tests.chaos.faultpoints" not in self.args:
            self.arm()
        super().start(wait=wait)


def killed_at_point(scene: Scene, point: Point) -> str:
    """CHA-10: one request on its way to the point, then more, of which nobody may suffer."""

    class Armed(Faulty):
        pass

    Armed.point = point
    proxy = scene.firewall(kind=Armed, server={"workers": 1}, name=point.name.replace(" ", "-"))
    body = {"max_tokens": 5}
    with suppress(Exception):  # the connection breaks where the worker dies
        ask(proxy, **body)
    has_fired = proxy.fired.exists  # type: ignore[attr-defined]
    wait_until(has_fired, f"the point {point.name!r} has fired")
    wait_until(lambda: _is_serving(proxy), "another one serves", timeout_s=10.0)
    accrued = worst(1, **body) if point.outcome == "worst" else 0
    entry = scene.end(proxy, accrued_nusd=accrued)
    assert 200 == ask(proxy, **body)
    return f"{point.name}: {point.outcome}, {usd(entry['accrued_nusd'])} accrued"


def _is_serving(proxy: Firewall) -> bool:
    with suppress(OSError):
        return bool(proxy.wait_workers() and ask(proxy) == 200)
    return False


def killed_at_every_point(scene: Scene) -> str:
    """CHA-10."""
    points = POINTS if scene.is_whole else [p for p in POINTS if p.name in _SHORT_POINTS]
    for point in points:
        with Scene(scene.folder, scene.simulator, seed=0, is_whole=scene.is_whole) as inner:
            killed_at_point(inner, point)
    return f"{len(points)} points of Python, each fired once; void, worst case or exact as it must"


_SHORT_POINTS = ("reserved", "sent", "settling", "settled", "rows read")


def drained(scene: Scene) -> str:
    """CHA-11: half of the streams end in time, half do not."""
    half = scene.either(50, 8)
    proxy = scene.firewall(server={"workers": 2, "timeouts": {"drain": "2s"}})
    held = {"content": f"{s.CANARY} [[fault hold]]", "max_tokens": 5, "stream": True}
    with ExitStack() as stack, streams(proxy, half):
        ending = [stack.enter_context(s.asking(proxy, **held)) for _ in range(half)]
        scene.simulator.wait_held(half)
        proxy.terminate()
        wait_until(lambda: proxy.ask_admin("/readyz").status == 503, "it drains")
        scene.simulator.release()
        for sock in ending:
            s.read_stream(sock)
        assert 0 == proxy.wait(8)
    proxy.stop()
    proxy.start()
    entry = scene.end(proxy, accrued_nusd=worst(half))
    return f"{half} finished exactly, {half} × worst case, {usd(entry['accrued_nusd'])} accrued"


def reloaded(scene: Scene) -> str:
    """CHA-12: limits up and down, nonsense between, a renamed budget at the end."""
    scene.may_exceed = True
    times = scene.either(100, 12)
    proxy = scene.firewall()
    with Crowd(proxy, 3) as crowd:
        for turn in range(times):
            limit = ("0.000001", "5", "10")[turn % 3]
            proxy.reload(firewall_config(scene.simulator, [ALL[0] | {"limit_usd": limit}]))
            if turn % 5 == 4:
                time.sleep(0.05)
                proxy.reload(firewall_config(scene.simulator, [{"id": "all"}]))
            time.sleep(0.05)
        proxy.reload(firewall_config(scene.simulator, ALL))
        limit_nusd = 10 * 10**9
        wait_until(lambda: proxy.budgets()[0]["limit_nusd"] == limit_nusd, "the last one counts")
        statuses = crowd.stop()
    assert set(statuses) <= {200, 402}, statuses
    entry = scene.end(proxy, accrued_nusd=0)
    renamed = [ALL[0] | {"id": "everything", "was": "all"}]
    proxy.reload(firewall_config(scene.simulator, renamed))
    wait_until(lambda: proxy.budgets()[0]["id"] == "everything", "the budget is renamed")
    assert entry["spent_nusd"] == proxy.budgets()[0]["spent_nusd"]
    return f"{times} reloads, {statuses[200]} passed, {statuses[402]} over, none dropped"


def worker_blocked(scene: Scene) -> str:
    """CHA-17: a loop that stands still is no crash; what waited for it is told to come again."""
    proxy = scene.firewall(server={"workers": 1, "limits": {"loop_lag": "200ms"}})
    (worker,) = proxy.pids()
    with Crowd(proxy, 8) as crowd:
        wait_until(lambda: crowd.statuses[200] > 5, "it serves")
        os.kill(worker, signal.SIGSTOP)
        time.sleep(2)
        os.kill(worker, signal.SIGCONT)
        served = crowd.statuses[200]
        wait_until(lambda: crowd.statuses[200] > served + 5, "it goes on")
        statuses = crowd.stop()
    assert worker in proxy.pids()
    assert statuses[503] > 0, statuses
    assert s.figure(proxy, "s4fw_shed_late_total") > 0
    entry = scene.end(proxy, accrued_nusd=0)
    return f"{statuses[503]} told to come again, worker alive, spent {usd(entry['spent_nusd'])}"
