"""`python -m tests.model`: every search, small and large, then every mutant; one line each."""

from __future__ import annotations

import sys

from tests.model.configurations import LARGE, MUTANTS, SMALL
from tests.model.explorer import explore


def main() -> int:
    """0 when everything holds and every mutant is noticed."""
    total, problems = 0, 0
    for name, setup in (SMALL | LARGE).items():
        broken, states = explore(setup)
        total, problems = total + states, problems + bool(broken)
        sys.stdout.write(f"{name}: {states} states, {broken or 'holds'}\n")
    for mutant, (name, _) in MUTANTS.items():
        broken, states = explore((SMALL | LARGE)[name].broken_by(mutant))
        problems += not broken
        sys.stdout.write(f"{mutant}: {broken or 'NOT NOTICED'} after {states} states\n")
    sys.stdout.write(
        f"{len(SMALL | LARGE)} searches, {total} states hold; {len(MUTANTS)} mutants noticed\n"
        if not problems
        else f"{problems} problems\n"
    )
    return problems > 0


if __name__ == "__main__":
    sys.exit(main())
