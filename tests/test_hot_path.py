"""What the compiled build needs of its sources and the others do not; seen without compiling."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALLOWED = "allow_interpreted_subclasses"


def _compiled() -> set[str]:
    """The files of HOT_PATH."""
    setup = (ROOT / "setup.py").read_text()
    patterns = re.findall(r'"(s4fw/[^"]+\.py)"', setup.partition("HOT_PATH = (")[2])
    assert patterns
    return {file for pattern in patterns for file in glob(pattern, root_dir=ROOT, recursive=True)}


def _classes(file: str) -> Iterator[ast.ClassDef]:
    tree = ast.parse((ROOT / file).read_text())
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_no_interpreted_class_inherits_from_a_compiled_one() -> None:
    """It would raise TypeError when the first instance is made, in the release build only."""
    compiled = _compiled()
    native = {
        node.name
        for file in compiled
        for node in _classes(file)
        if not any(ALLOWED in ast.dump(decorator) for decorator in node.decorator_list)
        and not {"Protocol", "NamedTuple", "Exception", "Enum", "IntEnum"}
        & {_name(base) for base in node.bases}
    }
    interpreted = set(glob("s4fw/**/*.py", root_dir=ROOT, recursive=True)) - compiled
    found = [
        f"{file}: {node.name}({_name(base)})"
        for file in sorted(interpreted)
        for node in _classes(file)
        for base in node.bases
        if _name(base) in native and _imports(file, _name(base), compiled)
    ]
    assert [] == found


def _imports(file: str, name: str, compiled: set[str]) -> bool:
    """Whether the name is that of a compiled module, not one of the file's own or another's."""
    tree = ast.parse((ROOT / file).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            path = node.module.replace(".", "/")
            if name in {alias.name for alias in node.names}:
                return f"{path}.py" in compiled or f"{path}/__init__.py" in compiled
    return False
