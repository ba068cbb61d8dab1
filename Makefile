# Two commands: `make demo` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8420

.PHONY: demo test check lint lock clean preflight

preflight:
	@command -v $(PYTHON) >/dev/null || { echo "tillwise needs Python 3.11 or newer. Debian/Ubuntu: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tillwise needs Python 3.11 or newer, this is $$($(PYTHON) -V). Point make at one: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Debian/Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || [ "$$(uname)" != Linux ] || { echo "libgomp is missing (LightGBM needs it). Debian/Ubuntu: sudo apt-get install libgomp1"; exit 1; }

$(BIN)/python:
	@$(MAKE) --no-print-directory preflight
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.demo: $(BIN)/python pyproject.toml
	@echo "installing tillwise and the demo's data set"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml requirements.lock
	@echo "installing tillwise and what its tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[demo]' --group test --group lint
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/tillwise demo --port $(PORT) $(if $(ONCE),--once)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint test

lock:
	uv pip compile pyproject.toml --all-extras --group test --group lint --universal --no-header --no-annotate --no-emit-index-url --python-version 3.11 -o requirements.lock

clean:
	rm -rf $(VENV) demo-shop .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
