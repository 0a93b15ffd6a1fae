"""Builds the counter table as `s4fw.ledger._table`: from setup.py, or directly in place.

The declarations are read from the C header itself, so header and binding cannot drift apart.
"""

from __future__ import annotations

import os
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "native"

# The generated wrapper has unused parameters by design; our own sources have none.
_PREAMBLE = """
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <stdint.h>
#include "s4_table_api.h"
"""

ffi = FFI()
ffi.cdef((NATIVE / "s4_table_api.h").read_text())
ffi.set_source(
    "s4fw.ledger._table",
    _PREAMBLE,
    # Relative to the folder of setup.py, where setuptools wants them.
    sources=sorted(str(path.relative_to(ROOT)) for path in NATIVE.glob("s4_table_*.c")),
    include_dirs=["native"],
    depends=["native/s4_siphash.h", "native/s4_table.h", "native/s4_table_api.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"],
)

if __name__ == "__main__":
    os.chdir(ROOT)
    # The name that setup.py gives it: two builds side by side would hide one another.
    print(ffi.compile(tmpdir=str(ROOT), target="_table.abi3.so"))
