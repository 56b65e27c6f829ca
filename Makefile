# Everything installs itself into .venv of this checkout: Python 3.11+ and make are enough.

PYTHON ?= python3
BIN := .venv/bin
CODE := contracts services onedoor deploy tools tests

# Python keeps what it has compiled, or each of some hundred processes would compile every library again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up test test-keycloak lint bench hostile chaos rungs notices generated pins clean run-tools test-tools bench-tools

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

demo: run-tools ## some hundred cases of three bundles, from application to decision, in fast time
	@exec $(BIN)/onedoor demo

up: run-tools ## the whole platform on this machine, for real, with its data in ./data
	@exec $(BIN)/onedoor up

test: test-tools ## all tests, on the real Apache Kafka, PostgreSQL and Chromium; TESTS=tests/unit for some
	@$(if $(TESTS),,$(PYTHON) deploy/browser.py)
	@exec $(BIN)/python -m tests $(TESTS)

test-keycloak: test-tools ## logins at a real Keycloak, which is fetched at the first time (177 MB)
	@exec $(BIN)/python -m pytest tests/keycloak

lint: test-tools ## style, types and import rules
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-tools ## all measurements, or those named: BENCH="latency due:100000"; the figures go to build/bench.json
	@exec $(BIN)/python -m tests.benchmarks $(BENCH)

chaos: test-tools ## faults under load for CHAOS_MINUTES (30), drawn from CHAOS_SEED; the report goes to build/chaos
	@exec $(BIN)/python -m tests.chaos

rungs: test-tools ## two monitors killed at random while RUNGS (100000) deadlines fall due; RUNGS_SEED repeats an earlier run
	@RUNGS=$(or $(RUNGS),100000) RUNGS_KILLS=$(or $(RUNGS_KILLS),40) \
		$(BIN)/python -m pytest -s -o tmp_path_retention_policy=failed tests/e2e/test_rungs.py

hostile: test-tools ## 100,000 bad records and many more bad requests than `make test` sends; HOSTILE_SEED repeats an earlier run
	@HOSTILE_RECORDS=$(or $(HOSTILE_RECORDS),100000) HOSTILE_EXAMPLES=$(or $(HOSTILE_EXAMPLES),300) \
		HOSTILE_SEED=$(or $(HOSTILE_SEED),$(shell date +%s)) $(BIN)/python -m pytest -s tests/hostile

notices: test-tools ## third-party notices and SBOM (CycloneDX) of what is installed, in build/
	@exec $(BIN)/python -m tools.third_party build

generated: test-tools ## write schemas, diagrams and the table of settings anew from the code
	@exec $(BIN)/python -m tools

pins: test-tools ## renew requirements/*.txt from pyproject.toml
	$(BIN)/uv pip compile $(COMPILE) --upgrade pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile $(COMPILE) --upgrade --group test -c requirements/run.txt -o requirements/test.txt
	$(BIN)/uv pip compile $(COMPILE) --upgrade --group bench $(PINNED) -o requirements/bench.txt
	printf 'uv\nsetuptools\n' | $(BIN)/uv pip compile $(COMPILE) --upgrade - -o requirements/install.txt

PINNED := -c requirements/run.txt -c requirements/test.txt
COMPILE := --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove .venv and everything that was built; ./data stays
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -exec rm -rf {} +

run-tools:
	@$(PYTHON) deploy/install.py

test-tools:
	@$(PYTHON) deploy/install.py test

bench-tools:
	@$(PYTHON) deploy/install.py test bench
