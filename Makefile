# Everything there is to do with this project, each by one command: `make help` lists them.
#
# `make demo` and `make test` need nothing but python3 (3.11 or newer), make and a network: each makes its virtual
# environment where it is missing. Another interpreter: `make test PYTHON=/path/to/python3.12`.

PYTHON ?= python3
# The suite also runs on each of these that is installed, apart from the version of .venv.
PYTHONS ?= 3.11 3.12 3.13
# Processes for the suite: one more than there are cores, since some tests wait for a while.
WORKERS ?= $(shell python3 -c "import os; print(min((os.cpu_count() or 1) + 1, 8))")
# Further arguments for pytest: `make suite ARGS="-k race -x"`.
ARGS ?=

BIN := .venv/bin
STAMP := .venv/.installed
SHORT_EXAMPLES := canceled_future state_machine parent tiny_runtime tasks producer_consumer worker_pool crawler supervisor cpu_job
CODE := src tests examples corpus scripts bench

# Some images set it, and then hundreds of processes compile again, each for itself, what they import.
unexport PYTHONDONTWRITEBYTECODE

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help venv demo examples test check lint format types architecture suite coverage compiled dist dist-smoke test-py prepare-py check-corpus check-corpus-smoke corpus-servers sweep-suites cancel-safety bench bench-growth bench-report bench-smoke bench-budget bench-tokio mutants mutants-smoke screenshots clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv with everything that development needs
$(STAMP): pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh .venv "$(PYTHON)" dev

demo: examples ## run each example, then a web service, then fetch many URLs with hedged requests over real sockets
	@sh scripts/examples.sh web_service hedged_fetch

examples: $(STAMP) ## run the short examples, one after the other
	@sh scripts/examples.sh $(SHORT_EXAMPLES)

compiled: $(STAMP) ## build the package with its core compiled, for .venv's Python, into build/compiled
	@sh scripts/compiled.sh $(BIN)/python

dist: $(STAMP) ## build the sdist and a wheel for .venv's Python into dist/, and see that they work
	@sh scripts/dist.sh $(BIN)/python

dist-smoke: $(STAMP) ## the same, but for what is compiled, and without keeping it
	@sh scripts/dist.sh $(BIN)/python smoke

test: check test-py ## check everything here, then run the suite on the other installed Pythons

check: lint types suite ## lint, types, and the suite, of which the architecture is a part

lint: $(STAMP) ## look for mistakes and for unformatted code
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: $(STAMP) ## format the code and repair what can be repaired without asking
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

types: $(STAMP) ## check the types, with mypy and with pyright, both strict
	@echo "$(BIN)/mypy, and beside it $(BIN)/pyright"; $(BIN)/mypy & mypy=$$!; status=0; \
	$(BIN)/pyright --pythonpath $(BIN)/python || status=1; wait $$mypy || status=1; exit $$status

architecture: $(STAMP) ## check that imports point down, and the other rules on the shape of the code
	$(BIN)/python -m pytest -q tests/architecture

suite: $(STAMP) ## run the suite alone, on all cores: make suite ARGS="-k race -x"
	@WORKERS=$(WORKERS) sh scripts/suite.sh $(BIN)/python .pytest_cache $(ARGS)

coverage: $(STAMP) ## run the suite and report which branches it does not take
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-py: $(STAMP) ## run the suite on each other supported Python that is installed
	@WORKERS=$(WORKERS) sh scripts/test-pythons.sh $(PYTHONS)

prepare-py: $(STAMP) ## make ready what test-py needs: environments, and the compiled core
	@sh scripts/test-pythons.sh --prepare $(PYTHONS)

check-corpus: $(STAMP) ## find real bugs of released libraries: make check-corpus ARGS="redis-command"
	$(BIN)/python scripts/check_corpus.py $(ARGS)

check-corpus-smoke: $(STAMP) ## find a few of them: what CI runs
	$(BIN)/python scripts/check_corpus.py --smoke --budget 20 $(ARGS)

corpus-servers: ## install the servers that the corpus and the ecosystem tests talk to, by apt, as root
	@sh scripts/corpus-servers.sh

sweep-suites: $(STAMP) ## run the suites of released libraries: make sweep-suites ARGS="-- --cancel-sweep"
	$(BIN)/python scripts/sweep_suites.py $(ARGS)

cancel-safety: $(STAMP) ## measure how libraries survive each way of canceling, and write docs/cancel-safety.md
	$(BIN)/python scripts/cancel_safety.py $(ARGS)

bench: compiled bench-tokio ## measure rescind beside its peers: make bench ARGS="switch race2 --rounds 9"
	$(BIN)/python -m bench --json build/bench.json $(ARGS)

bench-report: $(STAMP) ## show what bench and bench-growth have measured, as a page with plots: build/bench.html
	$(BIN)/python -m bench.report $(ARGS)

bench-growth: compiled bench-tokio ## measure how costs grow; with ARGS=--long up to a million tasks
	$(BIN)/python -m bench --growth --json build/bench-growth.json $(ARGS)

bench-smoke: compiled ## see that every benchmark works, at a tiny size, and count instructions where valgrind is
	$(BIN)/python -m bench --smoke $(ARGS)
	$(BIN)/python -m bench.instructions

bench-budget: compiled ## count the instructions of an operation anew, for each Python, and write bench/budget.json
	@for python in $(BIN)/python $(wildcard .venv-3.*/bin/python); do \
		sh scripts/compiled.sh $$python && $$python -m bench.instructions --write || exit 1; done

bench-tokio: ## build the Rust program for the benchmarks; with INSTALL=1 get what it needs by apt, as root
	@INSTALL=$(INSTALL) sh scripts/bench-tokio.sh

mutants: $(STAMP) ## break the source on purpose, show who notices, and write docs/mutants.md: make mutants ARGS="wake-in"
	$(BIN)/python scripts/mutants.py $(ARGS)

mutants-smoke: $(STAMP) ## break it in a handful of ways
	$(BIN)/python scripts/mutants.py --smoke $(ARGS)

screenshots: $(STAMP) ## make the pictures in docs/images, of pages in Chromium and of rescind top: make screenshots ARGS="top"
	$(BIN)/python scripts/screenshots.py $(ARGS)

clean: ## remove what the tools left behind
	rm -rf build dist src/*.egg-info .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environments as well
	rm -rf .venv .venv-3.* .corpus
