"""Where the commands of `s4fw audit` find a ledger, and how they read it with a bar that moves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from s4fw.cli.configuration import configuration_path
from s4fw.config.document import read_document
from s4fw.config.ledger import Ledger
from s4fw.config.paths import Paths
from s4fw.ledger import segments
from s4fw.ledger.rebuild import Row, rows_of
from s4fw.ledger.segments import SegmentFile


class Piece(NamedTuple):
    """One segment as read; `problem` is the rest of a sentence where it cannot be."""

    file: SegmentFile
    data: bytes
    problem: str | None
    is_newest: bool  # of its chain: it may be being written


class Books:
    """The ledger of one firewall, or copies of several in one directory."""

    def __init__(
        self, directory: Path, *, is_deep: bool, key: Path | None = None, state: Path | None = None
    ) -> None:
        self.directory = directory
        self.state = state  # of the firewall whose own this is
        self.section = Ledger.model_validate({})
        self._is_deep = is_deep
        self._key = key

    def public_key(self, given: Path | None) -> bytes | None:
        """The key that must have signed; None where none is known.  Raises click's exceptions."""
        from s4fw.ledger.signing import public_keys  # takes time: only where it is needed

        path = given or (self._key if self._key is not None and self._key.exists() else None)
        if path is None:
            return None
        try:
            return public_keys(path)
        except OSError as fault:
            if given is None:
                return None  # an operator's shell need not be able to read the firewall's key
            raise click.UsageError(f"cannot read {path}: {fault.strerror}") from fault
        except ValueError as fault:
            raise click.UsageError(f"{path} {fault}") from fault

    def chains(self) -> list[list[SegmentFile]]:
        """The segments of each chain, in order.  Raises ClickException where there are none."""
        groups: dict[Path, list[SegmentFile]] = {}
        for file in segments.files_in(self.directory, is_deep=self._is_deep):
            parent = file.path.parent
            place = parent.parent if parent.name == segments.SENT else parent
            group = groups.setdefault(place, [])
            if group and group[-1].number == file.number:
                is_copy = not group[-1].is_packed or group[-1].path.name == file.path.name
                if is_copy:
                    continue  # a death, or this moment, left a segment in two forms
            group.append(file)
        if not groups:
            raise click.ClickException(
                f"there is no ledger in {self.directory}: it is written where the configuration "
                "says `ledger: {enabled: true}`"
            )
        return [groups[place] for place in sorted(groups)]

    def read(self, chain: Sequence[SegmentFile]) -> Iterator[Piece]:
        """The segments of one chain."""
        with _bar() as progress:
            task = progress.add_task("reading", total=len(chain))
            for file in chain:
                is_newest = file is chain[-1]
                yield self._piece(file, is_newest)
                progress.advance(task)

    def _piece(self, file: SegmentFile, is_newest: bool) -> Piece:
        for _ in range(3):
            try:
                return Piece(file, segments.read(file), None, is_newest)
            except FileNotFoundError:  # it was packed, or sent, since we looked
                found = segments.files_in(self.directory, is_deep=self._is_deep)
                file = next((f for f in found if f.number == file.number), file)
            except ValueError as fault:
                return Piece(file, b"", str(fault), is_newest)
            except OSError as fault:
                return Piece(file, b"", f"cannot be read: {fault.strerror}", is_newest)
        return Piece(file, b"", "is gone", is_newest)


def _bar() -> Progress:
    """Shown on a terminal only, beside what goes to standard output."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} segments"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def find_books(config: Path | None, directory: Path | None) -> Books:
    """The ledger that the options mean.  Raises click's exceptions.

    Of the configuration only `ledger` and `paths` are read: an operator's shell has no provider
    keys, and a variable that only the firewall has is no problem.
    """
    if directory is not None:
        return Books(directory, is_deep=True)
    path = configuration_path(config)
    try:
        tree = read_document(path.read_text("utf-8"), os.environ).tree
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise click.UsageError(f"cannot read {path}: {reason}") from fault
    if not isinstance(tree, dict):
        raise click.UsageError(f"{path} is no configuration: see `s4fw check`")
    context = {"directory": path.absolute().parent, "env": os.environ}
    try:
        section = Ledger.model_validate(tree.get("ledger", {}), context=context)
        paths = Paths.model_validate(tree.get("paths", {}), context=context)
    except ValidationError as fault:
        place = ".".join(str(item) for item in fault.errors()[0]["loc"])
        raise click.UsageError(f"{path} is not valid at {place}: see `s4fw check`") from fault
    state = paths.state
    books = Books(section.directory(state), is_deep=False, key=section.key_path(state), state=state)
    books.section = section
    return books


def rows_in(piece: Piece) -> Iterator[Row]:
    """The rows of a segment.  Raises ClickException where it cannot be read."""
    try:
        if piece.problem is not None:
            raise ValueError(piece.problem)
        yield from rows_of(piece.data, is_open=piece.is_newest and not piece.file.is_packed)
    except (ValueError, KeyError, TypeError) as fault:
        why = fault if isinstance(fault, ValueError) else "holds a line that was changed"
        raise click.ClickException(f"{piece.file.path} {why}; see `s4fw audit verify`") from fault
