# Two commands do everything on a machine that has Python 3.11+, pip and make: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
REQUEST := Find monolayer Ti3C2 flakes, image three at atomic resolution below 2e4 e/Å2 and tell me the Ti vacancy density
WORKERS ?= 2
BENCH ?= demo frame overhead

.PHONY: setup demo test check bench docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@mkdir -p .link && ln -sfn .. .link/eucentric
	@touch $(STAMP)

# At a terminal you are asked to approve; without one the bounded envelope of the examples is used (twin only).
demo: setup
	@approve=examples/demo-envelope.toml; if [ -t 0 ] && [ -t 1 ]; then approve=ask; fi; \
	$(BIN)/eucentric run "$(REQUEST)" --instrument 'twin://mxene?seed=7&stage=good' \
	    --store "demo-store/$$(date +%Y%m%d-%H%M%S)" --approve "$$approve"

test: setup
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope --no-loadscope-reorder

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: setup
	@for name in $(BENCH); do $(BIN)/eucentric bench $$name --quick || exit 1; done

docs: setup
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .link build *.egg-info
