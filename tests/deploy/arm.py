"""Checks of the C on 64-bit ARM, emulated.

What this shows: that it compiles without a warning, that layout and alignment are right, that the
instructions exist with and without LSE, and (in a whole emulated machine with a kernel of its own)
that the kernel hands the lock of a dead process on.  What it does not show: the order in which a
real processor lets others see stores.  That is argued for each access beside it in native/ and
explored by tests/model/memory.py; a run on Graviton is still owed.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from tests.deploy.check import ROOT, Check, NotRun, Workshop, output_of

NATIVE = ROOT / "native"
GCC = "aarch64-linux-gnu-gcc"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-DS4_FAULTS", f"-I{NATIVE}")
# With the atomic instructions of 8.1 (every Graviton since the second), with load and store pairs
# only, and with the choice at run time that gcc makes by default.
VARIANTS = {
    "LSE": ("-mcpu=neoverse-n1",),
    "no LSE": ("-march=armv8-a", "-mno-outline-atomics"),
    "outlined": ("-march=armv8-a", "-moutline-atomics"),
}
# qemu-user has no robust futexes: what waits for a dead owner's lock cannot run there.
IN_USER_MODE = ("test_values", "test_rates", "test_json", "threads_table")
IN_MACHINE = ("test_table", "test_values", "test_rates", "test_faults", "threads_table")
STRESS = "stress_table --seconds 10"
BOOT_S = 240.0
_ATOMICS = re.compile(r"\t(ldaxr|stlxr|ldxr|stxr|cas\w*|swp\w*|ldadd\w*|ldar|stlr|dmb)\b")


def _needs(*programs: tuple[str, str]) -> None:
    for program, package in programs:
        if shutil.which(program) is None:
            raise NotRun(f"needs {program} (Debian: apt-get install {package})")


def compiled(name: str, folder: Path, flags: tuple[str, ...]) -> Path:
    """A test program of native/tests, static, for ARM."""
    folder.mkdir(exist_ok=True)
    parts = sorted(NATIVE.glob("s4_table_*.c"))
    sources = [NATIVE / "tests" / f"{name}.c", *parts, NATIVE / "tests" / "harness.c"]
    if name == "test_json":
        sources = [NATIVE / "tests" / "test_json.c", NATIVE / "s4_json.c"]
    output_of([GCC, *FLAGS, *flags, "-static", *sources, "-o", folder / name, "-lpthread"])
    return folder / name


def check_user_mode(workshop: Workshop) -> str:
    """The programs that need no help of a kernel, with every kind of atomics."""
    _needs((GCC, "gcc-aarch64-linux-gnu"), ("qemu-aarch64", "qemu-user"))
    seen = []
    for variant, flags in VARIANTS.items():
        folder = workshop.folder / f"arm-{variant.replace(' ', '-')}"
        for name in IN_USER_MODE:
            output_of(["qemu-aarch64", compiled(name, folder, flags)])
        seen.append(f"{variant}: {_atomics(folder / 'test_rates', variant)}")
    return f"{', '.join(IN_USER_MODE)} pass; in the table's code: {'; '.join(seen)}"


def _atomics(program: Path, variant: str) -> str:
    """The atomic and ordering instructions in our functions, counted."""
    code = output_of(["aarch64-linux-gnu-objdump", "-d", program])
    found: Counter[str] = Counter()
    for function in re.split(r"\n\n", code):
        if re.match(r"[0-9a-f]+ <s4_", function):
            found.update(_ATOMICS.findall(function))
    has_lse = any(word.startswith(("cas", "swp", "ldadd")) for word in found)
    assert has_lse == (variant == "LSE"), found
    return " ".join(f"{word} {count}" for word, count in sorted(found.items()))


def check_machine(workshop: Workshop) -> str:
    """All programs, and random kills, in an emulated Neoverse N1 with two processors and Linux."""
    _needs(
        (GCC, "gcc-aarch64-linux-gnu"),
        ("qemu-system-aarch64", "--no-install-recommends qemu-system-arm"),
    )
    folder = workshop.folder / "machine"
    flags = VARIANTS["LSE"]
    for name in (*IN_MACHINE, STRESS.split()[0]):
        compiled(name, folder, flags)
    output_of([GCC, "-O1", "-static", ROOT / "tests/deploy/init.c", "-o", folder / "init"])
    archive = workshop.folder / "initrd.gz"
    archive.write_bytes(gzip.compress(_initramfs(folder), 1))
    command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "neoverse-n1", "-smp", "2", "-m", "512"]
    command += ["-nographic", "-nic", "none", "-no-reboot", "-kernel", str(kernel(workshop))]
    words = " ".join(f'"/{name}"' for name in (*IN_MACHINE, STRESS))
    command += ["-initrd", str(archive), "-append", f"console=ttyAMA0 quiet panic=1 -- {words}"]
    said = output_of(command, timeout_s=BOOT_S)
    codes = re.findall(r"^ended (-?\d+) (.*?)\r?$", said, re.MULTILINE)
    assert [("0", f"/{name}") for name in (*IN_MACHINE, STRESS)] == codes, said[-600:]
    release = re.findall(r"^running on (\S+)", said, re.MULTILINE)[0]
    (kills,) = re.findall(r"^(kills \d+.*: exact)", said, re.MULTILINE)
    return f"Linux {release}: {', '.join(IN_MACHINE)} pass; {STRESS}: {kills}"


def kernel(workshop: Workshop) -> Path:
    """An arm64 kernel of Debian; fetched once and kept beside the tools.  Raises NotRun."""
    kept = Path(os.environ.get("S4FW_ARM64_KERNEL") or workshop.tools / "vmlinuz-arm64")
    if kept.exists():
        return kept
    folder = workshop.folder / "kernel"
    folder.mkdir()
    listed = _quiet(["apt-cache", "depends", "linux-image-arm64:arm64"], folder)
    names = re.findall(r"Depends: (linux-image-\S+)", listed)
    if not names:
        raise NotRun(
            "needs an arm64 kernel: dpkg --add-architecture arm64 && apt-get update, or"
            " S4FW_ARM64_KERNEL=/path/to/vmlinuz"
        )
    _quiet(["apt-get", "download", "-q", names[0]], folder)
    for package in folder.glob("*.deb"):
        output_of(["dpkg-deb", "-x", package, folder])
        (found,) = folder.glob("boot/vmlinuz-*")
        kept.parent.mkdir(exist_ok=True)
        shutil.copy(found, kept)
        return kept
    raise NotRun(f"{names[0]} could not be fetched")


def _quiet(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return done.stdout


def _initramfs(folder: Path) -> bytes:
    """The programs of a folder as a cpio archive in the kernel's format ("newc")."""

    def entry(name: str, data: bytes, mode: int) -> bytes:
        title = name.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(title), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + title
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)

    files = sorted(folder.iterdir())
    return b"".join(entry(path.name, path.read_bytes(), 0o100755) for path in files) + entry(
        "TRAILER!!!", b"", 0
    )


CHECKS = (
    Check("qemu-user", "the C on ARM, with and without LSE", check_user_mode),
    Check("qemu-system", "the C in a whole ARM machine, with kills", check_machine),
)
