# Everything starts from `make setup`, which makes .venv in this checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEDIA ?=

# A folder of one sub-folder of photos per person, for `make evaluate`.
DATASET ?=

# Processes that run tests beside each other; `make test WORKERS=0` runs them one after the other in one process.
WORKERS ?= 2

.PHONY: setup demo demo-recognise demo-stats demo-redact drill evaluate serve test lint check soak bench docs lock clean

# The stamp is newer than what it was made from, or the environment is made anew.
setup: $(VENV)/.ready
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Moretta needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,install,postgres,pkcs11,cloud,statistics,parquet]'
	$(BIN)/moretta models install --demo-clip --demo-people
	@touch $@

demo: setup
	$(BIN)/moretta demo $(if $(MEDIA),"$(MEDIA)") --report report.html

# Enrols two people, finds them in other photos, shows what is stored, erases one, searches again.
demo-recognise: setup
	$(BIN)/moretta demo-recognise

# A made-up shop and a real clip, counted with noise; serves the page of statistics until Ctrl-C.
demo-stats: setup
	$(BIN)/moretta demo-stats

# Hides the faces of a real clip in four ways, and writes a page to compare them.
demo-redact: setup
	$(BIN)/moretta demo-redact $(if $(MEDIA),"$(MEDIA)") --out redacted

evaluate: setup
	$(BIN)/moretta evaluate accuracy "$(DATASET)" --scheme plain,rotated,he,shares

# Enrols a made-up person, erases them, and searches every byte of every store for them.
drill: setup
	$(BIN)/moretta drill erasure

serve: setup
	$(BIN)/moretta serve

test: lint
	$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: setup
	$(BIN)/python -m pytest -m soak

# What it compares against is installed from pinned versions into .venv-bench, an environment for each.
bench: setup
	$(BIN)/python -m benchmarks --write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.recognition --write benchmarks/RECOGNITION.md
	$(BIN)/python -m benchmarks.accountability --write benchmarks/ACCOUNTABILITY.md
	$(BIN)/python -m benchmarks.statistics --write benchmarks/STATISTICS.md
	$(BIN)/python -m benchmarks.watch --write benchmarks/WATCH.md
	$(BIN)/python -m benchmarks.redaction --write benchmarks/REDACTION.md

docs: setup
	$(BIN)/moretta docs docs

# Pins for every environment; no address of any registry is written.
lock: setup
	$(BIN)/pip-compile --quiet --strip-extras --extra dev --extra install --extra postgres --extra pkcs11 --extra cloud --extra statistics --extra parquet --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	  --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .venv-bench report.html redacted
