# Needs Python 3.11 or newer, make, and package registries; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
DECIDING := deciding tokens policy.catalog.entitlement limits
MUTATION := .venv-mutation
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help up up-shared test test-core test-doors test-shared test-observability test-compose check apply limits \
  check-envoy format mutants lock up-compose apply-compose down-compose supply soak protos schemas record-requests clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(LOCKED): requirements/dev.txt
	@command -v "$(PYTHON)" >/dev/null \
	  || { echo "make: there is no program $(PYTHON); name a Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "make: installing the locked requirements into $(VENV), about a minute the first time"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: $(READY) ## the whole door on this machine: Envoy, the service, sample backends; Ctrl-C ends it
	@$(BIN)/python -m dev.up

up-shared: $(READY) ## the same with the rate limit service and Redis, which count for several Envoys
	@$(BIN)/python -m dev.up --engine shared

test: test-core test-doors ## everything that needs only Python: unit, property, cases, integration, e2e on real Envoy

test-core: $(READY) ## unit, property and decision tables, in seconds; what decides has complete branch coverage
	@$(BIN)/python -m pytest --quiet tests/unit tests/properties tests/cases \
	  $(DECIDING:%=--cov=authz.%) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

test-doors: $(READY) ## real processes, real sockets, real Envoy
	@$(BIN)/python -m pytest --quiet tests/integration tests/e2e

test-shared: $(READY) ## limits on the real rate limit service and Redis; a machine without them fails
	@$(BIN)/python -m dev.ratelimit.service
	@$(BIN)/python -m pytest --quiet tests/shared

test-observability: $(READY) ## metrics, alerts and dashboard, judged by promtool (Debian's package prometheus)
	@$(BIN)/python -m pytest --quiet tests/observability

check: $(READY) ## format, lint, types, layers, and Envoy's files as a whole
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m dev.envoy check

apply: $(READY) ## hand edited routes, clusters and limits to the running Envoy, after checking them
	@$(BIN)/python -m dev.envoy apply

limits: $(READY) ## write what both engines read of envoy/limits.yaml and envoy/envoy.yaml into envoy/rendered
	@$(BIN)/authz limits render

check-envoy: $(READY) ## check envoy/ as a whole, with the real Envoy
	@$(BIN)/python -m dev.envoy check

up-compose: $(READY) ## the whole door in containers; OBSERVABILITY=1 adds Prometheus, Grafana, a collector
	@$(BIN)/python -m dev.compose up $(if $(OBSERVABILITY),--observability)

apply-compose: $(READY) ## hand edited limits, routes, clusters and new keys to the containers
	@$(BIN)/python -m dev.compose apply

down-compose: $(READY) ## end the containers
	@$(BIN)/python -m dev.compose down

test-compose: $(READY) ## the stack from outside, in containers
	@$(BIN)/python -m pytest --quiet tests/compose

supply: $(READY) ## bill of materials, licences and known vulnerabilities of the image's packages
	@$(BIN)/python -m dev.supply

format: $(READY) ## put the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

$(MUTATION)/.locked: requirements/mutation.txt | $(LOCKED)
	@echo "make: installing the locked requirements into $(MUTATION), about a minute the first time"
	@$(BIN)/python -m venv --clear $(MUTATION)
	@$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/mutation.txt
	@touch $@

mutants: $(MUTATION)/.locked ## change what decides, bit by bit, and list the changes that no test notices (docs/mutation.md)
	@rm -rf mutants
	@$(MUTATION)/bin/mutmut run --max-children 2
	@$(MUTATION)/bin/python -m dev.mutants

lock: $(READY) ## write requirements/*.txt anew, with hashes, for every platform
	$(COMPILE) --upgrade pyproject.toml --output-file requirements/run.txt
	$(COMPILE) --upgrade pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) --upgrade pyproject.toml --group mutation --output-file requirements/mutation.txt
	$(COMPILE) --upgrade --group go --output-file requirements/go.txt
	$(COMPILE) --upgrade --constraint requirements/dev.txt --group build --output-file requirements/build.txt
	$(COMPILE) --upgrade --constraint requirements/dev.txt --group samples --output-file requirements/samples.txt

soak: $(READY) ## ten minutes of load on a real service: its memory must end flat (benchmarks/README.md)
	@$(BIN)/python -m benchmarks.soak

protos: $(READY) ## regenerate authz/deciding/_proto from protos/
	@$(BIN)/python -m dev.protos

schemas: $(READY) ## write the JSON Schemas of the policy files anew
	@$(BIN)/authz catalog schema --write authz/data/schema

record-requests: $(READY) ## take the recorded CheckRequests anew from the real Envoy
	@$(BIN)/python -m tests.support.recorder

# The kernel holds the lock for as long as the door runs (dev/up/lock.py), and a script is shorter than another program.
clean: ## remove the environment and everything that was made; refused while the door runs
	@[ ! -s run/up.lock ] || ! command -v flock >/dev/null || flock --nonblock run/up.lock true \
	  || { echo "make: the door runs, as process $$(cat run/up.lock): stop it first (Ctrl-C there, or kill $$(cat run/up.lock))" >&2; exit 1; }
	rm -rf $(VENV) $(MUTATION) mutants run dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
