"""Checks of the container files.  Building one needs an engine and a registry of images."""

from __future__ import annotations

from tests.deploy.check import ROOT, Check, Workshop, output_of

CONTAINERFILE = ROOT / "packer" / "Containerfile"
COMPOSE = ROOT / "packer" / "compose.yaml"
MOUNTED = sorted((ROOT / "docs" / "monitoring").rglob("*.y*ml"))
MOUNTED.remove(ROOT / "docs" / "monitoring" / "prometheus-rules.yaml")  # promtool judges it
_RULES = (
    "{extends: default, rules: {line-length: {max: 110}, document-start: disable,"
    " comments: disable}}"
)


def check_containerfile(workshop: Workshop) -> str:
    """No finding but those that the file itself excuses."""
    output_of([workshop.tool("hadolint"), CONTAINERFILE])
    excused = "no finding; one excused in the file (DL3008)."
    return f"{excused} Not built: that needs a registry of images"


def check_compose(workshop: Workshop) -> str:
    """Well-formed, and what it mounts; its structure is tested in `make test`."""
    output_of([workshop.tool("yamllint"), "--strict", "-d", _RULES, COMPOSE, *MOUNTED])
    found = f"no finding, nor in {len(MOUNTED)} files that it mounts."
    return f"{found} Not started: that needs a container engine"


CHECKS = (
    Check("hadolint", "Containerfile", check_containerfile),
    Check("yamllint", "compose.yaml", check_compose),
)
