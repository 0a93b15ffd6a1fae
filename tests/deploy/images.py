"""Checks of what builds an image: scripts, template, bundle, and the installation itself.

`install.sh` and `smoke.sh` are really run, in a Debian made by debootstrap: it has the Python and
the glibc generation of Amazon Linux 2023, and everything of ours is the same there.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from tests.deploy.check import ROOT, Check, NotRun, Workshop, output_of, plain_env
from tests.deploy.confined import Confined, missing
from tests.deploy.services import config_for, free_ports, lived_through
from tests.deploy.unit import Unit
from tests.harness import Simulator

PACKER = ROOT / "packer"
SCRIPTS = ("install.sh", "distribution.sh", "smoke.sh", "mount-state")
DEBIAN = "bookworm"
NEEDED = "python3,python3-venv,python3-dev,python3-seccomp,gcc,libc6-dev,ca-certificates"
DEBOOTSTRAP_S = 480.0
INSTALL_S = 1800.0  # of it gcc takes a minute and 1.4 GB, for one large file; ten on a busy machine


def check_scripts(workshop: Workshop) -> str:
    """Shell scripts without a finding."""
    if shutil.which("shellcheck") is None:
        raise NotRun("needs shellcheck (Debian: apt-get install shellcheck)")
    output_of(["shellcheck", *(PACKER / name for name in SCRIPTS)])
    return f"{len(SCRIPTS)} scripts, no finding"


def check_packer(workshop: Workshop) -> str:
    """The template, as far as the packer that Debian has can judge it."""
    if shutil.which("packer") is None:
        raise NotRun("needs packer (Debian: apt-get install packer)")
    folder = workshop.folder / "packer"
    (folder / "bundle").mkdir(parents=True)
    version = output_of(["packer", "version"], cwd=folder).split()[1]
    text = (PACKER / "s4fw.pkr.hcl").read_text("utf-8")
    left_out = ""
    if version.startswith("v1.6"):
        text, count = re.subn(r"  metadata_options \{.*?\n  \}\n", "", text, flags=re.DOTALL)
        assert 1 == count
        left_out = "; not judged by this old one: metadata_options, plugins.pkr.hcl"
    (folder / "s4fw.pkr.hcl").write_text(text)
    shutil.copy(PACKER / "distribution.sh", folder)
    env = plain_env() | {"CHECKPOINT_DISABLE": "1"}
    env |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    given = ["-var", f"bundle={folder / 'bundle'}"]
    output_of(["packer", "validate", *given, folder], env=env)
    return f"packer {version} validates{left_out}. The image itself was not built: that needs AWS"


def check_wheels(workshop: Workshop) -> str:
    """Everything needed has a built wheel for Graviton, under the digest of the lock."""
    bundled = workshop.folder / "bundle-aarch64"
    output_of([sys.executable, PACKER / "bundle.py", bundled, "--machine", "aarch64"])
    names = sorted(path.name for path in (bundled / "wheels").glob("*.whl"))
    built = sorted({name.split("-")[0] for name in names if "aarch64" in name})
    assert all("aarch64" in name or name.endswith("-any.whl") for name in names)
    return f"{len(names)} wheels; for aarch64: {', '.join(built)}; the others are pure Python"


@contextmanager
def mounted(root: Path) -> Iterator[None]:
    """/proc in a folder, as programs expect."""
    output_of(["mount", "-t", "proc", "proc", root / "proc"])
    try:
        yield
    finally:
        output_of(["umount", root / "proc"])


def debian(workshop: Workshop) -> Path:
    """A small Debian in a folder; S4FW_DEBIAN names one to copy instead of fetching it."""
    root = workshop.folder / "debian"
    if base := os.environ.get("S4FW_DEBIAN"):
        output_of(["cp", "-a", base, root])
        return root
    if shutil.which("debootstrap") is None:
        raise NotRun("needs debootstrap (Debian: apt-get install debootstrap)")
    fetched = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={NEEDED}", DEBIAN, str(root)],
        capture_output=True,
        text=True,
        timeout=DEBOOTSTRAP_S,
        check=False,
    )
    if fetched.returncode:
        raise NotRun(f"debootstrap: {fetched.stdout[-200:]}")
    return root


def check_install(workshop: Workshop) -> str:
    """From an empty Debian to a firewall that serves, under its unit, as its user."""
    if reason := missing():
        raise NotRun(reason)
    root = debian(workshop)
    output_of(
        [sys.executable, PACKER / "bundle.py", root / "opt/bundle", "--machine", platform.machine()]
    )
    inside = ["chroot", str(root), "sh"]
    with mounted(root):
        command = [*inside, "/opt/bundle/install.sh", "/opt/bundle"]
        # First what takes no minute, then over it the release build: an upgrade.
        interpreted = plain_env() | {"S4FW_COMPILE": "0"}
        assert "installed" in output_of(command, env=interpreted, timeout_s=INSTALL_S)
        said = output_of(command, env=plain_env(), timeout_s=INSTALL_S).strip()
        smoke = output_of([*inside, "/opt/bundle/smoke.sh"], env=plain_env()).strip()
        assert not (left := living_in(root)), f"smoke.sh left processes: {left}"
    looked_at(root)
    life = confined_there(workshop.folder / "installed", root)
    ends = [text.splitlines()[-1] for text in (said, smoke)]
    return f"{ends[0]}, over another; {ends[1]}; its own unit there: {life}"


def living_in(root: Path) -> list[int]:
    """The processes whose root is this folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/root"):
        with suppress(OSError):
            if os.readlink(link) == str(root):
                found.append(int(link.parent.name))
    return found


def looked_at(root: Path) -> None:
    """What the installation promises, seen from outside."""
    (shadow,) = [
        line.split(":")[1]
        for line in (root / "etc/shadow").read_text().splitlines()
        if line.startswith("s4fw:")
    ]
    assert shadow.startswith("!"), "the user is not locked"
    wanted = root / "etc/systemd/system/multi-user.target.wants/s4fw.service"
    assert wanted.is_symlink(), "the unit is not enabled"
    assert 0o640 == (root / "etc/s4fw/s4fw.yaml").stat().st_mode & 0o777
    releases = sorted(root.glob("opt/s4fw-*"))
    assert 2 == len(releases), "an upgrade keeps the last release, and only that"
    compiled = list(releases[-1].rglob("s4fw/core/*.so"))
    assert compiled, "the path of each request is not compiled"


def confined_there(folder: Path, root: Path) -> str:
    """The installed unit with its own ExecStart, in that root."""
    folder.mkdir(mode=0o755)
    ports = free_ports()
    with Simulator(folder) as simulator:
        config = yaml.safe_dump(config_for(simulator, ports))
        service = Confined(Unit(root / "etc/systemd/system/s4fw.service"), folder, config, root)
        try:
            return lived_through(service, ports)
        finally:
            service.kill()


CHECKS = (
    Check("shellcheck", "scripts of the image", check_scripts),
    Check("packer", "template of the image", check_packer),
    Check("pip", "wheels for aarch64", check_wheels),
    Check("debootstrap", "install.sh up to serving requests", check_install),
)
