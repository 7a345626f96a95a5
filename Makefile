# Two commands on a fresh machine: `make run` and `make test`. They need Python 3.11+ and make.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers

.PHONY: help run test unit coverage lint format faults fuzz bench bench-console bench-live scale screenshots release lock clean

help:  ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.run  ## Everything embedded, with live demo data (ARGS="--triggers 2000 --json", --fresh, --data DIR)
	@$(BIN)/trigger-worker run $(ARGS)

test: $(VENV)/.dev  ## The whole suite, as CI runs it
	@$(BIN)/python -m tests.suite $(ARGS)

faults: $(VENV)/.dev  ## Everything that may break, under load (ARGS="--seed N", --only WORDS, --json, --soak MINUTES)
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(VENV)/.fuzz  ## The decoder, guided by coverage (ARGS="--seconds 600")
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(VENV)/.dev  ## Throughput beside others, latency, growth, memory, costly jobs (ARGS=--json)
	@$(MAKE) -s $(PEERS)/.installed || echo "going on without other frameworks" >&2
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-live: $(VENV)/.dev  ## What viewers of the live page cost the worker (ARGS=--json)
	@$(BIN)/python -m tests.benchmarks.live $(ARGS)

bench-console: $(VENV)/.dev  ## The console's reads on 1,000,000 jobs and 10,000,000 records (ARGS=--json)
	@$(BIN)/python -m tests.benchmarks.console $(ARGS)

scale: $(VENV)/.dev  ## What 10,000 to 1,000,000 triggers a second need (ARGS=--write: into docs/scale.md)
	@$(BIN)/python -m tests.benchmarks.scale $(ARGS)

screenshots: $(VENV)/.dev  ## The pictures of the README, anew (needs Chromium)
	@$(BIN)/python -m tests.browser.screenshots

lint: $(VENV)/.dev  ## Only the static checks
	@$(BIN)/python -m tests.suite --static

format: $(VENV)/.dev  ## Put the code in form
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

unit: $(VENV)/.dev  ## The tests that need no service, in under a minute
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/unit $(ARGS)

coverage: $(VENV)/.dev  ## What the tests of pipeline, storage and preflight reach, with a floor
	@$(BIN)/python -m tests.newest --coverage

release: $(VENV)/.dev  ## Check version and changelog, build wheels and sdists into dist/ (uploads nothing)
	@$(BIN)/python -m tests.release

lock:  ## Resolve the dependencies again (needs uv)
	uv pip compile -q pyproject.toml --extra embedded -o locks/run.txt
	uv pip compile -q pyproject.toml --extra embedded --group dev -c locks/run.txt -o locks/dev.txt
	uv pip compile -q --group pyproject.toml:fuzz -c locks/dev.txt -o locks/fuzz.txt
	uv pip compile -q --group pyproject.toml:peers -o locks/peers.txt

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .venv-newest $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "1/2 making a virtual environment in $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: locks/run.txt pyproject.toml schemas/pyproject.toml | $(VENV)/bin/python
	@echo "2/2 installing dependencies (about 30 s, once)" >&2
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r locks/run.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e schemas -e .
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.run
	@echo "installing what tests need (about 15 s, once)" >&2
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r locks/dev.txt
	@touch $@

$(VENV)/.fuzz: locks/fuzz.txt $(VENV)/.dev
	@echo "installing the fuzzer (35 MB, once)" >&2
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r locks/fuzz.txt
	@touch $@

$(PEERS)/.installed: locks/peers.txt | $(VENV)/bin/python
	@echo "installing what make bench compares with, into $(PEERS) (about 40 s, once)" >&2
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes -r locks/peers.txt
	@touch $@
