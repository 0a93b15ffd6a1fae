"""From a file or a text to a `Config`, or to all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from s4fw.config.checks import part_problems, readable_parts
from s4fw.config.document import BYTES_MAX, Document, read_document
from s4fw.config.document import Path as TreePath
from s4fw.config.problem import ConfigErrors, Problem
from s4fw.config.schema import Config
from s4fw.config.sentences import note_errors
from s4fw.config.warnings import warnings


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read a configuration file.  Raises ConfigErrors with every problem there is."""
    try:
        with open(path, "rb") as file:
            raw = file.read(BYTES_MAX + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "is not UTF-8 text", line) from None
    config = parse(text, str(path), env, path.absolute().parent)
    return config.model_copy(update={"source_path": str(path.absolute())})


def parse(text: str, name: str, env: Mapping[str, str], directory: Path | None = None) -> Config:
    """Read a configuration; `name` is for messages, files are relative to `directory` (here).

    Raises ConfigErrors with every problem there is.
    """
    document = read_document(text, env)
    context = {"directory": directory or Path(), "env": env}
    config: Config | None = None
    if document.tree is None:
        raise _refused(name, document)
    try:
        config = Config.model_validate(document.tree, context=context)
    except ValidationError as error:
        note_errors(document, error, Config)
    _cross_check(document, context)
    if document.problems or config is None:
        raise _refused(name, document)
    return config.model_copy(update={"warnings": tuple(warnings(config))})


def _cross_check(document: Document, context: dict[str, Any]) -> None:
    for where, sentence in part_problems(readable_parts(document.tree, context)):
        document.add(_tree_path(where), sentence)
    tree = document.tree
    if tree.get("upstreams") == {}:
        document.add(("upstreams",), "names no provider")
    if tree.get("keys") == []:
        document.add(("keys",), "lists nobody; remove the line to let callers in without keys")


def _tree_path(where: str) -> TreePath:
    """`budgets[2].limit_usd` back as ("budgets", 2, "limit_usd")."""
    items = re.findall(r"\[(\d+)\]|([^.\[\]]+)", where)
    return tuple(int(number) if number else key for number, key in items)


def _refused(name: str, document: Document) -> ConfigErrors:
    return ConfigErrors(name, sorted(document.problems, key=lambda p: p.line or 0))


def _unreadable(path: Path, message: str, line: int | None = None) -> ConfigErrors:
    return ConfigErrors(str(path), [Problem("", line, message)])
