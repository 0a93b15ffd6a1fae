"""`make deploy-check`: everything that is shipped besides the code, with the real tools.

    python -m tests.deploy [--only TOOL ...] [--tools DIRECTORY] [--write]

Prints a table; `--write` puts it into docs/deploy-report.md.  Exits with 1 when a check failed; one
that could not be run here says what is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.deploy import arm, containers, images, monitoring, services, templates
from tests.deploy.check import (
    FAILED,
    ROOT,
    Check,
    Workshop,
    judged,
    report,
    show,
    where_and_when,
)

CHECKS: tuple[Check, ...] = (
    *services.CHECKS,
    *templates.CHECKS,
    *images.CHECKS,
    *arm.CHECKS,
    *containers.CHECKS,
    *monitoring.CHECKS,
)


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.deploy")
    arguments.add_argument(
        "--only", nargs="+", metavar="TOOL", help="only the checks of these tools"
    )
    arguments.add_argument("--tools", type=Path, default=ROOT / ".deploy")
    arguments.add_argument("--write", action="store_true", help="write docs/deploy-report.md")
    given = arguments.parse_args()
    if given.only and given.write:
        arguments.error("the report is of one whole run: --write goes without --only")
    where = where_and_when()
    console = Console(width=None if sys.stdout.isatty() else 140)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="s4fw-deploy-") as folder:
        Path(folder).chmod(0o755)  # the service's own user passes through
        workshop = Workshop(Path(folder), given.tools.absolute())
        for check in CHECKS:
            if given.only and check.tool not in given.only:
                continue
            console.print(f"{check.tool}: {check.what} ...", style="dim")
            outcomes.append(judged(check, workshop))
    show(outcomes, console)
    if given.write:
        (ROOT / "docs" / "deploy-report.md").write_text(report(outcomes, where), "utf-8")
    return int(any(one.verdict == FAILED for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
