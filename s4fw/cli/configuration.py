"""Which configuration file a command means, and reading it."""

from __future__ import annotations

import os
from pathlib import Path

from s4fw.config import Config, load

DEFAULT_FILE = "s4fw.yaml"


def configuration_path(given: str | Path | None) -> Path:
    """The file that is named, else $S4FW_CONFIG, else ./s4fw.yaml."""
    return Path(given or os.environ.get("S4FW_CONFIG") or DEFAULT_FILE)


def read_configuration(given: str | Path | None) -> Config:
    """Read it.  ConfigErrors need not be caught: the root of the tree shows them and exits 78."""
    return load(configuration_path(given), os.environ)
