# Every target works on a fresh machine that has Python 3.11+ (with venv) and make; it creates what it needs in .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
SIZE ?= S
DATA ?= ./runlake-data
AT_ONCE ?= -n 3 --dist loadfile --max-worker-restart 0

.PHONY: help install serve demo test test-all compat check format bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

install: $(STAMP) ## create .venv with the package and everything needed to work on it

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Runlake needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

serve: $(STAMP) ## run the server on http://127.0.0.1:1984 with data in $(DATA)
	$(BIN)/runlake serve --data $(DATA)

demo: $(STAMP) ## trace a small agent with the real SDK and query it; ends by itself
	$(BIN)/python -m demo

test: $(STAMP) ## everything that needs no long time
	$(BIN)/pytest -m 'not slow' $(AT_ONCE)

test-all: $(STAMP) ## the long tests too
	$(BIN)/pytest $(AT_ONCE)

compat: $(STAMP) ## try the released clients (installs them; needs node) and write docs/compatibility.md
	PYTHONPATH=tests $(BIN)/python -m compat --write-docs

check: $(STAMP) ## format, lint, types, dependency rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure against the targets (SIZE=S is 100,000 runs)
	$(BIN)/python -m bench --size $(SIZE)

lock: $(STAMP) ## pin what is installed now
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean: ## remove the environment and caches
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
