"""One target under atheris: python -m tests.fuzz.guided TARGET [libFuzzer's options]"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["s4fw"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
