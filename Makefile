# The one list of commands: people, .ci/run and the workflow all use it. `make` alone prints it.
# Everything happens in .venv, which `setup` makes and which is made anew when what it is made from has changed.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/made-from-lock
LOG := $(VENV)/last-stage.log
CLIENTS := tests/collector/clients_js
PEERS := benchmarks/peers
SPARK := $(VENV)/spark-from-lock
STAMPS := $(CLIENTS)/node_modules/made-from-lock $(PEERS)/node_modules/made-from-lock
PYTHONS := $(or $(WAYBILL_PYTHON),python3.13 python3.12 python3.11 python3)
# Many tests wait for a clock or another process, so half as many workers again as there are cores; each takes 0.5 GB.
WORKERS = $(shell $(BIN)/python -c 'import os; print(min(4, -(-3 * (os.cpu_count() or 1) // 2)))')
# Tests start some hundred processes, which would compile every module anew on a machine that writes no byte code.
export PYTHONDONTWRITEBYTECODE :=
UPGRADE :=
ROWS :=
# A worker that has nothing left takes tests from another: some tests take ten seconds, and most none.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
NODE := $(BIN)/python -m tests.node

# stage(words, command): one line while all is well, the command's whole output when it fails.
define stage
printf '%-22s' '$(1)'; if $(2) >$(LOG) 2>&1; then echo ok; else echo FAILED; cat $(LOG); exit 1; fi
endef

.PHONY: help setup demo demo-scale spark test test-all lint node bench bench-check bench-page format docs lock clean
.SILENT:
.DELETE_ON_ERROR:
.NOTPARALLEL:

help: ## this list
	sed -nE 's/^([a-z-]+):.*## /  make \1\t/p' Makefile | expand -t 20

setup: $(STAMP) ## .venv with the locked packages and the engine itself (WAYBILL_PYTHON=python3.12 chooses another Python)

demo: $(STAMP) ## what the shipped mappings make of the samples, then the whole way into emulated vendors
	$(BIN)/python samples/demo.py

demo-scale: $(STAMP) ## an outbox on three NATS servers, several collectors and workers, and some of them killed; no root
	$(BIN)/python samples/demo_scale.py

test: node lint ## linters, types, and every test that is not slow
	$(PYTEST) -m 'not slow'

test-all: node lint $(SPARK) $(PEERS)/node_modules/made-from-lock bench-check ## the same with the slow tests, and bench-check
	$(PYTEST) --hypothesis-profile=all

lint: $(STAMP) ## ruff (rules and layout) and mypy --strict
	$(call stage,ruff check,$(BIN)/ruff check .)
	$(call stage,ruff format --check,$(BIN)/ruff format --check .)
	$(call stage,mypy --strict engine,$(BIN)/mypy)

node: $(CLIENTS)/node_modules/made-from-lock ## the JavaScript libraries and the browser that the collector is tested with
	$(call stage,a browser,$(NODE) $(CLIENTS)/chromium.mjs)

spark: $(SPARK) ## Apache Spark and a Java for it, which test-all needs: 500 MB

bench: $(PEERS)/node_modules/made-from-lock ## one table of speed, with peers from npm (ROWS=plan,start: only these rows)
	$(BIN)/python -m benchmarks --rows '$(ROWS)'

bench-check: $(STAMP) ## whether planning takes more instructions than before, counted by valgrind; for busy machines too
	$(BIN)/python -m benchmarks.instructions

bench-page: $(PEERS)/node_modules/made-from-lock ## measure all of it, for docs/performance.md; wants a quiet machine
	$(BIN)/python -m benchmarks --page

format: $(STAMP) ## put the code into its layout
	$(BIN)/ruff check --fix --show-fixes .
	$(BIN)/ruff format .

docs: $(STAMP) ## rewrite the pages and the part of a schema that are made from the code
	$(BIN)/python -m engine.reference

lock: $(STAMP) ## write requirements.lock from pyproject.toml; keeps versions that still fit (UPGRADE=--upgrade: newest)
	UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --extra server --extra console --extra author --extra audiences --extra lsp --extra mcp --extra nats --group dev --output-file requirements.lock pyproject.toml
	UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --constraint requirements.lock --extra spark --group spark --output-file requirements-spark.lock pyproject.toml

clean: ## remove everything that was made here, .venv too
	rm -rf $(VENV) $(CLIENTS)/node_modules $(PEERS)/node_modules dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# A name on PATH proves little: a version manager's stand-in may refuse to run, and Debian ships python3 without venv.
$(BIN)/python:
	for python in $(PYTHONS); do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			printf '%-22s%s\n' 'new $(VENV)' "$$($$python --version)"; exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo 'waybill needs Python 3.11 or later with its venv module; none of these is one: $(PYTHONS)' >&2; \
	echo '  Debian, Ubuntu: apt-get install python3 python3-venv    macOS: brew install python' >&2; \
	echo '  A Python that is not on PATH: make setup WAYBILL_PYTHON=/path/to/python3' >&2; exit 1

$(STAMP): requirements.lock pyproject.toml $(BIN)/python
	$(call stage,locked packages,$(BIN)/python -m pip install --require-hashes -r requirements.lock)
	$(call stage,the engine itself,$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .)
	touch $@

$(SPARK): requirements-spark.lock $(STAMP)
	$(call stage,Apache Spark,$(BIN)/python -m pip install --require-hashes -r requirements-spark.lock)
	touch $@

$(STAMPS): %/node_modules/made-from-lock: %/package.json %/package-lock.json %/.npmrc | $(STAMP)
	$(call stage,npm packages,$(NODE) npm --prefix $* ci)
	touch $@
