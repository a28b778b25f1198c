# `make book` and `make test` are all that a newcomer needs; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
DATASET ?= digits
PROFILE ?= quick
# Left empty, each notebook (or the sweep) uses its own number.
TRIALS ?=
# Cells that `make verify` runs again.
SAMPLE ?=
# joblib's processes on this machine, or the address of a Dask scheduler.
SCHEDULER ?=

# Not what editors left there: `Untitled.ipynb`, `01_theory-Copy1.ipynb`.
NOTEBOOKS = $(shell ls notebooks | grep -E '^[0-9]{2}_[a-z0-9_]+\.ipynb$$' | sed 's|^|notebooks/|')

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TRIALS_OPTION = $(if $(TRIALS),--trials $(TRIALS))

# Targets share files and cores: each runs alone and in order, also under `make -j`.
.NOTPARALLEL:

# One thread a process, since trials, notebooks and tests run side by side. The kernel is the environment's own,
# whatever kernels the machine has besides.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export JUPYTER_PREFER_ENV_PATH := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
unexport JUPYTER_PATH

.PHONY: help env book chapters render test lint types unit notebooks rendered sweep verify bench outputs lab clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: $(STAMP) ## create .venv with the pinned versions

$(STAMP): pyproject.toml constraints.txt
	@echo 'Installing the pinned versions into $(VENV): a few minutes, and a few gigabytes for torch.'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[book,test,cluster,onnx]'
	@touch $@

book: chapters render ## execute the notebooks and render the book [DATASET= TRIALS= PROFILE=]

chapters: env
	$(BIN)/labelleak book --dataset '$(DATASET)' --profile '$(PROFILE)' $(TRIALS_OPTION)
	$(BIN)/labelleak pages

# --all: a page that was rendered with a warning before is rendered, and fails, again.
render: env
	$(BIN)/jupyter-book build --all -W -n --keep-going --config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output . book
	@echo 'The book: _build/html/index.html'

# A data set that is not at hand is skipped, never downloaded.
test unit notebooks: export LABELLEAK_OFFLINE := 1

# The chapters come before the notebooks' comparison: what they computed is then at hand, and no cell is slow enough
# to say so.
test: env ## run everything that CI runs
	+@bash .ci/steps lint unit chapters notebooks render,types rendered

lint: env ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: env ## check types
	$(BIN)/mypy

unit: env ## test the library with its docstrings' examples, the packaging and the notebook pairs
	$(BIN)/pytest -n 2 -m 'not rendered' --durations 20 --doctest-modules tests labelleak_lib

notebooks: env ## run every notebook and compare its stored outputs
	$(BIN)/pytest -p no:cacheprovider -n 2 --dist loadscope --nbval --nbval-current-env $(NOTEBOOKS)

rendered: env ## check the rendered book, also in a browser where there is one
	$(BIN)/pytest -n 2 -m rendered tests/authoring/test_rendered_book.py tests/authoring/test_browser.py

# glibc otherwise gives freed blocks of a few megabytes back to the system at once, and takes them anew at every step.
sweep: export MALLOC_MMAP_THRESHOLD_ := 33554432
sweep: export MALLOC_TRIM_THRESHOLD_ := 8589934592
sweep: env ## run the trials of a data set and store their records [DATASET= TRIALS= SCHEDULER=]
	$(BIN)/labelleak sweep --dataset '$(DATASET)' $(TRIALS_OPTION) $(if $(SCHEDULER),--scheduler '$(SCHEDULER)')

verify: env ## run a random sample of committed trials again and compare [SAMPLE=]
	$(BIN)/labelleak verify $(if $(SAMPLE),--sample '$(SAMPLE)')

# The peers' warnings are theirs.
bench: env ## time the library beside its peers and store what was measured
	$(PIP_INSTALL) -e '.[bench]'
	$(BIN)/pytest -p no:cacheprovider -W default tests/benchmarks --benchmark-json=out_bench.json
	$(BIN)/python tests/benchmarks/report.py out_bench.json

lab: env ## open JupyterLab
	$(PIP_INSTALL) -e '.[lab]'
	$(BIN)/jupyter lab

outputs: env ## run the notebooks at their defaults, and the examples, and store the outputs that tests compare
	$(BIN)/python -m labelleak_lib.authoring.outputs
	$(BIN)/python -m labelleak_lib.authoring.examples

clean: ## remove what was generated, but not the environment
	rm -rf _build book/chapters book/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
