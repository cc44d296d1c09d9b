# What a newcomer types. `make` alone explains itself.
PYTHON ?= python3
PORT ?= 8000
SIMULATOR_PORT ?= 9000
FLEET ?= 2000
DATA_DIR ?= var
DATABASE ?= postgres
BARS ?=
KEEP ?=
WALK ?=
SEED ?= 1
SCALE ?= 1
CASES ?= 10000
SMARTHUB_BASE_URL ?=
SMARTHUB_API_KEY ?=
export PORT SIMULATOR_PORT FLEET DATA_DIR SMARTHUB_BASE_URL SMARTHUB_API_KEY

BIN := .venv/bin/python
# More than a machine for tests has cores: tests wait for servers and for time to pass as much as they compute.
PYTEST := $(BIN) -m pytest -n 4 --dist worksteal
PACKAGES := benchmarks chaos core demo notifications operations simulator sims smarthub smarthub_portal sms staff tests conftest.py manage.py
# What a production start asks for, invented; nothing listens there and nothing is called.
PRODUCTION := env PORTAL_MODE=production DATA_DIR=.production-check DATABASE_URL=sqlite://:memory: \
	SECRET_KEY=$$($(BIN) -c 'import secrets; print(secrets.token_urlsafe(60))') ALLOWED_HOSTS=portal.example \
	REDIS_URL=redis://valkey.example:6379/0 SMARTHUB_BASE_URL=https://carrier.example/v1 SMARTHUB_API_KEY=none

.DEFAULT_GOAL := help
.PHONY: help demo test test-databases test-sqlite test-browser test-postgres check format bench bench-small chaos fuzz lock sbom observatory clean

help:
	@echo "make demo     the whole portal with a simulated carrier, in the foreground"
	@echo "              PORT=$(PORT) SIMULATOR_PORT=$(SIMULATOR_PORT) FLEET=$(FLEET) DATA_DIR=$(DATA_DIR)"
	@echo "              SMARTHUB_BASE_URL=… SMARTHUB_API_KEY=…  for another carrier than the simulator"
	@echo "make test     every test: on SQLite, in a browser, on PostgreSQL"
	@echo "              (make test-sqlite, test-browser, test-postgres for one of them)"
	@echo "make check    lint, format, types, layers, templates, settings, migrations, known vulnerabilities"
	@echo "make format   bring every file into the agreed format"
	@echo "make bench    how the pages do with a large fleet, against references, in one run (docs/performance.md)"
	@echo "              FLEET=1000000 DATABASE=$(DATABASE) BARS=1,2 KEEP=directory WALK=100000 ARGS=…"
	@echo "make bench-small  a minute with 20,000 SIMs and loose bounds: what a submission must pass"
	@echo "make chaos    everything breaks at once, then nothing may be lost or doubled (docs/reliability.md)"
	@echo "              SEED=$(SEED) SCALE=$(SCALE) ARGS=…"
	@echo "make fuzz     hostile forms, pushes, files and answers of the carrier (docs/security.md)"
	@echo "              CASES=$(CASES) TEST_DATABASE=sqlite ONLY=/sims/ (the addresses that begin so)"
	@echo "make lock     write the lock files after a change of requirements*.txt (docs/dependencies.md)"
	@echo "              ARGS=--upgrade  the newest of what is not pinned by name"
	@echo "make sbom     dist/smarthub-portal.cdx.json: what a release consists of"
	@echo "make observatory  the Mozilla HTTP Observatory's tests against a start as in production (docs/security.md)"
	@echo "make clean    remove the virtual environment and caches; the demo's data stays"

# The stamp is older than the lock: install. An install that was broken off leaves no stamp. The lock names all there is
# to install, so nothing is resolved, and a file with another content than the one locked is refused.
INSTALL = $(BIN) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --requirement

.venv/installed: requirements.lock
	@echo "Installing $< into .venv; the first time takes a minute or two."
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv
	@$(INSTALL) $<
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	@echo "Installing $< into .venv."
	@$(INSTALL) $<
	@touch $@

# exec: a signal to make's child is a signal to the demo itself.
demo: .venv/installed
	@exec $(BIN) -m demo

# All three run, and one that failed fails the whole. The browser, which waits more than it computes, beside the others;
# what each has to say comes when it is over.
test: .venv/installed-dev
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target test-browser test-databases

test-databases: .venv/installed-dev
	@status=0; \
	$(MAKE) --no-print-directory test-sqlite || status=1; \
	$(MAKE) --no-print-directory test-postgres || status=1; \
	exit $$status

test-sqlite: .venv/installed-dev
	@echo "The suite on SQLite"
	@TEST_DATABASE=sqlite $(PYTEST) -m "not browser" $(ARGS)

test-browser: .venv/installed-dev
	@if $(BIN) -m tests.browser.chromium; then $(BIN) -m pytest tests/browser $(ARGS); fi

test-postgres: .venv/installed-dev
	@echo "The suite on PostgreSQL: all that asks for a database"
	@TEST_DATABASE=postgres $(PYTEST) -m "not browser and not demo" $(ARGS)

check: .venv/installed-dev
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy $(wildcard $(PACKAGES))
	.venv/bin/lint-imports
	find templates -name '*.html' -print0 | xargs -0 .venv/bin/djade --target-version 5.2 --check
	@echo "$(BIN) manage.py check --deploy --fail-level WARNING    (settings of production)"
	@$(PRODUCTION) $(BIN) manage.py check --deploy --fail-level WARNING
	@echo "$(BIN) manage.py makemigrations --check --dry-run"
	@$(PRODUCTION) $(BIN) manage.py makemigrations --check --dry-run
	$(BIN) .ci/audit.py

format: .venv/installed-dev
	$(BIN) -m ruff check --fix .
	$(BIN) -m ruff format .
	find templates -name '*.html' -print0 | xargs -0 .venv/bin/djade --target-version 5.2

# FLEET is the demo's otherwise, whose default is small: only one that was asked for counts here.
bench: .venv/installed-dev
	@exec $(BIN) -m benchmarks --fleet $(if $(filter file,$(origin FLEET)),1000000,$(FLEET)) --database $(DATABASE) \
		$(if $(BARS),--bars $(BARS)) $(if $(KEEP),--keep $(KEEP)) $(if $(WALK),--walk $(WALK)) $(ARGS)

bench-small: .venv/installed-dev
	@exec $(BIN) -m benchmarks --small $(if $(BARS),--bars $(BARS)) $(ARGS)

chaos: .venv/installed-dev
	@exec $(BIN) -m chaos --seed $(SEED) --scale $(SCALE) $(ARGS)

fuzz: .venv/installed-dev
	@FUZZ_CASES=$(CASES) FUZZ_ONLY='$(ONLY)' $(BIN) -m pytest tests/fuzz -q -s --timeout 0 --show-capture=no --log-level=CRITICAL $(ARGS)

# All platforms and Python versions, and every file of each release: who installs elsewhere finds the hash of theirs.
# pip is there before anything is installed.
LOCK = $(BIN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package pip \
	--custom-compile-command "make lock" $(ARGS)

lock: .venv/installed-dev
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock

sbom: .venv/installed-dev
	@mkdir -p dist
	$(BIN) -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file dist/smarthub-portal.cdx.json

observatory: .venv/installed-dev
	@exec $(BIN) -m benchmarks.observatory $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
