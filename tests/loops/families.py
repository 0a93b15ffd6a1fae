"""Sessions of invented agents: some that run in circles, some that only look like it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Turn = tuple[str, Any, str]  # tool ("" for none: the argument is what the agent says), its result

_WORDS = [
    "order",
    "invoice",
    "customer",
    "region",
    "report",
    "cache",
    "index",
    "queue",
    "worker",
    "page",
    "row",
    "table",
    "parse",
    "build",
    "test",
    "deploy",
    "config",
    "schema",
    "file",
    "path",
    "retry",
    "value",
    "metric",
    "trace",
    "event",
    "plan",
    "note",
    "branch",
    "review",
]
TOOLS = ("search", "read_file", "bash", "run_tests", "edit_file", "query_db", "send_email")


def words(r: random.Random, count: int) -> str:
    """A text of so many words."""
    return " ".join(r.choice(_WORDS) for _ in range(count))


def uuid(r: random.Random) -> str:
    """An id as services make them."""
    h = f"{r.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def work(r: random.Random, count: int) -> list[Turn]:
    """Turns of an agent that gets on."""
    return [
        (r.choice(TOOLS), {"q": words(r, 5)}, words(r, r.randrange(15, 80))) for _ in range(count)
    ]


def _same(r: random.Random, count: int) -> list[Turn]:
    return [("read_file", {"path": words(r, 2)}, words(r, 30))] * count


def _result_nonce(r: random.Random, count: int) -> list[Turn]:
    return [("query_db", {"id": 7}, f"rows: none, request {uuid(r)}") for _ in range(count)]


def _args_nonce(r: random.Random, count: int) -> list[Turn]:
    text = words(r, 9)
    return [("bash", {"cmd": "run", "n": r.randrange(10**9)}, text) for _ in range(count)]


def _args_uuid(r: random.Random, count: int) -> list[Turn]:
    text = words(r, 9)
    return [("bash", {"cmd": "run", "request": uuid(r)}, text) for _ in range(count)]


def _both_err(r: random.Random, count: int) -> list[Turn]:
    return [
        ("bash", {"n": r.randrange(10**6)}, f"Error: upstream failed, trace {r.randrange(10**9)}")
        for _ in range(count)
    ]


def _reworded_err(r: random.Random, count: int) -> list[Turn]:
    return [("edit_file", {"q": words(r, 5)}, "Error: no such file") for _ in range(count)]


def _reworded_empty(r: random.Random, count: int) -> list[Turn]:
    return [("search", {"q": words(r, 5)}, "No results found.") for _ in range(count)]


def _cycle(period: int) -> Callable[[random.Random, int], list[Turn]]:
    def made(r: random.Random, count: int) -> list[Turn]:
        turns: list[Turn] = [
            (TOOLS[at % len(TOOLS)], {"q": words(r, 6)}, words(r, 20)) for at in range(period)
        ]
        return [turns[at % period] for at in range(count)]

    return made


def _monologue(r: random.Random, count: int) -> list[Turn]:
    return [("", "I will now continue to work on the task as planned.", "continue")] * count


def _farewells(r: random.Random, count: int) -> list[Turn]:
    said = ["Thank you, is there anything else?", "You are welcome! Anything else I can do?"]
    back = ["No, thanks. Have a great day!", "Thanks again, goodbye!"]
    return [("", r.choice(said), r.choice(back)) for _ in range(count)]


def _idle_poll(r: random.Random, count: int) -> list[Turn]:
    return [
        ("job_state", {"job": "j-17"}, json.dumps({"status": "running", "at": r.randrange(10**6)}))
        for _ in range(count)
    ]


def _pagination(r: random.Random, count: int) -> list[Turn]:
    return [("list_orders", {"page": at}, words(r, 40)) for at in range(count)]


def _batch(r: random.Random, count: int) -> list[Turn]:
    return [
        ("query_db", {"id": 1000 + at}, json.dumps({"id": 1000 + at, "sum": r.randrange(9999)}))
        for at in range(count)
    ]


def _edit_and_test(r: random.Random, count: int) -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(count // 2):
        turns.append(("edit_file", {"path": words(r, 2), "new": words(r, 20)}, "ok"))
        turns.append(("run_tests", {}, f"{r.randrange(1, 40)} failed: {words(r, 6)}"))
    return turns


def _sweep(r: random.Random, count: int) -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(count // 2):
        turns.append(("edit_file", {"new": f"lr = 0.{r.randrange(1000)}"}, "ok: 1 line changed"))
        turns.append(("run_tests", {}, f"score: 0.{r.randrange(10**6)}"))
    return turns


def _poll_with_progress(r: random.Random, count: int) -> list[Turn]:
    steps = sorted(r.choice(["build", "load", "train"]) for _ in range(10))
    states = [json.dumps({"status": s, "percent": 9 * at}) for at, s in enumerate(steps)]
    return [("get_status", {"job": "j-9"}, state) for state in states] + work(r, 4)


def _backoff(r: random.Random, count: int) -> list[Turn]:
    busy: list[Turn] = [
        ("bash", {"q": "x"}, f"Error: 429 rate limited, retry after {2**at}") for at in range(3)
    ]
    return [*busy, ("bash", {"q": "x"}, f"ok {words(r, 20)}"), *work(r, 6)]


def _probe(r: random.Random, count: int) -> list[Turn]:
    empty: list[Turn] = [("search", {"q": words(r, 4)}, "No results found.") for _ in range(5)]
    return [*empty, *work(r, 6)]


def _chat(r: random.Random, count: int) -> list[Turn]:
    return [("", words(r, 40), words(r, 15)) for _ in range(count)]


def _reread(r: random.Random, count: int) -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(count // 2):
        turns.append(("read_file", {"path": "a.py"}, words(r, 60)))
        turns.append(("edit_file", {"path": "a.py", "new": words(r, 9)}, "ok"))
    return turns


# What runs away, and after how many of its turns it is stopped at the latest.
RUNAWAYS: dict[str, tuple[Callable[[random.Random, int], list[Turn]], int]] = {
    "same": (_same, 4),
    "result-nonce": (_result_nonce, 6),
    "args-nonce": (_args_nonce, 6),
    "args-uuid": (_args_uuid, 6),
    "both-nonce-error": (_both_err, 6),
    "reworded-error": (_reworded_err, 6),
    "reworded-empty": (_reworded_empty, 8),
    "cycle2": (_cycle(2), 7),
    "cycle3": (_cycle(3), 10),
    "cycle5": (_cycle(5), 16),
    "cycle8": (_cycle(8), 25),
    "monologue": (_monologue, 4),
    "farewells": (_farewells, 30),
    "idle-poll": (_idle_poll, 12),
}
LOOK_ALIKES: dict[str, Callable[[random.Random, int], list[Turn]]] = {
    "work": work,
    "pagination": _pagination,
    "batch": _batch,
    "edit-and-test": _edit_and_test,
    "sweep": _sweep,
    "poll-with-progress": _poll_with_progress,
    "backoff": _backoff,
    "probe": _probe,
    "chat": _chat,
    "reread": _reread,
}


def runaway(name: str, seed: int, before: int = 5, count: int = 32) -> list[Turn]:
    """A session that works for `before` turns and then runs away."""
    r = random.Random(f"{name}{seed}")
    return [*work(r, before), *RUNAWAYS[name][0](r, count)]


def work_of(seed: int, count: int) -> list[Turn]:
    """Turns of an agent that gets on, by seed."""
    return work(random.Random(seed), count)


def look_alike(name: str, seed: int) -> list[Turn]:
    """A session that only looks like one."""
    r = random.Random(f"{name}{seed}")
    return [*work(r, r.randrange(6)), *LOOK_ALIKES[name](r, r.randrange(10, 50))]


def opening() -> list[dict[str, Any]]:
    """What a session of a chat begins with."""
    return [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "Do the task."},
    ]


def chat_messages(turns: list[Turn]) -> Iterator[list[dict[str, Any]]]:
    """The messages that each turn adds to a chat."""
    for at, (tool, asked, result) in enumerate(turns):
        if not tool:
            yield [{"role": "assistant", "content": asked}, {"role": "user", "content": result}]
            continue
        call = {"name": tool, "arguments": json.dumps(asked)}
        yield [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{at}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{at}", "content": result},
        ]


def anthropic_messages(turns: list[Turn]) -> Iterator[list[dict[str, Any]]]:
    """The same in Anthropic's shape."""
    for at, (tool, asked, result) in enumerate(turns):
        if not tool:
            yield [{"role": "assistant", "content": asked}, {"role": "user", "content": result}]
            continue
        use = {"type": "tool_use", "id": f"toolu_{at}", "name": tool, "input": asked}
        back = {"type": "tool_result", "tool_use_id": f"toolu_{at}", "content": result}
        yield [{"role": "assistant", "content": [use]}, {"role": "user", "content": [back]}]


