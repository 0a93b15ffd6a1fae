# Everything is built into .venv and runs from there; nothing is installed outside this folder.
#
#   make run     build, then start the firewall in front of the built-in simulator
#   make test    build, then pass all tests
#   make sdk     the real SDKs in every situation, those of Node too (needs node, npm, a registry)
#   make demo    500 parallel calls against a cap that pays for exactly 40
#   make check   style and types
#   make stress  the counter table under random SIGKILL, longer than in make test
#   make prove   the long proofs: 10 million random calls, 10,000 SIGKILLs, all model searches;
#                about three minutes; writes its table into docs/internals/proof.md
#   make loops-eval DATA=folder   the loop breaker over recorded sessions, beside other tools' rules
#   make lock    requirements.lock: every run-time dependency with its hashes, from setup.py's pins;
#                packer/build.lock: what an image compiles with, alike
#   make fuzz SECONDS=60     coverage-guided fuzzing of what parses bytes (needs atheris; clang for C)
#   make http-diff           our reading of requests beside h11, nginx and haproxy
#   make chaos   every fault of the catalogue, some twenty minutes; goes on where it was broken off
#                (FRESH=1 begins anew, ONLY=UPS for some); writes docs/chaos-report.md
#   make soak    faults under load for MINUTES=10, ends with books that agree; docs/img/soak.png
#   make load    all shapes of traffic from locust for SECONDS=20, USERS=24; WEB=1: with its page
#   make bench   processor time per request of the compiled build beside nginx (needs nginx and wrk)
#   make tune    what a request costs here with 1, 2 .. workers; writes docs/sizing.md's tables
#                and docs/img/tune.png (needs nginx and wrk)
#
#   make deploy-check    units, templates, image, ARM and container, with the real tools; writes
#                docs/deploy-report.md.  Best as root with Debian's systemd bubblewrap python3-seccomp
#                shellcheck packer debootstrap prometheus qemu-user qemu-system-arm gcc-aarch64-linux-gnu:
#                what is missing is named, not failed
#   make bundle  all an image needs, for MACHINE (aarch64), in dist/; see packer/
#
#   make wheel   the release: the hot path compiled by mypyc (a minute), as a wheel in dist/
#   make test-compiled    pass all tests against what is in that wheel

PYTHON ?= python3
PORT ?= 8080
ADMIN_PORT ?= 9090
MINUTES ?= 10
SEED ?= 1
# SECONDS is bash's own clock: take it from the command line only.
SECONDS_OF_LOAD := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),20)
USERS ?= 24
SECONDS_OF_FUZZ := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60)
BIN := .venv/bin
SOURCES := $(wildcard native/*.c native/*.h native/*.py)

.PHONY: run test sdk demo check stress prove chaos soak bench load tune loops-eval docs lock fuzz http-diff wheel test-compiled clean deploy-check bundle

run: .venv/built
	@PORT=$(PORT) ADMIN_PORT=$(ADMIN_PORT) $(BIN)/python -m s4fw try --port $(PORT) --admin-port $(ADMIN_PORT) --dir .run

test: .venv/tested-with
	$(BIN)/python -m pytest -n auto --dist worksteal tests

sdk: .venv/tested-with tests/sdk/node/node_modules/installed
	$(BIN)/python -m pytest -n auto --dist worksteal -m '' tests/sdk

demo: .venv/built
	@$(BIN)/python -m s4fw demo

check: .venv/tested-with
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

stress: .venv/tested-with
	$(BIN)/python -m tests.native.stress --seconds 60

bench: .compiled/built
	$(BIN)/python -m load.bench

load: .venv/tested-with
	$(BIN)/python -m load.stand --seconds $(SECONDS_OF_LOAD) --users $(USERS) $(if $(WEB),--web)

tune: .compiled/built .venv/plots-with
	$(BIN)/python -m load.tune --write

loops-eval: .venv/plots-with
	$(BIN)/python -m tests.loops.evaluate $(DATA) $(if $(WRITE),--write)

lock: .venv/tested-with
	$(BIN)/python .ci/lock.py

fuzz: .venv/tested-with
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS_OF_FUZZ)

http-diff: .venv/tested-with
	S4FW_HTTP_DIFF=1 $(BIN)/python -m pytest -rs tests/differential

chaos: .venv/tested-with
	$(BIN)/python -m tests.chaos --write --seed $(SEED) $(if $(FRESH),--fresh) $(if $(ONLY),--only $(ONLY))

soak: .venv/plots-with
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --seed $(SEED)

prove: .venv/tested-with
	$(BIN)/python -m tests.prove --write

docs: .venv/built
	$(BIN)/python -m s4fw.config.reference
	$(BIN)/python -m s4fw.observe.reference

deploy-check: .venv/tested-with .deploy/installed
	$(BIN)/python -m tests.deploy --write

MACHINE ?= aarch64
bundle: .venv/built
	$(BIN)/python packer/bundle.py dist/bundle-$(MACHINE) --machine $(MACHINE)

# Tools of their own: they want other versions of boto3 than the firewall.
.deploy/installed: tests/deploy/requirements.txt
	$(PYTHON) -m venv .deploy
	.deploy/bin/python -m pip install --quiet --requirement tests/deploy/requirements.txt
	@touch $@

wheel: .compiled/built
	@mkdir -p dist
	cp .compiled/dist/*.whl dist/

test-compiled: .compiled/built
	rm -rf .compiled/tests && cp -a $(COPIED) .compiled/
	cd .compiled && S4FW_COMPILED=1 ../$(BIN)/python -m pytest -n auto --dist worksteal tests

# A copy: compiled modules beside the sources would hide every later change of them.
COPIED := $(filter-out .git .venv .compiled .deploy .run .s4fw build dist s4fw,$(shell ls -A))

.compiled/built: .venv/tested-with $(shell find s4fw -name '*.py')
	rm -rf .compiled && mkdir .compiled
	cp -a $(COPIED) s4fw .compiled/
	find .compiled -name '*.so' -delete
	cd .compiled && S4FW_COMPILE=1 ../$(BIN)/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
	cd .compiled && ../$(BIN)/python -m zipfile --extract dist/*.whl .
	@touch $@

tests/sdk/node/node_modules/installed: tests/sdk/node/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "missing: node and npm (Debian: apt-get install nodejs npm)"; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { echo "missing: Node 20 or newer; found `node --version`"; exit 1; }
	cd tests/sdk/node && npm ci --silent --no-audit --no-fund
	@touch $@

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON) (Python 3.11 or newer)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "missing: Python 3.11 or newer; found `$(PYTHON) --version`. Set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: venv for $(PYTHON) (Debian: apt-get install python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { echo "missing: Python headers (Debian: apt-get install python3-dev)"; exit 1; }
	@command -v $${CC:-gcc} >/dev/null || { echo "missing: a C compiler (Debian: apt-get install gcc libc6-dev)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/built: .venv/bin/python setup.py $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/tested-with: .venv/built
	$(BIN)/python -m pip install --quiet --editable '.[test,load]'
	@touch $@

.venv/plots-with: .venv/tested-with
	$(BIN)/python -m pip install --quiet --editable '.[plot]'
	@touch $@

clean:
	rm -rf .venv .compiled .deploy .run build dist *.egg-info s4fw/ledger/_table.* s4fw/dialects/_json.*
