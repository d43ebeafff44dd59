# Needs: python3 (3.11 or newer) with venv, make. Every target ends with one line of help.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
BIN := $(VENV)/bin
# A process for each processor and one more, since browser tests mostly wait; a file's tests stay together, since they
# share what they have set up. In the order of the folders the slow browser tests come first and nobody waits for them.
WORKERS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
PYTEST := $(BIN)/python -m pytest -p tests.reporting -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TODOKE_BASE_URL ?= http://127.0.0.1:$(PORT)

.PHONY: help demo run test soak lint fmt bench tools clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.runtime ## try it: a demo installation on http://127.0.0.1:5000 (PORT=… for another)
	@TODOKE_BASE_URL=$(TODOKE_BASE_URL) $(BIN)/flask demo
	@TODOKE_BASE_URL=$(TODOKE_BASE_URL) exec $(BIN)/flask run --port $(PORT)

run: $(VENV)/.runtime ## start the site as it is, without demo people (PORT=… for another port)
	@TODOKE_BASE_URL=$(TODOKE_BASE_URL) exec $(BIN)/flask run --port $(PORT)

test: $(VENV)/.dev tools ## everything the tests need, and the tests, long proofs in a small size
	$(PYTEST) $(PYTEST_ARGS)

soak: $(VENV)/.dev tools ## the same tests with every proof in its full size, and the figures they found
	TODOKE_SOAK=1 $(PYTEST) $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff check, ruff format --check, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/.dev ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev tools ## one JSON line per speed goal
	$(BIN)/python -m bench $(BENCH)

tools: ## the Debian programs and the accessibility checker that tests start
	@scripts/debian_packages.sh
	@scripts/fetch_axe.sh

clean: ## remove what make made; instance/ stays
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/vendor

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Todoke needs Python 3.11 or newer.")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt deploy/requirements.txt requirements.txt | $(BIN)/python
	$(PIP) -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
