"""A YAML document as a tree of dicts, lists and `Scalar`s, in which everything has a line.

Theory of operation
-------------------
PyYAML composes nodes; its constructor is never used.  A scalar keeps the text as it was written,
so that `limit_usd: 0.1` is never a float and a size or duration is read by the field it stands in.
`${VAR}` is expanded inside scalars afterwards, so what a variable holds can never become YAML.

What is refused here, whatever the keys mean: duplicate keys, keys that are no plain text, anchors
and aliases (a few lines of them expand to gigabytes), tags, more than one document, nesting deeper
than DEPTH_MAX, texts longer than BYTES_MAX.  A refused scalar stays in the tree marked
`is_broken`, so that the reader of the fields knows that its problem is already told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from s4fw.config.problem import Problem

BYTES_MAX = 1 << 20  # a list of ten thousand known customers is 200 KiB
DEPTH_MAX = 32  # the schema needs 6; the composer below is recursive

Path = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^}]*))?\})?")
_KEY = re.compile(r"[A-Za-z_]{1,40}")
_NULL = "tag:yaml.org,2002:null"
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "timestamp", "merge", "value", "seq", "map")
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written.  `is_variable`: it is wholly one `${...}`, so quotes say nothing."""

    text: str = field(repr=False)  # may be a secret
    is_quoted: bool = False
    is_variable: bool = False
    is_null: bool = False
    is_broken: bool = False


@dataclass(slots=True)
class Document:
    """The tree (None: there is none), the line of every path in it, what is wrong so far."""

    tree: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def line(self, path: Path) -> int | None:
        """The line of a path, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def add(self, path: Path, message: str) -> None:
        """Note a problem, unless this very place already has one: the first is the cause."""
        text = path_text(path)
        if text not in self._told:
            self.tell(text, self.line(path), message)

    def tell(self, path: str, line: int | None, message: str) -> None:
        """Note a problem whatever is known of its place already."""
        self._told.add(path)
        self.problems.append(Problem(path, line, message))


def path_text(path: Path) -> str:
    """Write a path for people: `budgets[2].limit_usd`."""
    text = ""
    for item in path:
        if isinstance(item, int):
            text += f"[{item}]"
        else:
            text += f".{item}" if text else item
    return text


def spoken_key(key: str) -> str:
    """A key that may be repeated in a message; what does not look like one may be a secret."""
    return key if _KEY.fullmatch(key) else "<key>"


def read_document(text: str, env: Mapping[str, str]) -> Document:
    """Compose, check and expand.  Problems are in the result; a syntax error is one of them."""
    document = Document()
    if len(text) > BYTES_MAX:
        document.tell("", None, "is larger than 1 MiB")
        return document
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "cannot be read"
        if error.problem and error.context and error.problem.startswith("but"):
            said = f"{error.context}, {error.problem}"
        line = mark.line + 1 if mark is not None else None
        document.tell("", line, f"is not valid YAML: {said}")
        return document
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        document.tell("", line, f"is not valid YAML: {error.reason}")
        return document
    except (ValueError, OverflowError):  # PyYAML on an escape beyond Unicode, such as "\U99999999"
        document.tell("", None, "is not valid YAML: an escape is no character")
        return document
    if root is None:
        document.tree = {}
        return document
    document.tree = _Walk(document, env).value(root, ())
    if not isinstance(document.tree, dict):
        document.tell("", 1, "must be sections of keys, such as `server:`")
        document.tree = None
    return document


class _Composer(yaml.SafeLoader):
    """Composes nodes without aliases and without depth to exhaust the stack."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None,
                None,
                "anchors and aliases are not accepted; write the value out",
                event.start_mark,
            )
        if self.depth >= DEPTH_MAX:
            raise yaml.composer.ComposerError(
                None, None, f"is nested deeper than {DEPTH_MAX} levels", event.start_mark
            )
        self.depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        return node


def _compose(text: str) -> yaml.Node | None:
    loader = _Composer(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


class _Walk:
    """Turns nodes into the tree, filling the document's lines and problems on the way."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS:
            self._document.add(path, "carries a YAML tag; tags are not accepted")
            return Scalar("", is_broken=True)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not _is_plain_key(key_node):
                self._document.tell(path_text(path), line, "has a key that is no plain text")
            elif key_node.value in tree:
                place = path_text((*path, spoken_key(key_node.value)))
                first = self._document.line((*path, key_node.value))
                self._document.tell(place, line, f"stands here twice; the first is on line {first}")
            else:
                self._document.lines[(*path, key_node.value)] = line
                tree[key_node.value] = self.value(value_node, (*path, key_node.value))
        return tree

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Scalar:
        if node.tag == _NULL:
            return Scalar("", is_null=True)
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._document.add(path, "holds half a character (a lone surrogate)")
            return Scalar("", is_broken=True)
        if "${" not in text:
            return Scalar(text, is_quoted=node.style is not None)
        try:
            expanded = _VARIABLE.sub(self._expand, text)
        except _Unset as unset:
            self._document.add(path, str(unset))
            return Scalar("", is_broken=True)
        match = _VARIABLE.fullmatch(text)
        is_variable = match is not None and match[1] is not None
        return Scalar(expanded, node.style is not None, is_variable)

    def _expand(self, match: re.Match[str]) -> str:
        name, has_default, default = match.groups()
        if match[0] == "$${":
            return "${"
        if name is None:
            raise _Unset("has a `${` that names no variable; write `$${` for a literal one")
        value = self._env.get(name)
        if has_default:
            return value or str(default)
        if value is None:
            raise _Unset(
                f"uses the environment variable {name}, which is not set;"
                f" `${{{name}:-text}}` gives a default"
            )
        return value


def _is_plain_key(node: yaml.Node) -> bool:
    """Parentheses are for the schema's own names, which nobody may write."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TAGS or node.tag == _NULL:
        return False
    return bool(node.value) and node.value[0] not in "(["


class _Unset(ValueError):
    """A variable cannot be expanded."""
