"""Reading unit files of systemd: what they say, by section and key."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "systemd" / "s4fw.service"


class Unit:
    """A unit file.  A key may be repeated; `all` gives every value, `one` the only one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[tuple[str, str], list[str]] = {}
        section = ""
        for line in path.read_text("utf-8").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith(("#", ";")):
                key, _, value = line.partition("=")
                self.values.setdefault((section, key), []).append(value)

    def all(self, key: str, section: str = "Service") -> list[str]:
        """Every value of a key, in order."""
        return self.values.get((section, key), [])

    def one(self, key: str, section: str = "Service") -> str:
        """The value of a key that stands there once."""
        (value,) = self.all(key, section)
        return value

    def is_on(self, key: str) -> bool:
        """Whether a switch of the service is on."""
        return self.all(key)[-1:] == ["yes"]
