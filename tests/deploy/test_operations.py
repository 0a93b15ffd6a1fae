"""docs/operations.md against what it speaks of: alarms, tests, events and metrics that exist."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.deploy.check import ROOT
from tests.deploy.monitoring import MONITORING

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next one of its level."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_alarm_says_what_to_do() -> None:
    """Whoever is woken by a name must find it on the page, and none that no rule fires."""
    groups = yaml.safe_load((MONITORING / "prometheus-rules.yaml").read_text("utf-8"))["groups"]
    fired = {rule["alert"] for group in groups for rule in group["rules"]}
    rows = section("What each alarm means").splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("|")]
    told = {name for cell in cells for name in re.findall(r"`(S4fw\w+)`", cell)}
    assert fired == told


def test_every_test_it_names_exists() -> None:
    """A step is shown by a test, or it is a command; a name alone shows nothing."""
    code = (ROOT / "tests" / "process" / "test_day_two.py").read_text("utf-8")
    named = re.findall(r"`(test_\w+?)_?\.\.\.`", PAGE)
    assert 4 == len(named)
    assert [] == [name for name in named if f"def {name}" not in code]


@pytest.mark.parametrize("name", ["operations.md", "sizing.md", "monitoring/README.md"])
def test_every_metric_a_page_names_exists(name: str) -> None:
    """A figure that is looked for in vain is taken for zero."""
    known = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    named = re.findall(r"`(s4fw_\w+)`", (ROOT / "docs" / name).read_text("utf-8"))
    assert named
    assert [] == [metric for metric in named if f"`{metric}`" not in known]


def test_every_event_it_names_is_told_somewhere() -> None:
    """An event that was renamed would be waited for in vain."""
    words = PAGE.partition("Events without a rule: ")[2].partition("\n\n")[0]
    kinds = set(re.findall(r"`([a-z_]+)`", words)) | {"reload", "reload_refused"}
    files = (ROOT / "s4fw" / "process").glob("*.py")
    code = "".join(path.read_text("utf-8") for path in files)
    assert {"durability", "power_loss", "state_risk"} <= kinds
    assert [] == [kind for kind in sorted(kinds) if f'"{kind}"' not in code]
