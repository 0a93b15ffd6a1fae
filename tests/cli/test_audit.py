"""`s4fw audit` over ledgers made by hand: what people and scripts get."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from s4fw.cli import main
from s4fw.cli.export import COLUMNS, safe
from s4fw.ledger import chain, segments
from s4fw.ledger.lines import cell_body, with_cells
from tests.admin.scripted import ScriptedFacts, budget, listening
from tests.ledger.signed import OTHER, SIGNER, Chain, row

DAY = {"budget": "tenant-day", "window": "day", "scope": {"tenant": "acme"},
       "starts_at": "2026-01-31T00:00:00Z", "resets_at": "2026-02-01T00:00:00Z"}  # fmt: skip


def run(*arguments: str, url: str | None = None) -> Result:
    env = {"S4FW_ADMIN_URL": url, "S4FW_ADMIN_TOKEN": None, "S4FW_CONFIG": None}
    return CliRunner().invoke(main, ["audit", *arguments], env=env)


def run_json(*arguments: str, url: str | None = None) -> tuple[int, Any]:
    result = run(*arguments, "--json", url=url)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two packed segments as a bucket holds them, and the public key."""
    made = Chain()
    for number in (1, 2):
        data = made.segment(4)
        name = segments.packed_name(number, made.writer.digest)
        (tmp_path / name).write_bytes(segments.pack(data))
    (tmp_path / "key.pem").write_bytes(SIGNER.public_pem)
    (tmp_path / "other.pem").write_bytes(OTHER.public_pem)
    return tmp_path


def with_rows(folder: Path, *bodies: bytes) -> Path:
    """An open segment with these rows after a cell line."""
    made = Chain()
    data = made.segment(0, is_sealed=False) + made.writer.add(cell_body(1, DAY))
    data += b"".join(made.writer.add(with_cells(body, [1])) for body in bodies)
    (folder / segments.open_name(1)).write_bytes(data)
    return folder


def test_verify_genuine_copy_exits_0_and_says_so(folder: Path) -> None:
    """What an auditor runs over a copy of the bucket."""
    result = run("verify", "--dir", str(folder), "--key", str(folder / "key.pem"))
    assert (0, "genuine and whole") == (result.exit_code, result.output.splitlines()[-1])
    assert "2 segments, 12 lines, 8 rows" in result.output


def test_verify_with_another_key_exits_1(folder: Path) -> None:
    """Who signed is the question; that somebody did is not the answer."""
    code, said = run_json("verify", "--dir", str(folder), "--key", str(folder / "other.pem"))
    assert (1, False) == (code, said["ok"])
    assert "another key" in said["chains"][0]["findings"][0]["sentence"]


def test_verify_changed_line_exits_1_and_names_segment_and_line(folder: Path) -> None:
    """Where to look, for people and for scripts."""
    [path] = folder.glob("000000000002-*")
    data = segments.read(segments.SegmentFile(2, path, True))
    path.write_bytes(segments.pack(data.replace(b'"charged_nusd":30', b'"charged_nusd":31', 1)))
    code, said = run_json("verify", "--dir", str(folder))
    assert 1 == code
    problems = [f for f in said["chains"][0]["findings"] if f["is_problem"]]
    assert [(2, 2)] == [(f["segment"], f["line"]) for f in problems]


@pytest.mark.parametrize("size", [0, 40, 200])
def test_verify_truncated_object_exits_1(folder: Path, size: int) -> None:
    """A download that broke off looks like a forgery, and is told as what it is."""
    [path] = folder.glob("000000000001-*")
    path.write_bytes(path.read_bytes()[:size])
    code, said = run_json("verify", "--dir", str(folder))
    assert 1 == code
    assert "segment 1: " in run("verify", "--dir", str(folder)).output
    assert "cut off" in said["chains"][0]["findings"][0]["sentence"]


def test_verify_missing_segment_exits_1(folder: Path) -> None:
    """Nothing else shows that an object was deleted."""
    made = Chain()
    pieces = [made.segment(2) for _ in range(3)]
    for path in folder.glob("*.gz"):
        path.unlink()
    for number in (1, 3):
        (folder / segments.open_name(number)).write_bytes(pieces[number - 1])
    assert "segment 2: is missing" in run("verify", "--dir", str(folder)).output


def test_no_ledger_is_an_error_not_a_success(tmp_path: Path) -> None:
    """A wrong directory must not look like a ledger without problems."""
    for command in ("verify", "list", "export"):
        result = run(command, "--dir", str(tmp_path))
        assert (1, True) == (result.exit_code, "there is no ledger" in result.output)


def test_list_shows_the_last_rows_and_filters(tmp_path: Path) -> None:
    """The quick look."""
    folder = with_rows(
        tmp_path,
        row(0, 1, tenant="acme", model="gpt", uncached_input=1200, charged_nusd=5_000_000),
        row(0, 2, tenant="globex", kind="block", code="budget_exceeded"),
    )
    output = run("list", "--dir", str(folder)).output
    assert "$0.005" in output
    assert "1.2k" in output
    code, said = run_json("list", "--dir", str(folder), "--where", "tenant=globex")
    assert (0, ["budget_exceeded"]) == (code, [r["code"] for r in said["rows"]])
    assert [1] == [
        r["seq"] for r in run_json("list", "--dir", str(folder), "--kind", "settle")[1]["rows"]
    ]
    assert 2 == run("list", "--dir", str(folder), "--where", "tenant").exit_code


