"""The dashboard and the alert rules against the page that a real parser reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from s4fw.observe import meters
from s4fw.observe.figures import LoopFigures, Snapshot, Sum
from s4fw.observe.outcomes import OutcomeFigures
from s4fw.observe.prometheus import render
from s4fw.observe.tally import Tally
from tests.admin.scripted import budget, worker
from tests.process.rows import NAMES, row

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
RULES = FOLDER / "prometheus-rules.yaml"
_METRIC = re.compile(r"\b((?:s4fw|gen_ai)_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")
OF_PROMETHEUS = {"instance", "job", "le"}


def page() -> Snapshot:
    """Everything that can be shown."""
    tally = Tally()
    tally.note(row(is_stream=True), NAMES)
    sums = [Sum("acme", 10**9, 5, 1, 2)]
    outcomes = [OutcomeFigures("acme", 1, 1, 5, 5)]
    return Snapshot(
        [budget(scope={"tenant": "acme", "feature": "chat"})],
        [worker(0)],
        {key: 1 for key in meters.GAUGES},
        [("bedrock", "nova", 1500)],
        [LoopFigures("repeat", {"episodes": 1}, 0)],
        tally,
        {dimension: sums for dimension in (*meters.SUMMED_BY, *meters.OPTIONAL_LABELS)},
        {dimension: outcomes for dimension in meters.OUTCOMES_BY},
    )


def known() -> dict[str, set[str]]:
    """The labels of each sample's name."""
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(render(page()).decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def expressions() -> list[tuple[str, str]]:
    """Every expression of both files, with where it stands."""
    dashboard: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    return [
        (target["expr"], panel["title"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ] + [(rule["expr"], rule["alert"]) for group in rules["groups"] for rule in group["rules"]]


def test_page_is_read_by_a_real_parser_with_nothing_lost() -> None:
    """Our own writer must not be judged by our own reader only."""
    text = render(page()).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    families = list(text_string_to_metric_families(text))
    assert len(lines) == sum(len(family.samples) for family in families)
    assert all(family.documentation and family.type != "unknown" for family in families)


@pytest.mark.parametrize(("expression", "where"), expressions(), ids=lambda text: text[:40])
def test_expression_names_only_metrics_and_labels_that_exist(expression: str, where: str) -> None:
    """A renamed metric would leave a panel empty and an alert silent, for ever."""
    labels = known()
    names = [
        match[1] for match in _METRIC.finditer(expression) if match[1] not in _grouped(expression)
    ]
    assert names or "up{" in expression, where
    for match in _METRIC.finditer(expression):
        name, matchers = match[1], match[2] or ""
        if name in _grouped(expression):
            continue
        assert name in labels, f"{where}: {name}"
        assert set(_MATCHER.findall(matchers)) <= labels[name] | OF_PROMETHEUS, f"{where}: {name}"
    every = set().union(*(labels[name] for name in names)) | OF_PROMETHEUS
    assert _grouped(expression) <= every, where


def _grouped(expression: str) -> set[str]:
    return {label.strip() for match in _BY.finditer(expression) for label in match[1].split(",")}


def test_rules_are_complete_and_their_words_use_labels_that_survive() -> None:
    """An alert without a severity is routed nowhere."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len({rule["alert"] for rule in rules})
    for rule in rules:
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys()
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_rules_and_page() -> None:
    """Prometheus itself has the last word."""
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)
    subprocess.run(
        ["promtool", "check", "metrics"], input=render(page()), check=True, capture_output=True
    )
