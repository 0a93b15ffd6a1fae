"""Build and installation of S4 Firewall: the package, its two C modules and the `s4fw` command.

With S4FW_COMPILE=1 in the environment mypyc compiles the hot path too, from the same sources: the
release build (docs/adr/0009-compiled-release-build.md).
"""

import os
from glob import glob

from setuptools import Extension, find_packages, setup

# What runs for each request.
HOT_PATH = (
    "s4fw/core/*.py",
    "s4fw/dialects/**/*.py",
    "s4fw/errors.py",
    "s4fw/ledger/applied.py",
    "s4fw/ledger/budgets.py",
    "s4fw/ledger/callers.py",
    "s4fw/ledger/chain.py",
    "s4fw/ledger/journal.py",
    "s4fw/ledger/lines.py",
    "s4fw/ledger/marks.py",
    "s4fw/ledger/reservation.py",
    "s4fw/ledger/rule.py",
    "s4fw/ledger/standing.py",
    "s4fw/ledger/window.py",
    "s4fw/loops/*.py",
    "s4fw/observe/habits.py",
    "s4fw/observe/outcomes.py",
    "s4fw/observe/tally.py",
    "s4fw/pricing/cost.py",
    "s4fw/pricing/ratecard.py",
    "s4fw/pricing/row.py",
    "s4fw/process/bookkeeper.py",
    "s4fw/process/scribe.py",
    "s4fw/process/spend.py",
    "s4fw/proxy/*.py",
    "s4fw/stages/*.py",
    "s4fw/tokens/counter.py",
    "s4fw/units.py",
)


def hot_path() -> list[Extension]:
    """The extension modules of the compiled build; none without S4FW_COMPILE=1."""
    if os.environ.get("S4FW_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # of the test extra

    files = sorted({file for pattern in HOT_PATH for file in glob(pattern, recursive=True)})
    return mypycify(files, opt_level="3")


setup(
    name="s4fw",
    version="0.1.0",
    description="A hard spend cap in front of LLM traffic, as a forwarding proxy in your own VPC",
    long_description="See README.md.",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["s4fw", "s4fw.*"]),
    package_data={
        "s4fw": ["py.typed"],
        "s4fw.pricing": ["data/*"],
        "s4fw.tokens": ["vocabulary/*"],
    },
    ext_modules=hot_path(),
    cffi_modules=["native/build_table.py:ffi", "native/build_json.py:ffi"],
    install_requires=[
        "boto3==1.44.5",
        "cffi==2.1.1",
        "click==8.5.1",
        "cryptography==50.0.2",
        "h11==0.16.0",
        "httptools==0.9.0",
        "mypy-extensions==1.2.0",
        "orjson==3.13.0",
        "pydantic==2.14.3",
        "PyYAML==6.0.3",
        "rich==15.0.0",
        "tiktoken==0.14.0",
        "tzdata==2026.6",
        "uvloop==0.23.0",
    ],
    extras_require={
        "parquet": ["pyarrow==26.0.1"],  # `s4fw audit export --format parquet`
        "load": ["locust==2.47.0"],  # applications of `make load`; a program of its own
        "plot": ["matplotlib==3.11.2"],  # the picture of `make soak`
        "test": [
            "anthropic==2.12.0",
            "genai-prices==0.2.3",  # what our prices are compared with
            "trustme==1.2.1",
            "hypothesis==6.170.15",
            "langchain-openai==1.7.3",
            "moto[s3,server]==5.2.5",
            "mypy==2.4.1",  # brings mypyc too
            "openai==3.54.0",
            "prometheus-client==0.26.0",  # reads /metrics as a scraper does
            "pytest==9.2.0",
            "pytest-xdist==3.8.0",
            "ruff==0.17.6",
            "setuptools>=84",  # makes the wheel
            "types-PyYAML==6.0.12.20261113",
            "types-cffi==2.1.0.20260827",
        ],
    },
    entry_points={"console_scripts": ["s4fw = s4fw.cli:main"]},
)
