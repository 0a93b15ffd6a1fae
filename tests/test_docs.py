"""What the pages point at is there: files, sections, commands and options, targets of make."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from s4fw.cli import COMMANDS, Tree

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
WRITTEN = {ROOT / name for name in re.findall(r"docs/[\w./-]+\w", MAKEFILE)}  # by long targets
PLACES = {path.name for path in ROOT.iterdir() if path.is_dir()}

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`([^`\n]+)`", re.DOTALL)
_FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def _snippets(text: str) -> list[str]:
    """What stands between backquotes, and each line of a block of commands."""
    lines = [line.strip() for block in _FENCE.findall(text) for line in block.splitlines()]
    return lines + [found for found in _CODE.findall(text) if found]


def _anchors(text: str) -> set[str]:
    """The names that headings get."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A page that points at nothing is worse than none."""
    text = page.read_text("utf-8")
    for link in _LINK.findall(_CODE.sub("", text)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() or target in WRITTEN, link
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """Files move; what is said of them has to follow."""
    for snippet in _snippets(page.read_text("utf-8")):
        for word in re.findall(r"[\w./-]+", snippet):
            if word.split("/")[0] not in PLACES or not re.search(r"\.(?:py|c|h|md|sh|yaml)$", word):
                continue
            assert (ROOT / word).exists(), snippet


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_that_a_page_names_are_there(page: Path) -> None:
    """The first command that a reader tries."""
    for snippet in _snippets(page.read_text("utf-8")):
        for target in re.findall(r"^make ([a-z][\w-]*)", snippet):
            assert target in TARGETS, snippet


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_a_page_names_have_those_options(page: Path) -> None:
    """`s4fw ...` as it is written there is what the program takes."""
    for snippet in _snippets(page.read_text("utf-8")):
        if not snippet.startswith("s4fw "):
            continue
        words = shlex.split(snippet.partition("  #")[0], comments=True)[1:]
        wrong = _unknown(words)
        assert not wrong, f"{snippet}: {wrong}"


def _unknown(words: list[str]) -> str:
    """The first word that is no command or option, or nothing."""
    if not words or words[0].startswith(("-", "<", "[", ".")):
        return ""
    if words[0] == "ready":  # what it prints
        return ""
    if words[0] not in COMMANDS:
        return words[0]
    tree = Tree()
    context = click.Context(tree)
    command = tree.get_command(context, words.pop(0))
    assert command is not None
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        if inner is None:
            return words[0]
        command = inner
    known = {"--help", "-h"}
    for parameter in command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    options = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)]
    return next((option for option in options if option not in known), "")


def test_readme_names_every_command() -> None:
    """Whoever reads it learns what there is."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [] == [name for name in COMMANDS if not re.search(rf"(?:s4fw|make) {name}\b", readme)]
