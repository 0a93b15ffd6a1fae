"""What a reader would trip over: long lines, stray prints, leftovers, undocumented modules."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE_MAX = 100
FILE_LINES_MAX = 450  # far above what we aim at; a file that grows past it has two nouns

SOURCES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.py", "*.c", "*.h"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
)
PACKAGE = [path for path in SOURCES if path.suffix == ".py" and ROOT / "s4fw" in path.parents]

_LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_is_tidy(path: Path) -> None:
    """Short lines, no tabs, no leftover marks, files of one noun."""
    lines = path.read_text().splitlines()
    assert len(lines) <= FILE_LINES_MAX
    for number, line in enumerate(lines, 1):
        assert len(line) <= LINE_MAX, f"line {number}"
        assert "\t" not in line, f"line {number}"
        assert not _LEFTOVER.search(line), f"line {number}"


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_what_it_is_and_does_not_print(path: Path) -> None:
    """A module opens with a sentence; what people see goes through the CLI's own means."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"print on line {node.lineno}"


def test_parser_of_requests_is_never_made_lenient() -> None:
    """What llhttp forgives, a server behind us may read as a second request."""
    word = "set_dangerous_leniencies"
    naming = [path for path in PACKAGE if word in path.read_text()]
    assert [ROOT / "s4fw/proxy/http1.py"] == naming  # its docstring forbids it
    for node in ast.walk(ast.parse(naming[0].read_text())):
        assert word not in (getattr(node, "attr", None), getattr(node, "value", None))
