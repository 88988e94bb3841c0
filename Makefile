# Everything sets itself up: a fresh clone needs Python >= 3.11 and make, nothing else.
#
#   make verify   the whole gate: builds, inspects and runs the images, one verdict, evidence in build/verify/
#   make test     the project's tests

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# `engine run` gives a command the engine that answers: the user's own, or the private one in the cache folder.
ENGINE := scripts/engine run --
PYTEST := $(BIN)/python -m pytest
# Which local image stands in for which pinned one; an empty list where a registry answers.
export DOCKPROOF_STAND_INS := $(CURDIR)/build/stand-ins.json
OVERRIDE := build/compose.stand-ins.json
COMPOSE = $(ENGINE) docker compose --project-directory . --file compose.yaml --file $(OVERRIDE)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp that is older than a lock means: install again. The interpreter is checked first, with a sentence.
$(VENV)/.ready: requirements/gate.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "dockproof needs Python >= 3.11; '$(PYTHON)' is $$($(PYTHON) --version). Set PYTHON=..." >&2; exit 2; }
	@echo "set-up: installing the locked requirements into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q policies/dockproof
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## install the locked requirements into .venv

.PHONY: engine
engine: setup ## make an engine and the base images ready (uses yours where one answers)
	@scripts/engine up
	@mkdir -p build
	@$(ENGINE) scripts/stand-ins ensure --output $(DOCKPROOF_STAND_INS) --override $(OVERRIDE)

.PHONY: up
up: engine ## run the backend on http://localhost:8000 (docker compose up, from stand-ins where need be)
	@$(COMPOSE) up --build --detach --wait

.PHONY: down
down: setup ## stop the backend; its data stays
	@$(COMPOSE) down

.PHONY: verify
verify: engine ## the whole gate on compose.yaml; evidence in build/verify/
	@$(ENGINE) $(BIN)/dockproof verify

# Three processes on two processors: what asks containers waits more than it works. conftest.py says in what order.
.PHONY: test
test: engine lint ## the project's tests, engine tests included
	@$(ENGINE) $(PYTEST) --require-engine --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: faults
faults: engine ## harm the running stack in every way, and print what was lost
	@$(ENGINE) $(PYTEST) -m faults --require-engine tests/faults

.PHONY: test-fast
test-fast: setup ## the tests that need no engine
	@$(PYTEST) -m "not engine and not slow" -n auto tests

.PHONY: lint
lint: setup ## ruff and mypy over everything
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy

.PHONY: prove
prove: setup ## kill every source mutant and print the matrix
	@$(BIN)/dockproof prove

.PHONY: fuzz
fuzz: setup ## the long differential run against BuildKit's parser
	@DOCKPROOF_FUZZ=20000 $(PYTEST) -q tests/facts -k fuzz

.PHONY: bench
bench: engine ## measure, as ratios in one run
	@$(ENGINE) $(BIN)/python -m bench

.PHONY: bench-images
bench-images: engine ## build and measure our images beside the first draft's (5 minutes)
	@$(ENGINE) $(BIN)/python -m bench our_images

.PHONY: docs
docs: setup ## write the generated pages again
	@$(BIN)/python -m dockproof.report.pages

.PHONY: wheel
wheel: setup ## build the wheel into dist/
	@$(BIN)/python -m build --quiet --no-isolation --wheel

.PHONY: clean-engine
clean-engine: ## remove the private engine, its processes and its data
	@scripts/engine clean

.PHONY: clean
clean: ## remove what the targets above wrote, the engine aside
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
