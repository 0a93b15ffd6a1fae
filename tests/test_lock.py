"""Both locks say the same as the pins they are made from, and let nothing else in."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import distribution, requires
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
_ENTRY = re.compile(
    r"^([a-z0-9.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def entries(lock: str = "requirements.lock") -> dict[str, tuple[str, int]]:
    """Name -> version and how many archives it may be."""
    text = (ROOT / lock).read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    found = {m[1]: (m[2], m[3].count("--hash=")) for m in _ENTRY.finditer("".join(lines))}
    assert sum(count + 1 for _, count in found.values()) == len(lines), "a line of another kind"
    return found


def maker() -> ModuleType:
    """What makes the locks."""
    spec = importlib.util.spec_from_file_location("lock", ROOT / ".ci" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins() -> list[Requirement]:
    """`install_requires`, as the locks' maker reads it."""
    return [Requirement(text) for text in maker().pins()]


def named(name: str) -> str:
    """The one spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_lock_has_every_pin_of_setup_and_no_other_version() -> None:
    """A pin that was raised without `make lock` would be refused at installation."""
    locked = entries()
    for pin in pins():
        (specifier,) = pin.specifier
        assert ("==", locked[named(pin.name)][0]) == (specifier.operator, specifier.version)


def test_lock_is_closed_over_what_its_packages_require() -> None:
    """With --require-hashes an absent dependency fails; one too many is one too much to trust."""
    locked = entries()
    reached: set[str] = set()
    waiting = [(named(pin.name), pin.extras) for pin in pins()]
    while waiting:
        name, extras = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for text in requires(name) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras or {""}):
                waiting.append((named(requirement.name), requirement.extras))
    assert reached <= locked.keys()
    # What older Pythons need beside these is allowed; nothing else is.
    assert locked.keys() - reached <= {"typing-extensions", "backports-zstd"}


def test_installed_packages_are_those_of_the_lock() -> None:
    """What the tests ran with is what is shipped."""
    for name, (version, _) in entries().items():
        assert version == distribution(name).version, name


def test_lock_covers_both_platforms() -> None:
    """A compiled package has an archive for x86 and one for Graviton, at least."""
    assert entries()["orjson"][1] >= 2
    assert entries()["uvloop"][1] >= 2


def test_lock_of_the_build_has_its_pins_and_nothing_against_the_other() -> None:
    """A compiler that was exchanged writes what it likes into the firewall."""
    locked, at_run_time = entries("packer/build.lock"), entries()
    wanted = [Requirement(text) for text in maker().BUILD]
    assert {f"=={locked[named(one.name)][0]}" for one in wanted} == {
        str(one.specifier) for one in wanted
    }
    for name in locked.keys() & at_run_time.keys():  # both go into one environment
        assert at_run_time[name][0] == locked[name][0], name
    assert locked["mypy"][1] >= 2  # for x86 and for Graviton


def test_container_compiles_with_nothing_but_what_is_locked() -> None:
    """A version without a digest is whatever the index says that day."""
    text = (ROOT / "packer" / "Containerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install (.*?)(?:&&|\n)", text)
    assert 4 == len(installs)
    ours = [one for one in installs if "--require-hashes" not in one]
    assert ["--no-cache-dir --no-deps /tmp/wheel/s4fw-*.whl"] == [one.strip() for one in ours]
