# flowkit: `make report` writes the three reports from the bundled logs; `make test` runs every check.
# Everything works from $(VENV), which these targets make. Needs Python 3.11 or newer, make, bash and a network to install from.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell .ci/python)
# Twice, since an index may fail to answer once.
PIP = pip_install() { $(BIN)/python -m pip install -qq --disable-pip-version-check "$$@"; }; pip_or_again() { pip_install "$$@" || pip_install "$$@"; }; pip_or_again
WORKERS ?= 2

.PHONY: help report test lint types tests extended notebooks format outputs lab bench clean

help:  ## this list
	@sed -nE 's/^([a-z]+):.*  ## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | column -t -s $$'\t' 2>/dev/null \
	  || sed -nE 's/^([a-z]+):.*  ## (.*)/make \1  \2/p' $(MAKEFILE_LIST)

report: $(VENV)/.core  ## set up (core only) and write the three reports from the bundled logs into reports/
	$(BIN)/flowkit report all sample: --out reports
	@echo "Open reports/index.html"

test: lint types tests notebooks  ## set up and run every check: lint, types, tests, notebooks, browser
	@cat $(VENV)/.browser.left-out 2>/dev/null || echo "Every check ran; nothing was left out but what make extended runs."

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev $(VENV)/.browser
	FLOWKIT_CHROMIUM="$$(cat $(VENV)/.browser)" $(BIN)/python -m pytest -p tests.left_out -n $(WORKERS) --dist loadfile --no-loadscope-reorder

extended: $(VENV)/.dev  ## run the tests that take minutes: a full bucket, hundreds of kills, a full disk, a true S3 server
	$(BIN)/python -m pytest -p tests.left_out -m extended -s

# The kernel is the virtual environment's own Python. Report notebooks carry no outputs, so there it only matters that every cell
# runs; the outputs stored in getting_started are compared.
NBVAL := $(BIN)/python -m pytest -p no:cacheprovider -q --nbval-current-env --nbval-cell-timeout=300
notebooks: $(VENV)/.dev
	$(NBVAL) --nbval-lax notebooks/security_review.ipynb notebooks/performance_analysis.ipynb notebooks/cost_review.ipynb
	$(NBVAL) --nbval --nbval-sanitize-with tests/notebooks/sanitize.cfg notebooks/getting_started.ipynb

format: $(VENV)/.dev  ## put code and notebooks into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout --keep-id notebooks/security_review.ipynb notebooks/performance_analysis.ipynb notebooks/cost_review.ipynb

# What running adds about the Python that ran it.
MACHINE := $(addprefix metadata.language_info.,codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer version)
outputs: $(VENV)/.dev  ## run getting_started.ipynb and store its outputs, after a change that shows in them
	$(BIN)/python -m nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False notebooks/getting_started.ipynb
	$(BIN)/nbstripout --keep-id --keep-output --keep-count --extra-keys '$(MACHINE)' notebooks/getting_started.ipynb

lab: $(VENV)/.lab  ## open JupyterLab on the notebooks
	$(BIN)/python -m jupyterlab --notebook-dir=notebooks $(LAB_FLAGS)

BENCH ?=
bench: $(VENV)/.bench  ## measure speed and memory beside others (BENCH=--quick: minutes; BENCH=--full: hours)
	$(BIN)/python -m benchmarks $(BENCH)

clean:  ## remove what the other targets made (data/raw stays)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find reports -mindepth 1 ! -name .gitkeep -delete
	find flowkit tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Each set-up has a stamp and is made again only when pyproject.toml changed.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "flowkit needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make virtual environments (Debian and Ubuntu: apt-get install python3-venv)." >&2; \
	  rm -rf $(VENV); exit 1; }

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.lab: $(VENV)/.core
	$(PIP) --editable '.[lab]'
	@touch $@

# What flowkit is measured beside; nothing else needs it.
$(VENV)/.bench: $(VENV)/.core
	$(PIP) 'polars>=1.30,<3' 'flowlogs-reader>=5,<6'
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.lab

# The browser tests need a Chromium, which pip cannot bring; .ci/browser finds or installs one, or says why not.
$(VENV)/.browser: $(VENV)/.dev .ci/browser
	.ci/browser $(BIN)/python $@
