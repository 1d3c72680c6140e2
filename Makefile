# Two commands do everything: `make demo` runs the product, `make test` runs the tests. Both install what is missing.

PYTHON ?= python3
VENV := .venv
ENV ?= local
INV := $(VENV)/bin/inv
STAMP := $(VENV)/.installed

.PHONY: help demo test lab check lab-up lab-down clean distclean

help:
	@echo 'make demo              ship the demo product on this machine, update it, break it, roll it back'
	@echo 'make demo ENV=staging  the same over SSH, on a lab host with its own engine and a registry'
	@echo 'make test              all tests: unit tests first, then those on a real engine, registry and hosts'
	@echo 'make check             lint, types, imports and unit tests: what a commit needs'
	@echo 'make clean             remove everything that the above made, except caches; distclean: these too'

$(STAMP): pyproject.toml examples/demo-repo/requirements-dev.txt $(wildcard examples/demo-repo/*/requirements.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.13")'
	@echo 'installing into $(VENV): shiptasks, what its tests need, what the demo product needs'
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --upgrade pip
	@$(VENV)/bin/python -m pip install --quiet --compile --editable . --group dev --requirement examples/demo-repo/requirements-dev.txt
	@touch $@

demo: $(STAMP)
	$(INV) demo --env=$(ENV)

check: $(STAMP)
	$(INV) check --only=ruff,format,types,imports,unit

test: lab
	$(INV) check --only=ruff,format,types,imports,unit
	$(INV) check --only=lab

# Where the lab cannot be had, its tests are skipped, each with the reason; SHIPTASKS_LAB=required makes that a failure.
lab: $(STAMP)
	@$(VENV)/bin/python -m tests.lab up --hosts=2 || [ "$$SHIPTASKS_LAB" != required ]

lab-up lab-down: $(STAMP)
	$(INV) $(subst -,.,$@)

clean:
	@if [ -x $(INV) ]; then $(INV) demo.clean; fi
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov

distclean: clean
	@if [ -x $(INV) ]; then $(INV) lab.down --all; fi
	rm -rf $(VENV) .shiptasks