def converse_messages(turns: list[Turn]) -> Iterator[list[dict[str, Any]]]:
    """The same in the shape of Converse."""
    for at, (tool, asked, result) in enumerate(turns):
        if not tool:
            yield [
                {"role": "assistant", "content": [{"text": asked}]},
                {"role": "user", "content": [{"text": result}]},
            ]
            continue
        use = {"toolUseId": f"t{at}", "name": tool, "input": asked}
        back = {"toolUseId": f"t{at}", "content": [{"text": result}]}
        yield [
            {"role": "assistant", "content": [{"toolUse": use}]},
            {"role": "user", "content": [{"toolResult": back}]},
        ]


def response_items(turns: list[Turn]) -> Iterator[list[dict[str, Any]]]:
    """The same as items of a responses input."""
    for at, (tool, asked, result) in enumerate(turns):
        if not tool:
            said = [{"type": "output_text", "text": asked}]
            yield [
                {"type": "message", "role": "assistant", "content": said},
                {"role": "user", "content": result},
            ]
            continue
        arguments = json.dumps(asked)
        yield [
            {"type": "reasoning", "id": f"rs_{at}", "summary": []},
            {"type": "function_call", "call_id": f"c{at}", "name": tool, "arguments": arguments},
            {"type": "function_call_output", "call_id": f"c{at}", "output": result},
        ]
