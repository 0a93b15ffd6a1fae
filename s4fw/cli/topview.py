"""One frame of `s4fw top`: what burns, who works, what just happened.

A frame is made of what the admin listener answered at one moment and of the moments before it; it
asks nothing itself.  Amounts are integers of nano-USD until they are text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from s4fw.cli import show
from s4fw.cli.topcourse import Course, Moment
from s4fw.units import usd

WIDE = 100
WORKERS_CELLS = 38
EIGHTHS = " ▏▎▍▌▋▊▉█"
TICKS = "▁▂▃▄▅▆▇█"
STATES = {"ready": "green", "starting": "yellow", "draining": "yellow", "dead": "red"}
LEVELS = {"alarm": ("●", "bold red"), "warning": ("●", "yellow"), "info": ("·", "dim")}
KINDS = {"block": "red", "freeze": "bold cyan", "release": "cyan"}


def frame(course: Course, console: Console, rows_max: int) -> RenderableType:
    """The whole picture, for a terminal of the console's width and so many lines."""
    is_wide = console.width >= WIDE
    last = course.moments[-1]
    workers = [w for w in last.workers if w["state"] != "gone"]
    below = max(len(workers), 4) + 3
    budgets_max = max(3, rows_max - 9 - below)
    lower: list[RenderableType] = [_workers(course, workers), _events(last, below - 2)]
    if is_wide:
        side = Table.grid(expand=True, padding=0)
        side.add_column(width=WORKERS_CELLS)
        side.add_column(ratio=1)
        side.add_row(*lower)
        lower = [side]
    return Group(
        _head(course),
        _pulse(course, console.width),
        _budgets(course, budgets_max, is_wide),
        *lower,
    )


# -- the head -------------------------------------------------------------------------------------


def _head(course: Course) -> RenderableType:
    last = course.moments[-1]
    status = last.status
    word, style = (
        (f"no answer for {course.silent_s} s", "bold red")
        if course.silent_s
        else ("draining", "bold yellow")
        if status["draining"]
        else ("ready", "bold green")
        if status["ready"]
        else ("not ready", "bold red")
    )
    left = (
        Text().append(" S4 Firewall ", "bold white on blue").append(f" {status['version']} ", "dim")
    )
    left.append("● ", style).append(word, style)
    up = show.duration(show.seconds_between(status["started_at"], last.now))
    right = Text(f"up {up}  ", "dim").append(course.url, "dim")
    right.append(f"  {last.now[11:19]} UTC ", "bold")
    made = Table.grid(expand=True)
    made.add_column()
    made.add_column(justify="right")
    made.add_row(left, right)
    return made