def test_export_csv_is_whole_and_runs_no_formula(tmp_path: Path) -> None:
    """Finance opens it in a spreadsheet; a customer's name must not run there."""
    folder = with_rows(tmp_path, row(0, 1, customer="@SUM(1)", agent="-2+3", tenant="acme"))
    result = run("export", "--dir", str(folder))
    [record] = csv.DictReader(io.StringIO(result.stdout))
    assert ("'@SUM(1)", "'-2+3", "acme") == tuple(
        record[n] for n in ("customer", "agent", "tenant")
    )
    assert ("10", "tenant-day{tenant=acme}") == (record["charged_nusd"], record["budgets"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), (" =1", "' =1"), ("\t=1", "'\t=1"),
     ("\u00a0=1", "'\u00a0=1"), ("\ufeff+1", "'\ufeff+1"),
     ("\uff1d1", "'\uff1d1"), ("a=1", "a=1"), (-5, -5), (True, "true"), (None, None)],
)  # fmt: skip
def test_safe_quotes_text_that_looks_like_a_formula_and_no_number(
    value: Any, expected: Any
) -> None:
    """A correction is a negative number and stays one."""
    assert expected == safe(value)


def test_export_json_gives_each_row_as_a_line(tmp_path: Path) -> None:
    """For jq, and for what loads it elsewhere."""
    folder = with_rows(tmp_path, row(0, 1), row(0, 2))
    out = tmp_path / "rows.json"
    result = run("export", "--format", "json", "--dir", str(folder), "-o", str(out))
    assert 0 == result.exit_code
    assert [1, 2] == [orjson.loads(line)["seq"] for line in out.read_bytes().splitlines()]


def test_export_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional: most need no 40 MB more."""
    monkeypatch.setattr("s4fw.cli.export.find_spec", lambda name: None)
    result = run("export", "--format", "parquet", "--dir", str(tmp_path), "-o", "x")
    assert (2, True) == (result.exit_code, "s4fw[parquet]" in result.output)


def test_export_parquet_without_a_file_says_that_it_needs_one(tmp_path: Path) -> None:
    """A binary file on a terminal is what nobody meant."""
    result = run("export", "--format", "parquet", "--dir", str(tmp_path))
    assert (2, True) == (result.exit_code, "needs" in result.output)


def test_export_parquet_holds_what_json_holds_with_whole_numbers(tmp_path: Path) -> None:
    """Amounts are integers there too, and what a row does not say is null, not 0 or empty."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    big = 9_007_199_254_740_993  # the first integer that a float cannot hold
    folder = with_rows(
        tmp_path,
        row(0, 1, customer="=SUM(1)", charged_nusd=big, accrued=True),
        row(0, 2, kind="block", code="budget_exceeded", charged_nusd=0),
    )
    out = tmp_path / "rows.parquet"
    assert 0 == run("export", "--format", "parquet", "--dir", str(folder), "-o", str(out)).exit_code
    found = parquet.read_table(out)
    assert list(COLUMNS) == found.column_names
    exported = run("export", "--format", "json", "--dir", str(folder)).stdout.splitlines()
    expected = [{n: orjson.loads(line).get(n) for n in COLUMNS} for line in exported]
    assert expected == found.to_pylist()
    assert (big, "=SUM(1)") == (expected[0]["charged_nusd"], expected[0]["customer"])


def test_rebuild_equal_exits_0_and_different_exits_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two accounts of the same money must agree to the nano-dollar."""
    monkeypatch.setattr("s4fw.cli.audit.SETTLE_S", 0.0)
    folder = with_rows(tmp_path, row(0, 1), row(0, 2))
    cell = {"scope": {"tenant": "acme"}, "resets_at_s": 1769904000}
    for charged, code, state in ((30, 0, "equal"), (29, 1, "different"), (31, 1, "different")):
        entry = budget("tenant-day", charged_nusd=charged, used_nusd=charged, **cell)
        with listening(ScriptedFacts(budget_rows=[entry])) as server:
            got, said = run_json("rebuild", "--dir", str(folder), url=server.url)
        assert (code, [state]) == (got, [line["state"] for line in said["windows"]])
        assert 30 == said["windows"][0]["ledger_nusd"]


def test_rebuild_offline_sums_without_a_firewall(tmp_path: Path) -> None:
    """An auditor has files only."""
    code, said = run_json("rebuild", "--offline", "--dir", str(with_rows(tmp_path, row(0, 1))))
    assert (0, 10, None) == (
        code, said["windows"][0]["ledger_nusd"], said["windows"][0]["table_nusd"]
    )  # fmt: skip


def test_rebuild_of_a_ledger_that_was_changed_refuses_to_sum(tmp_path: Path) -> None:
    """A sum of what cannot be read would be believed."""
    folder = with_rows(tmp_path, row(0, 1))
    path = folder / segments.packed_name(1, chain.ORIGIN)
    path.write_bytes(b"no gzip")
    (folder / segments.open_name(1)).unlink()
    assert 1 == run("rebuild", "--offline", "--dir", str(folder)).exit_code
