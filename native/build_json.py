"""Builds s4fw.dialects._json, the strict JSON scan.  Used by setup.py; run directly, it compiles
in place."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).resolve().parent
ROOT = NATIVE.parent

ffi = FFI()
ffi.set_source(
    "s4fw.dialects._json",
    '#include "s4_json.h"',
    sources=["native/s4_json.c"],
    include_dirs=["native"],
    depends=[
        "native/s4_json.h",
        "native/s4_json_api.h",
        "native/s4_siphash.h",
        "native/s4_utf8.h",
    ],
    extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    py_limited_api=True,
)
ffi.cdef((NATIVE / "s4_json_api.h").read_text())

if __name__ == "__main__":
    import os

    os.chdir(ROOT)
    ffi.compile(tmpdir=str(ROOT), verbose=True)