def _pulse(course: Course, columns: int) -> RenderableType:
    """The figures that move, and how they moved."""
    last = course.moments[-1]
    flights = [_in_flight(m) for m in course.moments]
    tiles = [
        ("spend/min", _money_rate(course.per_minute(_charged)), course.steps(_charged), "cyan"),
        ("requests/min", _rate(course.per_minute(_requests)), course.steps(_requests), "green"),
        ("blocked/min", _rate(course.per_minute(_blocked)), course.steps(_blocked), "red"),
        ("in flight", show.count(flights[-1]), flights, "blue"),
    ]
    if last.useful_nusd or last.failing_nusd:
        if columns < WIDE:
            tiles.pop()  # the workers tell it
        failing = f"{_money_rate(course.per_minute(_failing))} · {_failing_share(last)}"
        tiles.insert(1, ("failing/min", failing, course.steps(_failing), "yellow"))
    made = Table.grid(expand=True, padding=(0, 1, 0, 0))
    cells = []
    for title, value, line, style in tiles:
        made.add_column(ratio=1)
        body = Text(value, "bold", no_wrap=True).append("\n")
        body.append(sparkline(line, columns // len(tiles) - 5), style)
        cells.append(Panel(body, title=f"[white]{title}[/]", title_align="left",
                           border_style="bright_black", box=box.ROUNDED))  # fmt: skip
    made.add_row(*cells)
    return made


def _failing(moment: Moment) -> int:
    return moment.failing_nusd


def _failing_share(moment: Moment) -> str:
    """What part of all that has an outcome was spent while failing."""
    part = show.permille(moment.failing_nusd, moment.failing_nusd + moment.useful_nusd)
    return f"{part // 10}%"


def _charged(moment: Moment) -> int:
    return moment.charged_nusd


def _requests(moment: Moment) -> int:
    return show.summed(moment.workers, "requests")


def _blocked(moment: Moment) -> int:
    return show.summed(moment.workers, "blocked")


def _in_flight(moment: Moment) -> int:
    return show.summed(moment.workers, "in_flight")


def _rate(per_minute: int | None) -> str:
    return "–" if per_minute is None else show.count(per_minute)


def _money_rate(per_minute: int | None) -> str:
    if per_minute is None:
        return "–"
    cents = per_minute // 10_000_000
    return usd(per_minute) if cents >= 100 or not cents else f"$0.{cents:02d}"


def sparkline(values: Sequence[int], cells: int) -> str:
    """The last values as a line of blocks, the highest of them full."""
    shown = list(values)[-cells:]
    top = max(shown, default=0)
    if not top:
        return TICKS[0] * cells
    ticks = "".join(TICKS[-(-v * (len(TICKS) - 1) // top)] for v in shown)
    return TICKS[0] * (cells - len(shown)) + ticks


# -- budgets --------------------------------------------------------------------------------------


def _budgets(course: Course, rows_max: int, is_wide: bool) -> RenderableType:
    rows = sorted(
        course.moments[-1].budgets,
        key=lambda row: (row["frozen"], show.permille(row["used_nusd"], row["limit_nusd"])),
        reverse=True,
    )
    made = Table(
        box=None, expand=True, padding=(0, 1), header_style="dim", show_edge=False, pad_edge=False
    )
    made.add_column("budget", ratio=2, no_wrap=True, overflow="ellipsis")
    if is_wide:
        made.add_column("", no_wrap=True)
    for title in ("%", "used", "limit", "$/min", "runs out", "resets"):
        if is_wide or title not in ("limit", "resets"):
            made.add_column(title, justify="right", no_wrap=True)
    for row in rows[:rows_max]:
        made.add_row(*_budget(course, row, is_wide))
    if not rows:
        made.add_row(show.note("no budgets are configured: nothing is capped"))
    more = f" [white]and {len(rows) - rows_max:,} with more room[/]" if len(rows) > rows_max else ""
    return Panel(made, title=f"[bold white]budgets[/]{more}", title_align="left",
                 border_style="bright_black", box=box.ROUNDED)  # fmt: skip


def _budget(course: Course, row: dict[str, Any], is_wide: bool) -> list[RenderableType]:
    name = Text(row["id"], "bold")
    if row["scope"]:
        name.append(" ").append("/".join(row["scope"].values()), "cyan")
    if row["frozen"]:
        name.append(" frozen", "bold cyan")
    elif row["mode"] == "shadow":
        name.append(" shadow", "dim")
    share = show.permille(row["used_nusd"], row["limit_nusd"])
    style = "bold red" if share >= 950 else "yellow" if share >= show.NEAR_PERMILLE else "green"
    rate = course.per_minute(lambda moment: _charged_of(moment, row))
    ends, ends_style = _runs_out(row, rate, course.moments[-1].now)
    cells: list[RenderableType] = [name]
    if is_wide:
        cells.append(bar(row["charged_nusd"], row["used_nusd"], row["limit_nusd"], 22, style))
    cells += [Text(f"{share // 10}.{share % 10}%", style), show.amount(row["used_nusd"])]
    if is_wide:
        cells.append(show.amount(row["limit_nusd"]))
    cells += [Text(_money_rate(rate), "" if rate else "dim"), Text(ends, ends_style)]
    if is_wide:
        cells.append(Text(_resets(row, course.moments[-1].now), "dim"))
    return cells


def _charged_of(moment: Moment, row: dict[str, Any]) -> int | None:
    for one in moment.budgets:
        if one["id"] == row["id"] and one["scope"] == row["scope"]:
            is_same = one["resets_at"] == row["resets_at"]
            return int(one["charged_nusd"]) if is_same else None
    return None


def _runs_out(row: dict[str, Any], rate: int | None, now: str) -> tuple[str, str]:
    """When the limit is reached at this rate, unless its window ends before."""
    room = row["limit_nusd"] - row["charged_nusd"]
    if room <= 0 or row["remaining_nusd"] == 0:
        return "used up", "bold red"
    if not rate:
        return "–", "dim"
    left_s = room * 60 // rate
    if row["resets_at"] is not None and left_s >= show.seconds_between(now, row["resets_at"]):
        return "no", "dim"
    style = "bold red" if left_s < 900 else "yellow" if left_s < 3600 else ""
    return show.duration(left_s), style


def _resets(row: dict[str, Any], now: str) -> str:
    if row["resets_at"] is None:
        return "never"
    return show.duration(show.seconds_between(now, row["resets_at"]))


def bar(charged: int, used: int, limit: int, cells: int, style: str) -> Text:
    """What is charged, full; what is held for requests in flight, shaded; the rest empty."""
    eighths = min(cells * 8, charged * cells * 8 // limit if limit > 0 else cells * 8)
    full, part = divmod(eighths, 8)
    text = Text("█" * full + (EIGHTHS[part] if part else ""), style)
    upto = min(cells, -(-used * cells // limit) if limit > 0 else cells)
    text.append("▒" * max(0, upto - len(text)), style.removeprefix("bold "))
    return text.append("░" * (cells - len(text)), "bright_black")


# -- workers and events ---------------------------------------------------------------------------


def _workers(course: Course, workers: list[dict[str, Any]]) -> RenderableType:
    made = Table(
        box=None, expand=True, padding=(0, 1), header_style="dim", show_edge=False, pad_edge=False
    )
    made.add_column("worker", no_wrap=True)
    for title in ("req/min", "flight", "beat"):
        made.add_column(title, justify="right", no_wrap=True)
    for row in workers:
        rate = course.per_minute(partial(_requests_of, row["slot"]))
        is_worker = row["kind"] == "worker"
        style = STATES.get(row["state"], "dim")
        word = row["state"] if is_worker or row["state"] != "ready" else row["kind"]
        age_ms = row["heartbeat_age_ms"]
        made.add_row(
            Text("● ", style).append(word, "" if style == "green" else style),
            _rate(rate) if is_worker else "",
            show.count(row["in_flight"]) if is_worker else "",
            Text(f"{age_ms} ms" if age_ms < 1000 else f"{age_ms // 1000} s",
                 "bold red" if age_ms >= 5000 else "dim"),
        )  # fmt: skip
    title = (
        f"[bold white]workers[/] [green]{course.moments[-1].status['workers']['ready']} ready[/]"
    )
    return Panel(made, title=title, title_align="left", border_style="bright_black",
                 box=box.ROUNDED)  # fmt: skip


def _requests_of(slot: int, moment: Moment) -> int | None:
    return next((int(w["requests"]) for w in moment.workers if w["slot"] == slot), None)


def _events(last: Moment, rows_max: int) -> RenderableType:
    """Alerts have the first lines, because blocks come in hundreds."""
    alerts = last.alerts[: max(1, rows_max * 2 // 3)]
    others = [event for event in last.events if event["kind"] != "alert"]
    made = Table.grid(expand=True, padding=(0, 1, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(justify="right", no_wrap=True, style="dim")
    made.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for event in [*alerts, *others[: max(0, rows_max - len(alerts))]]:
        mark, style = LEVELS.get(event["level"], LEVELS["info"])
        ago = show.duration(show.seconds_between(event["at"], last.now)).split()
        made.add_row(Text(mark, style), "".join(ago[:2]).replace("min", "m"), _said(event))
    if not alerts and not others:
        made.add_row("", "", show.note("nothing happened that is worth a look"))
    return Panel(made, title="[bold white]alerts and events[/]", title_align="left",
                 border_style="bright_black", box=box.ROUNDED)  # fmt: skip


def _said(event: dict[str, Any]) -> Text:
    """The sentence; of an alert alone, since it says what it is."""
    message = str(event["message"])
    if event["kind"] == "alert":
        return Text(message, "bold" if event["level"] == "alarm" else "")
    fields = event["fields"]
    who = "/".join(str(fields[n]) for n in ("tenant", "feature", "customer") if n in fields)
    budget = f" by {fields['budget_id']}" if "budget_id" in fields else ""
    kind = event["kind"].replace("_", " ")
    text = Text(f"{kind} ", KINDS.get(event["kind"], "dim"))
    return text.append(f"{message}{budget}" + (f": {who}" if who else ""))
