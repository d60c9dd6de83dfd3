# Everything runs in .venv, which is made on first use and brought up to date when pyproject.toml changes.
#   PYTHON=python3.13    the interpreter to make it with; another version makes it anew
#   ARGS="..."           more arguments for the program that a target runs
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint format bench bench-full gpu clean

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

python := $(VENV)/bin/python
version := $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
environment := $(VENV)/.python-$(version)
oldest_python := import sys; sys.version_info >= (3, 11) or sys.exit("gpunet needs Python 3.11 or newer: set PYTHON")

help:
	@echo 'make demo     train a network on handwritten digits'
	@echo 'make test     run the tests;      ARGS="-k conv" for some of them'
	@echo 'make kernels-full   compile every CUDA kernel for every architecture'
	@echo 'make lint     check style and types'
	@echo 'make format   bring the style in order'
	@echo 'make bench    time it against the libraries in .venv, in minutes; and bench-full in hours'
	@echo 'make gpu      prove and time the GPU path on the GPU of this machine'
	@echo 'make clean    remove .venv and everything else that was made'

demo: $(VENV)/.extra-viz
	$(VENV)/bin/gpunet demo $(ARGS)

test: $(VENV)/.extra-test
	$(python) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup $(ARGS)

kernels-full: $(VENV)/.extra-test
	GPUNET_ARCHITECTURES="sm_75 sm_80 sm_90" $(python) -m pytest tests/cuda/test_compile.py $(ARGS)

lint: $(VENV)/.extra-lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(python) -m mypy
	$(VENV)/bin/hadolint docker/Dockerfile.*

format: $(VENV)/.extra-lint
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.extra-bench
	$(python) -m benchmarks $(ARGS)

bench-full: $(VENV)/.extra-bench
	$(python) -m benchmarks --full $(ARGS)

# On the interpreter at hand: a machine with CuPy and a GPU may have neither pip nor a network.
gpu:
	"$(PYTHON)" -m benchmarks.gpu $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only an environment that was made here is cleared: VENV may name a folder of the user's.
$(environment):
	@"$(PYTHON)" -c '$(oldest_python)'
	"$(PYTHON)" -m venv $(if $(wildcard $(VENV)/.python-*),--clear) $(VENV)
	@touch $@

$(VENV)/.extra-%: pyproject.toml setup.py $(environment)
	$(python) -m pip install --quiet --editable '.[$*]'
	@touch $@
