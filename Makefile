# Each target sets up .venv first. TORCH chooses the build of PyTorch: see README, "Installing".
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check docs bench quality clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: pyproject.toml constraints.txt scripts/setup
	PYTHON="$(PYTHON)" TORCH="$(TORCH)" scripts/setup $(VENV)
	@touch $@

demo: $(VENV)/ready  ## train, measure and sample a character language model (three to five minutes)
	@$(BIN)/python scripts/demo.py

test: $(VENV)/ready  ## the tests
	@scripts/test

check: $(VENV)/ready  ## ruff, mypy, floors, examples in docstrings
	@scripts/check

docs: $(VENV)/ready  ## build the pages into docs/_build/html
	@scripts/docs

bench: $(VENV)/ready  ## layers beside torch.nn and other peers (half an hour; nothing else should run beside it)
	@$(BIN)/recurra bench

quality: $(VENV)/ready  ## long runs on real data; results in benchmarks/results
	@scripts/quality

clean:  ## remove the environment and everything built
	rm -rf $(VENV) docs/_build docs/reference/api build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
