# Two commands to know: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
# Further arguments for pip, for instance an index of your own.
PIP_FLAGS ?=
# Further arguments for pytest, for instance ARGS="-k union".
ARGS ?=
# Further arguments for Sphinx.
DOCS ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The many processes that tests start would each compile the package anew: six seconds each.
unexport PYTHONDONTWRITEBYTECODE

BIN := $(VENV)/bin
SOURCES := adestim tests examples benchmarks setup.py
COMMA := ,
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# torch and adestim in one call, so that pip settles on the tested torch at once.
define install
	@echo "Installing adestim[$(1)] into $(VENV) (a dot a package; one to three minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) \
		--constraint constraints.txt --editable '.[$(1)]' \
		| awk '/^(Collecting|Processing)/ { printf "."; fflush() } \
		       /^Installing collected/ { printf "\nUnpacking\n"; fflush() }'
	@touch $@
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "Python was not found as '$(PYTHON)'. Install Python 3.11 or later, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "adestim needs Python 3.11 or later; '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1). Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -m venv "$(VENV)" || { \
		echo "The virtual environment could not be made. On Debian and Ubuntu: install python3-venv." >&2; exit 1; }

$(VENV)/.demo: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(call install,plot)

$(VENV)/.develop: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(call install,test$(COMMA)lint)

$(VENV)/.doc: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(call install,doc)

.PHONY: demo
demo: $(VENV)/.demo ## Set up, then run the main job on a simulated cohort
	$(BIN)/python examples/demo.py

.PHONY: test
test: lint ## Set up, lint and run every test
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

.PHONY: lint
lint: $(VENV)/.develop ## Style, layers, signatures, spelling
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/codespell

.PHONY: format
format: $(VENV)/.develop ## Let ruff repair what it can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.PHONY: docs
docs: $(VENV)/.doc ## Set up, then build the site (quickly: DOCS="-D plot_gallery=0")
	$(BIN)/python -m sphinx -b html -W --keep-going $(DOCS) docs docs/_build/html
	@echo "The site: docs/_build/html/index.html"

.PHONY: bench
bench: $(VENV)/.develop ## Run the benchmarks, one after the other
	@for name in ad_data simulated paper_tables backbones genetics scale folds_together cohorts; do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

.PHONY: clean
clean: ## Remove caches and what the demo wrote; the environment stays
	rm -rf build dist *.egg-info demo_output .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache docs/_build docs/auto_examples docs/generated
	find adestim tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
