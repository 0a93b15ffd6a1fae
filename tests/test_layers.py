"""Arrows point down only: who may import whom, checked against every file of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "s4fw"

# Lowest first; packages in one row do not look at each other.
LAYERS = (
    ("units", "errors"),
    ("core",),
    ("dialects", "pricing", "tokens", "ledger", "loops", "config"),
    ("stages",),
    ("replay",),
    ("proxy",),
    ("observe",),
    ("admin",),
    ("process",),
    ("cli", "sim"),
)
LAYER_OF = {name: level for level, names in enumerate(LAYERS) for name in names}

# What is imported in one corner only.
CORNERS = {
    "s4fw.ledger._table": ["ledger/table.py"],
    "s4fw.dialects._json": ["dialects/strictjson.py"],
    "httptools": ["proxy/http1.py"],
    "tiktoken": ["tokens/"],
    "asyncio": ["proxy/", "process/", "admin/", "sim/"],
    "uvloop": ["process/", "sim/"],
    "socket": ["proxy/", "process/", "admin/", "sim/"],
}

FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem in LAYER_OF)


def imports(path: Path) -> set[str]:
    """The modules a file imports, as full names; names imported from a package count too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def part_of(path: Path) -> str:
    """The package of the first level, or the module, that a file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_from_layers_below(path: Path) -> None:
    """A newcomer can read the house from the bottom up, and no change reaches upwards."""
    own = part_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "s4fw" or len(parts) < 2 or parts[1] not in LAYER_OF or parts[1] == own:
            continue
        level = LAYER_OF[parts[1]]
        is_command_of_sim = (own, parts[1]) == ("cli", "sim")
        assert level < LAYER_OF[own] or is_command_of_sim, f"{own} imports {name}"
        if own == "sim":
            assert level <= 2, f"the simulator may use the knowledge only, not {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_to_its_corner(path: Path) -> None:
    """The parser, the tokenizer, the C and the event loop are each seen from one place."""
    place = str(path.relative_to(ROOT))
    for name in imports(path):
        for module, corners in CORNERS.items():
            if name == module or name.startswith(module + "."):
                assert any(place.startswith(corner) for corner in corners), f"{place}: {name}"


def test_cli_sim_command_is_the_only_cli_file_that_runs_the_simulator() -> None:
    """The last layer's two packages meet in the commands that start the simulator."""
    meeting = {
        path.name
        for path in FILES
        if part_of(path) == "cli" and any(name.startswith("s4fw.sim") for name in imports(path))
    }
    assert meeting <= {"sim.py", "try_.py", "demo.py"}


def test_every_package_is_in_the_list() -> None:
    """A package without a layer would escape the rule."""
    packages = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert packages <= LAYER_OF.keys()
