"""What only the compiled build would find out: an interpreted class cannot derive from a compiled
one (mypyc answers each construction with a TypeError), and the release is the compiled build.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# mypyc leaves classes with these bases interpreted, so that they may be derived from anywhere.
OPEN_BASES = {"Exception", "Protocol", "Enum", "IntEnum", "StrEnum", "TypedDict", "NamedTuple"}


def hot_files() -> set[Path]:
    """The files that the release build compiles, by HOT_PATH of setup.py."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "HOT_PATH":
            patterns = ast.literal_eval(node.value)
            return {file for pattern in patterns for file in ROOT.glob(pattern)}
    raise AssertionError("setup.py has no HOT_PATH")


def classes(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Each class of a file, with the last names of its bases."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef):
            bases = [b.value if isinstance(b, ast.Subscript) else b for b in node.bases]
            yield node.name, [ast.unparse(base).rpartition(".")[2] for base in bases]


def imported(file: Path) -> dict[str, Path]:
    """The names that a file imports from ours, and the module or package of each."""
    nodes = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)]
    ours = [n for n in nodes if n.module and n.module.startswith("s4fw")]
    return {
        alias.asname or alias.name: ROOT / (node.module or "").replace(".", "/")
        for node in ours
        for alias in node.names
    }


def defines(place: Path, name: str, closed: dict[Path, set[str]]) -> bool:
    """Whether a module, or something in a package that shows it again, is such a class."""
    return any(
        name in names and (file == place.with_suffix(".py") or place in file.parents)
        for file, names in closed.items()
    )


def test_no_interpreted_class_derives_from_a_compiled_one() -> None:
    """In the sources it works; in the wheel the first request that needs it gets a 500."""
    hot = hot_files()
    found = {file: dict(classes(file)) for file in hot}
    is_open = set(OPEN_BASES)
    while (
        more := {
            name for each in found.values() for name, bases in each.items() if is_open & set(bases)
        }
        - is_open
    ):
        is_open |= more
    closed = {file: set(each) - is_open for file, each in found.items()}
    assert "Block" in closed[ROOT / "s4fw" / "core" / "verdict.py"]
    wrong = []
    for file in set((ROOT / "s4fw").rglob("*.py")) - hot:
        names = imported(file)
        for name, bases in classes(file):
            wrong += [
                f"{file.relative_to(ROOT)}: {name}({base})"
                for base in bases
                if base in names and defines(names[base], base, closed)
            ]
    assert [] == wrong
