# `make demo` shows Zoo at work, `make test` runs the tests. Each sets up .venv, and nothing elsewhere.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PACKAGES := core $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
PACKAGE_FILES := $(addsuffix /pyproject.toml,$(PACKAGES))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(if $(filter core,$(package)),"./core[all]",./$(package)))
# One thread each: workers that compute on all cores at once wait for each other.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test heavy exhaustive stress lint types manifests bench docs release clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## Classify and extract features from real images; pictures land in demo-output/
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## Run the tests of every package and across packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not heavy and not exhaustive"

heavy: $(VENV)/.dev  ## Run the tests that take minutes, such as full parity with timm and torchvision
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m heavy

exhaustive: $(VENV)/.dev  ## Run the tests that take half an hour: every architecture of the bridged libraries, timm's own tests, and libraries that use timm
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m exhaustive

stress: $(VENV)/.dev  ## Try hostile files, servers, names, plugins, disks and interruptions at random, and write docs/security.md (long)
	OMP_NUM_THREADS=1 PYTHONPATH=tests:core/tests $(BIN)/python -m stress --files 100000 --names 2000 --commands 1000 \
		--transfers 875 --disks 1000 --clocks 500 --proxies 500 --plugins 100 --interrupts 105 --images 5000 \
		--rounds 10000 --write

lint: $(VENV)/.dev  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types, strictly
	$(BIN)/mypy

manifests: $(VENV)/.dev  ## Write every family's manifest from its tables (bridges: plugins/*/tools)
	for manifest in $$(grep -L '^"bridge"' plugins/*/src/*/models.json); do $(BIN)/zoo manifest $$(basename $$(dirname $$manifest)) || exit 1; done

bench: $(VENV)/.bench  ## Measure against timm and torchvision, and write docs/benchmarks (BENCH=short: ten minutes)
	$(BIN)/python benchmarks/run.py $(if $(filter short,$(BENCH)),--short) $(if $(ROUNDS),--rounds $(ROUNDS))

docs: $(VENV)/.docs  ## Build the site of the documents into site/; a warning is an error
	$(BIN)/python tools/site.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

release: $(VENV)/.release  ## Build, check and try the packages of a release; they land in dist/
	$(BIN)/python tools/release.py

clean:  ## Remove the files that the other targets made
	rm -rf $(VENV) demo-output dist site

$(BIN)/python:
	@echo "Setting up $(VENV) (the first time downloads PyTorch and takes a few minutes) ..."
	$(PYTHON) -m venv --upgrade-deps $(VENV)

# A change of a package's metadata needs a new install; a change of its code does not.
$(VENV)/.demo: $(BIN)/python constraints.txt $(PACKAGE_FILES)
	@echo "Installing the packages of this repository into $(VENV) ..."
	$(PIP) torch $(EDITABLE) scikit-learn
	@touch $@

$(VENV)/.dev: $(VENV)/.demo pyproject.toml
	@echo "Installing the development dependencies into $(VENV) ..."
	$(PIP) --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.demo pyproject.toml
	$(PIP) --group bench
	@touch $@

$(VENV)/.docs $(VENV)/.release: $(VENV)/.%: $(VENV)/.dev
	$(PIP) --group $*
	@touch $@
