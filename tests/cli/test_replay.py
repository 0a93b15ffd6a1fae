"""`s4fw replay`: recorded traffic through the real stages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from s4fw.cli import main
from s4fw.cli.replay import _PLAIN, render
from s4fw.config.load import parse
from s4fw.loops import memory
from s4fw.loops.rules import NUMBER
from s4fw.loops.tenants import Tenants, add
from s4fw.pricing import RateCard
from s4fw.replay.offline import Offline
from s4fw.replay.tallies import Tallies
from tests.cli.looking import fields, on_terminal
from tests.loops import families
from tests.loops.shapes import SHAPES


def transcripts(path: Path, *names: str) -> Path:
    """A file with one session of each family."""
    rows = []
    for name in names:
        is_runaway = name in families.RUNAWAYS
        turns = families.runaway(name, 1) if is_runaway else families.look_alike(name, 1)
        messages, calls = families.opening(), []
        for added in families.chat_messages(turns):
            calls.append(len(messages))
            messages += added
        row = {"session": name, "model": "gpt-4o", "messages": messages, "calls": calls}
        rows.append(json.dumps(row))
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return path


def labels(path: Path, **loops: bool) -> Path:
    rows = [json.dumps({"session": name, "loop": is_loop}) for name, is_loop in loops.items()]
    path.write_text("\n".join(rows))
    return path


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def replay_json(*arguments: object) -> Any:
    result = replay(*arguments, "--json")
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout)


def test_replay_tells_what_each_rule_would_save(tmp_path: Path) -> None:
    """A loop of 32 turns is found after 4; the 28 calls from there on would have been refused."""
    said = replay_json(transcripts(tmp_path / "x.gz", "same", "work"))
    (rule,) = [rule for rule in said["rules"] if rule["episodes"]]
    assert ("repeat", 1, 1, 28) == (
        rule["rule"], rule["sessions"], rule["episodes"], rule["calls_saved"],
    )  # fmt: skip
    assert 0 < rule["saved_nusd"] < said["cost_nusd"]
    assert (1, 0) == (rule["proved"], rule["disproved"])
    assert (2, 0, 0) == (said["sessions"], said["unread_lines"], said["priced_as_other"])


def test_replay_with_labels_bounds_the_false_blocks(tmp_path: Path) -> None:
    """0 of 1 says little, and the bound says so."""
    path = transcripts(tmp_path / "x.gz", "same", "work")
    said = replay_json(path, "--labels", labels(tmp_path / "l", same=True, work=False))
    assert {"loop": 1, "benign": 1} == said["labelled"]
    assert (1, 0, 0.793451) == (
        said["total"]["caught"], said["total"]["wrong"], said["total"]["false_share_max_by_labels"],
    )  # fmt: skip


def test_replay_of_a_wrong_block_counts_it(tmp_path: Path) -> None:
    """A session that the labels call good and a rule would have stopped."""
    path = transcripts(tmp_path / "x.gz", "same")
    said = replay_json(path, "--labels", labels(tmp_path / "l", same=False))
    assert 1 == said["total"]["wrong"]
    assert 1.0 == said["total"]["false_share_max_by_labels"]


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
def test_replay_of_logged_requests_finds_their_sessions(tmp_path: Path, name: str) -> None:
    """Logs of requests, one a line, of two agents in turn, without any id."""
    shape = SHAPES[name]
    rows: list[str] = []
    loops = [list(shape.requests(families.runaway("same", seed, before=2))) for seed in (1, 2)]
    for at, pair in enumerate(zip(*loops, strict=True)):
        for x in pair:
            body = json.loads(bytes(x.request.body))
            row = {"url": shape.path.decode(), "timestamp": 1_700_000_000 + 9 * at, "body": body}
            rows.append(json.dumps(row))
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(rows))
    said = replay_json(path)
    (rule,) = [rule for rule in said["rules"] if rule["rule"] == "repeat"]
    assert (2, 2) == (rule["sessions"], rule["episodes"])
    assert len(rows) == said["requests"]


def test_replay_for_people_is_a_table_with_a_total(tmp_path: Path) -> None:
    """A line for each rule, one of all, and what it was made of."""
    path = transcripts(tmp_path / "x.gz", "same", "cycle2")
    result = replay(path, "--labels", labels(tmp_path / "l", same=True, cycle2=True))
    rows = fields(result.stdout)
    assert "Rule" == rows[0][0]
    assert {"repeat", "cycle", "all"} <= {row[0] for row in rows}
    assert "2 sessions, " in result.stdout
    assert "labels: 2 loops, 0 others" in result.stdout


def test_replay_takes_thresholds_from_a_configuration(tmp_path: Path) -> None:
    """Try before you change them."""
    config = tmp_path / "s4fw.yaml"
    config.write_text(
        "upstreams: {openai: {base_url: https://api.openai.com}}\n"
        "loops: {thresholds: {repeat: 20}, rules: {stagnation: 'off'}}\n"
    )
    said = replay_json(transcripts(tmp_path / "x.gz", "same"), "-c", config)
    assert 12 == said["total"]["calls_saved"]


def test_replay_prices_unknown_models_as_another_and_says_so(tmp_path: Path) -> None:
    """Recorded traffic names models that have gone."""
    body = {"model": "gone-2023", "messages": families.opening()}
    path = tmp_path / "log"
    path.write_text(json.dumps(body) + "\nnot json\n")
    said = replay_json(path, "--priced-as", "gpt-4o-mini")
    assert (1, 1, {}) == (said["priced_as_other"], said["unread_lines"], said["refused"])
    assert said["cost_nusd"] > 0
    assert 2 == replay(path, "--priced-as", "gone-2023").exit_code


def test_replay_of_a_damaged_file_or_label_exits_1(tmp_path: Path) -> None:
    """A sum of half a file would be believed."""
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"{}\n" * 10_000)[:-12])
    assert 1 == replay(cut).exit_code
    path = transcripts(tmp_path / "x.gz", "same")
    bad = tmp_path / "labels"
    bad.write_text('{"session": "same", "loop": true}\n{"session": 1}\n')
    result = replay(path, "--labels", bad)
    assert 1 == result.exit_code
    assert "line 2" in result.stderr


def test_replay_fits_terminals(tmp_path: Path) -> None:
    """80 columns, with labels and the longest name of a rule."""
    tallies = Tallies({"a": "benign"})
    tallies.labelled["benign"] = 3_907
    offline = Offline(parse(_PLAIN, "", {}), RateCard.load(), "gpt-4o")
    at = Tenants(offline.memory).place("acme")
    for word in (memory.EPISODES, memory.WOULD_BLOCK, memory.WARNED_TURNS):
        add(offline.memory, at, NUMBER["spend-after-failures"], word, 12_345)
    add(offline.memory, at, NUMBER["spend-after-failures"], memory.SAVED_NUSD, 10**13)
    for width in (80, 110):
        lines = on_terminal(width, lambda console: render(console, tallies, offline, "gpt-4o"))
        row = next(line for line in lines if line.startswith("spend-after-failures"))
        assert {"12,345", "$10,000.00", "0.10%"} <= set(row.split())
