# Needs python3.11 (with venv), make and git. Everything else is installed into .venv from requirements.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEFINITIONS := analytics_assets.definitions
# Further arguments of pytest, e.g. make test ARGS="-k pagination"
ARGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Bytecode halves the start of every Dagster process; an empty value lets Python write it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements.lock pyproject.toml
.venv-newest/.installed: requirements-newest.lock pyproject.toml
.venv/.installed .venv-newest/.installed:
	@echo "Installing $< into $(@D) (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"Python 3.11 is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=...")'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-compile --require-hashes -r $<
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# Packages carry templates that are no Python: what does not compile does not matter.
	@$(@D)/bin/python -m compileall -qq -j 0 $(@D)/lib || true
	@# Dagster makes its storage without a lock: runs that were the first, at once, would fail in each other's migrations.
	@# A newer Dagster makes none: its tables might be ones that .venv's cannot open.
	@[ $(@D) != .venv ] || DAGSTER_HOME="$(CURDIR)" $(BIN)/dagster instance info >/dev/null 2>&1
	@touch $@

.PHONY: install
install: .venv/.installed ## Set up .venv from requirements.lock; every other target does it when needed

.PHONY: demo
demo: .venv/.installed ## Load the sandbox API into a local warehouse and show what arrived
	@$(BIN)/python -m analytics_assets.commands.demo

.PHONY: dev
dev: .venv/.installed ## Open Dagster's UI, on the sandbox API unless a real one is configured
	@$(BIN)/python -m analytics_assets.commands.dev

.PHONY: cluster
cluster: .venv/.installed ## Run Dagster with workers, over RabbitMQ and PostgreSQL: FLEET=4 make cluster; docs/cluster.md has the rest
	@$(BIN)/python -m analytics_assets.commands.cluster

BASE_URL ?=
ENDPOINTS ?=
WRITE ?=
.PHONY: init
init: .venv/.installed ## Look at a vendor's API and write the settings that fit it, to review: make init BASE_URL=https://api.vendor.example
	@BASE_URL="$(BASE_URL)" ENDPOINTS="$(ENDPOINTS)" WRITE="$(WRITE)" $(BIN)/python -m analytics_assets.commands.init

DAY ?=
TO ?=
FULL ?=
.PHONY: load
load: .venv/.installed ## Load a day of the configured API, or a range: make load DAY=2025-01-03 TO=2025-02-05; FULL=1 loads all history
	@DAY="$(DAY)" TO="$(TO)" FULL="$(FULL)" $(BIN)/python -m analytics_assets.commands.load

# With VERBOSE=1 it is Dagster that runs the check or the estimate, and prints all of its log.
ALL_LOG := loggers: {console: {config: {log_level: DEBUG}}}
.PHONY: check
check: .venv/.installed ## Ask the configured API and warehouse whether they answer; fails when one does not; VERBOSE=1 shows the log
ifdef VERBOSE
	@$(BIN)/dagster job execute -m $(DEFINITIONS) -j check_connection -c <(echo '$(ALL_LOG)')
else
	@$(BIN)/python -m analytics_assets.commands.check
endif

START ?=
END ?=
.PHONY: estimate
estimate: .venv/.installed ## Say rows, requests and minutes of a backfill: make estimate START=2025-01-01 END=2025-12-31
ifdef VERBOSE
	@$(BIN)/dagster job execute -m $(DEFINITIONS) -j estimate \
	  -c <(echo '{$(ALL_LOG), ops: {estimate_every_endpoint: {config: {start: "$(START)", end: "$(END)"}}}}')
else
	@START="$(START)" END="$(END)" $(BIN)/python -m analytics_assets.commands.estimate
endif

ENDPOINT ?=
PAGE_SIZE ?=
FILE ?= capture.json
.PHONY: record
record: .venv/.installed ## Write what the configured API answers for a day, without key and data: make record DAY=2025-01-03 ENDPOINT=stories
	@DAY="$(DAY)" ENDPOINT="$(ENDPOINT)" PAGE_SIZE="$(PAGE_SIZE)" FILE="$(FILE)" $(BIN)/python -m analytics_assets.commands.record

