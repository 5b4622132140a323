# `make demo` runs the main job, `make test` the tests. Each sets up what it needs in .venv, and nothing elsewhere.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PACKAGES := core $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
PACKAGE_FILES := $(addsuffix /pyproject.toml,$(PACKAGES))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(if $(filter core,$(package)),"./core[all]",./$(package)))
# One thread each: workers that compute with all cores at once only wait for each other.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test heavy lint types manifests clean

help:  ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## Classify and extract features from real images; pictures land in demo-output/
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## Run the tests of every package, and those across packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not heavy"

heavy: $(VENV)/.dev  ## Run the tests that take minutes: whole parity with the peers
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m heavy

lint: $(VENV)/.dev  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types, strictly
	$(BIN)/mypy

manifests: $(VENV)/.dev  ## Write every plugin's manifest from its tables
	for manifest in plugins/*/src/*/models.json; do $(BIN)/zoo manifest $$(basename $$(dirname $$manifest)) || exit 1; done

clean:  ## Remove what the other targets made
	rm -rf $(VENV) demo-output

$(BIN)/python:
	@echo "Setting up $(VENV) (the first time downloads PyTorch and takes a few minutes) ..."
	$(PYTHON) -m venv --upgrade-deps $(VENV)

# An editable install is renewed when a package's metadata changes; its code needs no reinstall.
$(VENV)/.demo: $(BIN)/python constraints.txt $(PACKAGE_FILES)
	@echo "Installing the packages of this repository into $(VENV) ..."
	$(PIP) torch $(EDITABLE) scikit-learn
	@touch $@

$(VENV)/.dev: $(VENV)/.demo pyproject.toml
	@echo "Installing what development needs into $(VENV) ..."
	$(PIP) --group dev
	@touch $@
