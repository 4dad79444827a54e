# Every target makes its own virtual environment and installs what it needs into it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-
# Sphinx and twine need another docutils than the AWS CLI of the sandbox.
TOOLS ?= .venv-tools
TOOLS_STAMP := $(TOOLS)/.installed-
# Without a cache every process of a test run compiles the tests, and every opskit that starts itself.
unexport PYTHONDONTWRITEBYTECODE

# What `make test` and `make unit` run: `make test T=tests/cli`, `make unit T=tests/policy/test_change.py`.
T ?= tests

.PHONY: help snapshots accuracy demo test unit test-all lint format bench coverage mutants docs build system clean

help:
	@echo "make demo    watch a fault being found and fixed, without an AWS account"
	@echo "make test    run the tests (T=path: only those of a file or directory)"
	@echo "make unit    those that need no sandbox"
	@echo "make test-all  also what takes minutes"
	@echo "make lint    ruff, mypy, import rules"
	@echo "make format  format the code, and put right what ruff can"
	@echo "make snapshots  record the snapshots of the sandbox's faults again"
	@echo "make accuracy  how often the right cause is named, on hundreds of faults (A='--kind single' for a part)"
	@echo "make bench   print how fast it is, as ratios"
	@echo "make coverage  lines and branches per package, against their floors"
	@echo "make mutants S=policy  change the code, and count the changes that no test notices (S=\"policy --sample 200\": of 200)"
	@echo "make docs    write the pages that follow from the code, and the site in build/site"
	@echo "make build   wheel and sdist in dist/, checked"

demo: $(STAMP)sandbox system
	@$(BIN)/opskit demo

# Four at once also on two cores: they wait for packets that are dropped, and for health checks.
test: $(STAMP)dev system
	$(BIN)/python -m pytest -n 4 --dist loadgroup $(T)

# Four at once: some wait for real limits. A process that has no work left takes some of another's.
unit: $(STAMP)dev
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not sandbox and not full" $(T)

# What `make test` leaves out for its length: every call of a rotation killed, two runners in the model.
test-all: test
	@sh .ci/system-packages tests
	$(BIN)/python -m pytest -n 4 --dist loadgroup -m full

lint: $(STAMP)dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The sandbox's faults as files, all from one sandbox. They are recorded again when a fact's type changes.
snapshots: $(STAMP)dev system
	$(BIN)/python -m tests.recorded

# Arguments of the matrix: `--kind single`, `--only TEXT`, `--again`, `--write` for docs/accuracy.md.
A ?=
accuracy: $(STAMP)dev system
	$(BIN)/python -m tests.accuracy $(A)

bench: $(STAMP)dev system
	$(BIN)/python -m tests.bench

# What `make unit` runs but for the tests of speed: it is enough for the floors, and takes minutes less.
coverage: $(STAMP)coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto -m "not sandbox and not full and not speed"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet
	$(BIN)/python -m tests.coverage_floors

# A section of tests/mutants.toml; S="policy --sample 200 --seed 7" runs 200 of its mutants, chosen at random.
S ?=
mutants: $(STAMP)mutants
	$(BIN)/python -m tests.mutants $(S)

# Every warning is an error: a link that leads nowhere is one.
docs: $(TOOLS_STAMP)docs
	$(TOOLS)/bin/python -m docs.generate
	$(TOOLS)/bin/python -m sphinx -q -W --keep-going -E -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

build: $(TOOLS_STAMP)build
	rm -rf build dist
	$(TOOLS)/bin/python -m build
	$(TOOLS)/bin/python -m twine check --strict dist/*
	$(PYTHON) .ci/check-distributions dist

# The sandbox's packets need iproute2 and nftables. Root gets them installed; others are told.
system:
	@sh .ci/system-packages

$(STAMP)%: setup.cfg setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

$(TOOLS_STAMP)%: setup.cfg setup.py
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) $(TOOLS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
	  .coverage .coverage.* coverage.json