.PHONY: report
report: .venv/.installed ## Write insights_report.html from what is in the warehouse: which days are there, what was measured
	@$(BIN)/python -m analytics_assets.commands.report

FROM ?=
.PHONY: move
move: .venv/.installed ## Copy a DuckDB file with its history into the configured PostgreSQL, and prove it alike: make move FROM=warehouse.duckdb
	@FROM="$(FROM)" $(BIN)/python -m analytics_assets.commands.move

.PHONY: test
test: .venv/.installed ## Run the tests; ARGS="-k name" goes to pytest, REQUIRE_ALL=1 forbids skips and runs the slow ones too
	@# Three on two cores: a third of the time that tests take is waiting for servers and other processes.
	@# What they write is committed to disk some ten thousand times: in memory, where there are 4 GB for it, that costs nothing.
	@room=$$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1 || true); \
	if [ "$${room:-0}" -gt 4000 ]; then export PYTEST_DEBUG_TEMPROOT=/dev/shm; fi; \
	$(BIN)/python -m pytest -n 3 --dist worksteal $(if $(REQUIRE_ALL),,-m 'not slow') $(ARGS)

# Where a newer Dagster, dlt or DuckDB would show first: definitions, loads, ticks, checks, what we change in dlt, and a fleet.
NEWEST := test_translator.py test_lost.py test_build.py test_assets.py test_jobs.py test_schedules.py sensors/test_stories.py \
  checks/test_results.py ingest/test_departures.py cluster/test_launcher.py cluster/test_fleet.py::test_a_run_is_terminated
.PHONY: newest
newest: .venv-newest/.installed ## Run some tests on requirements-newest.lock, in .venv-newest; ARGS=analytics_assets_tests runs all
	@$(MAKE) test BIN=.venv-newest/bin ARGS="$(or $(ARGS),-m '' $(NEWEST:%=analytics_assets_tests/%))"

# npm's own record of what is installed, written last: an install that was broken off begins anew.
DIRECTUS := analytics_assets_tests/vendors/directus
$(DIRECTUS)/node_modules/.package-lock.json: $(DIRECTUS)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed, with Node 18.17 or newer: apt-get install nodejs npm"; exit 1; }
	@echo "Installing Directus for its test (one to three minutes, 430 MB)"
	@# Nothing is compiled, and no package runs a script of its own.
	@npm ci --prefix $(DIRECTUS) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.PHONY: directus
directus: $(DIRECTUS)/node_modules/.package-lock.json ## Install the server of somebody else that a test starts; needs npm

AXE := analytics_assets_tests/ui/axe
$(AXE)/node_modules/.package-lock.json: $(AXE)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed: apt-get install nodejs npm"; exit 1; }
	@npm ci --prefix $(AXE) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.PHONY: axe
axe: $(AXE)/node_modules/.package-lock.json ## Install what a test looks for contrast and labels of the report with; needs npm

# A Python that has airbyte-cdk or singer-sdk, whose pins are not ours.
PEER_PYTHON ?= $(BIN)/python
.PHONY: bench
bench: .venv/.installed ## Measure against the seed config and write docs/performance.md; QUICK=1 tries small sizes
	@$(BIN)/python -m benchmarks.run --peer-python $(PEER_PYTHON) $(if $(QUICK),--quick)

.PHONY: docs
docs: .venv/.installed ## Write docs/data-dictionary.md from the endpoint table
	@$(BIN)/python -m analytics_assets.commands.dictionary

.PHONY: lint
lint: .venv/.installed ## Check style, format, types, definitions, and that no key or local path is in a file
	@echo "ruff check" && $(BIN)/ruff check --quiet
	@echo "ruff format" && $(BIN)/ruff format --check --quiet || { echo "Not formatted: run make format"; exit 1; }
	@echo "imports point down" && $(BIN)/lint-imports --no-logo --no-cache >.lint-imports || { cat .lint-imports; exit 1; }; rm -f .lint-imports
	@echo "mypy" && $(BIN)/mypy --no-error-summary
	@echo "dagster definitions validate" && $(BIN)/python -W ignore::FutureWarning -m dagster definitions validate --log-level error -m $(DEFINITIONS)
	@$(MAKE) --silent lint-leaks

