"""Build and installation of S4 Firewall: the package, its two C modules and the `s4fw` command."""

from setuptools import find_packages, setup

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
    cffi_modules=["native/build_table.py:ffi", "native/build_json.py:ffi"],
    install_requires=[
        "cffi==2.1.1",
        "click==8.5.1",
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
        "test": [
            "trustme==1.2.1",
            "hypothesis==6.170.15",
            "mypy==2.4.1",
            "openai==3.54.0",
            "pytest==9.2.0",
            "pytest-xdist==3.8.0",
            "ruff==0.17.6",
            "types-PyYAML==6.0.12.20261113",
            "types-cffi==2.1.0.20260827",
        ],
    },
    entry_points={"console_scripts": ["s4fw = s4fw.cli:main"]},
)
