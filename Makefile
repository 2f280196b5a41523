# Both of README's commands create .venv themselves and are quick when it is there already.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup fit test lint types format check ui clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/installed ## create .venv with qlit and the small body of the quick start

fit: $(VENV)/installed ## run the main job on the built-in sample (about a minute)
	$(BIN)/qlit fit --config configs/quickstart.yaml

test: $(VENV)/installed-dev ## run the whole test suite
	$(BIN)/python -m pytest

check: lint types ## lint and type check

lint: $(VENV)/installed-dev ## check formatting and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed-dev ## check types
	$(BIN)/mypy

format: $(VENV)/installed-dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui: $(VENV)/installed ## serve the runs kept under mlruns/ in MLflow's UI on port 5000
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db --port 5000

clean: ## remove .venv and caches; runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "qlit needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing qlit and what it needs into $(VENV); the first time takes a few minutes"
	$(INSTALL) --editable '.[quickstart]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) --editable '.[quickstart,dev]'
	@touch $@
