"""`paths`: where the shared table and the state that outlives a restart are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationInfo, model_validator

from s4fw.config.document import Scalar
from s4fw.config.forms import Form
from s4fw.config.section import Section, setting

RUN = Path("/run/s4fw")


class Directory(Form):
    """A directory; it need not exist yet."""

    words = "a directory"
    schema = {"type": "string", "minLength": 1}

    def read(self, scalar: Scalar) -> Path:
        if not scalar.text or "\0" in scalar.text:
            raise self.refused()
        return Path(scalar.text)

    def show(self, value: Path) -> str:
        return str(value)


class Paths(Section):
    """Both absolute: what is written is relative to the configuration file's directory."""

    runtime: Annotated[Path, Directory()] = setting(
        "The directory of the shared table and the locks, relative to the configuration file."
        " Where left out: $S4FW_RUNTIME_DIR, $RUNTIME_DIRECTORY, /run/s4fw if writable,"
        " $XDG_RUNTIME_DIR/s4fw, ./.s4fw.",
        "./.s4fw",
    )
    state: Annotated[Path, Directory()] = setting(
        "The directory of what outlives a reboot, relative to the configuration file. Where left"
        " out: $S4FW_STATE_DIR, $STATE_DIRECTORY, `state` in the runtime directory, of which"
        " `s4fw check` and each start warn: both could be lost together.",
        "./.s4fw/state",
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        context = info.context or {}
        base, env = context.get("directory", Path()), context.get("env", {})
        runtime = _written(data, "runtime", base) or runtime_directory(env)
        state = _written(data, "state", base) or state_directory(runtime, env)
        resolved = {"runtime": str(runtime), "state": str(state)}
        # What cannot be read stays, for its field to say so.
        unreadable = {k: v for k, v in data.items() if k not in resolved or not _is_text(v)}
        return {**resolved, **unreadable}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Scalar) and bool(value.text))


def _written(data: dict[str, Any], name: str, base: Path) -> Path | None:
    value = data.get(name)
    if not _is_text(value):
        return None
    text = value.text if isinstance(value, Scalar) else str(value)
    return (base / text).absolute()


def runtime_directory(env: Mapping[str, str]) -> Path:
    """The runtime directory where none is written."""
    given = env.get("S4FW_RUNTIME_DIR") or _first(env.get("RUNTIME_DIRECTORY"))
    if given:
        return Path(given).absolute()
    if RUN.is_dir() and os.access(RUN, os.W_OK | os.X_OK):
        return RUN
    if session := env.get("XDG_RUNTIME_DIR"):
        return Path(session).absolute() / "s4fw"
    return Path(".s4fw").absolute()


def state_directory(runtime: Path, env: Mapping[str, str]) -> Path:
    """The state directory where none is written."""
    given = env.get("S4FW_STATE_DIR") or _first(env.get("STATE_DIRECTORY"))
    return Path(given).absolute() if given else runtime / "state"


def _first(directories: str | None) -> str:
    # systemd separates them by colons where a unit has several (systemd.exec, RuntimeDirectory=).
    return (directories or "").split(":")[0]
