# Gridcircle: `make demo` shows it, `make test` proves it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term:skip-covered
COMPOSE := $(BIN)/docker-compose

.PHONY: help demo test setup system lint format types compose-check pytest explore bench lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: system $(VENV)/installed ## Set up, load a city, start the service (EXTRACT=, STATIONS=, PLACE=, PORT=)
	@exec $(BIN)/gridcircle demo --port $(PORT) \
	  $(if $(EXTRACT),--extract "$(EXTRACT)") $(if $(STATIONS),--stations "$(STATIONS)") $(if $(PLACE),--place "$(PLACE)")

test: setup lint types compose-check pytest ## Set up, then lint, types, compose file and all tests

setup: system $(VENV)/installed ## Install everything the product and its tests need
	@.ci/system browser fonts

system:
	@.ci/system python database

# A stamp inside the environment: made anew when the lock or the package list changes.
$(VENV)/installed: requirements.lock pyproject.toml
	@echo "  Setting up Python packages in $(VENV)"
	@python=$$(.ci/system which-python) && { [ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || $$python -m venv --clear $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lint: $(VENV)/installed ## Lint and format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed ## Format and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/installed ## Static types: strict on geo/
	$(BIN)/mypy

compose-check: $(VENV)/installed ## Check docker-compose.yml with Compose's own parser
	@POSTGRES_PASSWORD=check $(COMPOSE) --file docker-compose.yml config --quiet && echo "  docker-compose.yml is valid"

pytest: $(VENV)/installed
	$(BIN)/pytest $(PYTEST_ARGS)

explore: $(VENV)/installed ## Run the property tests with new examples, not those of every run
	$(BIN)/pytest -n auto -m hypothesis --hypothesis-profile=explore

bench: setup ## Run the benchmarks against the peers and write benchmarks/RESULTS.md
	benchmarks/run

lock: ## Resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  pyproject.toml --group dev --output-file requirements.lock

clean: ## Remove the environment and caches; keeps .gridcircle (your data)
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
