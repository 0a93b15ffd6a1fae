"""Reading CloudFormation templates, whose short forms (!Ref, !Sub) plain YAML does not know."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "cfn"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (!Ref, !Sub) as their long ones."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if name == "Fn::GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short)


@cache
def template(name: str) -> dict[str, Any]:
    """A template of cfn/, with the long forms of its functions; the same one each time."""
    with (FOLDER / name).open(encoding="utf-8") as file:
        read: dict[str, Any] = yaml.load(file, _Loader)
    return read
