# One set of commands, by hand and in CI. Each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint types imports format pytest bench firmware apt clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(STAMP): pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)   ## a whole upgrade on the emulated board, cut once and carried on
	$(BIN)/python -m mcu_updater demo

test: lint types imports pytest  ## everything that must be green

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

pytest: $(STAMP)
	$(BIN)/pytest -n auto

format: $(STAMP) ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## wall time, flash operations per second, peak memory, profile
	$(BIN)/python benchmarks/update.py

firmware:        ## rebuild fixtures/ from C (needs arm-none-eabi-gcc: make apt)
	$(MAKE) -C fixtures/firmware

apt:             ## optional Debian packages: cross compiler and independent image tools
	apt-get install -y gcc-arm-none-eabi srecord

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