# Tests and sandbox use made-up keys, so there only what looks like a real one counts.
MADE_UP := analytics_assets_tests analytics_assets/sandbox
# Passwords that stand in example addresses are none.
SCAN := $(BIN)/detect-secrets-hook --no-verify --exclude-secrets '^(\$$?password|unused|postgres|guest)$$'
.PHONY: lint-leaks
lint-leaks: .venv/.installed
	@echo "no key, registry address or path of a machine"
	@! git grep --untracked -nIE '/(work|farm|root|home|Users)/[A-Za-z]|/tmp/[a-z_]+/|https?://[^ "]*/simple|files\.[a-z]+hosted' -- .
	@git ls-files -z -co --exclude-standard -- . ':!requirements*.lock' $(MADE_UP:%=':!%') | xargs -0r $(SCAN)
	@# What earlier versions have written is full of dlt's digests, and what has made it looks for its key in it.
	@git ls-files -z -co --exclude-standard -- $(MADE_UP) ':!analytics_assets_tests/releases/*.sql' | xargs -0r $(SCAN) --disable-plugin KeywordDetector

.PHONY: format
format: .venv/.installed ## Format the code and apply the safe fixes
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

define AUDIT
import json, os, pathlib, sys
report, errors = (pathlib.Path(name).read_text() for name in sys.argv[1:])
found = json.loads(report or "{}").get("dependencies", [])
asked = [row for row in found if "skip_reason" not in row]
bad = [(row, vuln) for row in asked for vuln in row["vulns"]]
for row, vuln in bad:
    print(f"{row['name']} {row['version']}: {vuln['id']}, fixed in {', '.join(vuln['fix_versions']) or 'no release yet'}")
if bad:
    sys.exit(f"{len(bad)} known vulnerabilities in requirements.lock")
if asked:
    print(f"No known vulnerability in {len(asked)} of {len(found)} locked packages")
    sys.exit()
print("NOT AUDITED:", "the vulnerability database knew none of the packages" if found else errors.strip().split("\n")[-1])
sys.exit(os.environ.get("AUDIT_REQUIRED") == "1")
endef
export AUDIT

# pip-audit passes when its database answers for no package at all, so what it asked is counted here.
.PHONY: audit
audit: .venv/.installed ## Look the locked packages up among known vulnerabilities; out of reach, it says so and passes
	@echo "pip-audit"
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; touch "$$work/report"; \
	$(BIN)/pip-audit --disable-pip -r requirements.lock -f json -o "$$work/report" --progress-spinner off --timeout 10 \
	  2>"$$work/errors" || true; \
	$(BIN)/python -c "$$AUDIT" "$$work/report" "$$work/errors"

.PHONY: ci
ci: lint audit test ## All that must pass before a merge

COMPILE = $(BIN)/pip-compile --quiet --all-extras --generate-hashes --allow-unsafe --no-strip-extras --no-annotate --no-header \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
.PHONY: lock
lock: .venv/.installed ## Write requirements.lock anew from pyproject.toml; UPGRADE=1 takes the newest versions
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -o requirements.lock pyproject.toml

# dagster-embedded-elt has no release for a newer Dagster. Without it the exact versions of pyproject.toml are the least that will do.
.PHONY: lock-newest
lock-newest: .venv/.installed ## Write requirements-newest.lock: pyproject.toml at its newest, with dagster-dlt for dagster-embedded-elt
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	sed '/^  "/{s/-embedded-elt==/-dlt==/; s/==/>=/}' pyproject.toml >"$$work/pyproject.toml"; \
	$(COMPILE) --upgrade -o requirements-newest.lock "$$work/pyproject.toml"

.PHONY: clean
clean: ## Remove the environment, caches and build leftovers; data and Dagster's history stay
	@rm -rf .venv .venv-newest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info .tmp_dagster_home_*
	@find . \( -name __pycache__ -o -name .ruff_cache \) -type d -prune -exec rm -rf {} +
