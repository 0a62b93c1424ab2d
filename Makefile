# Needs Python 3.11 or newer, make, and package registries; everything else is installed when a target first needs it.
PYTHON ?= python3
BIN := .venv/bin
MUTATION := .venv-mutation
DECIDING := deciding tokens policy.catalog.entitlement limits
COMPILE := .uv/bin/uv pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --custom-compile-command "make lock"
# In hash mode each lock stands alone, so a package must have one version in all of them (tests/integration/test_install.py).
SAME := --constraint requirements/dev.txt
# What runs is what was installed, whatever the user's own Python is told to import.
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help up up-shared test test-core test-doors test-shared test-observability test-compose check apply limits \
  check-envoy format mutants lock up-compose apply-compose down-compose supply soak protos schemas record-requests clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# install-up: what serves, the samples and Envoy; install-dev: all of that, and what tests and checks; install-mutation: mutmut.
# PYTHON is needed only where there is something to install.
install-%:
	@[ ! -x $(BIN)/python ] || ! $(BIN)/python -I dev/install.py $* --check || exit 0; \
	  command -v "$(PYTHON)" >/dev/null \
	  || { echo "make: there is no program $(PYTHON); name a Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
	  "$(PYTHON)" -I dev/install.py $*

up: install-up ## the whole door on this machine: Envoy, the service, sample backends; Ctrl-C ends it
	@$(BIN)/python -m dev.up

up-shared: install-up ## the same with the rate limit service and Redis, which count for several Envoys
	@$(BIN)/python -m dev.up --engine shared

test: test-core test-doors ## everything that needs only Python: unit, property, cases, integration, e2e on real Envoy

test-core: install-dev ## unit, property and decision tables, in seconds; what decides has complete branch coverage
	@$(BIN)/python -m pytest --quiet tests/unit tests/properties tests/cases \
	  $(DECIDING:%=--cov=authz.%) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

test-doors: install-dev ## real processes, real sockets, real Envoy
	@$(BIN)/python -m pytest --quiet tests/integration tests/e2e -m "not shared"

test-shared: install-dev ## limits on the real rate limit service and Redis; a machine without them fails
	@$(BIN)/python -m dev.ratelimit.service
	@$(BIN)/python -m pytest --quiet tests/e2e -m shared

test-observability: install-dev ## metrics, alerts and dashboard, judged by promtool (Debian's package prometheus)
	@$(BIN)/python -m pytest --quiet tests/observability

check: install-dev ## format, lint, types, layers, and Envoy's files as a whole
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m dev.envoy check

apply: install-up ## hand edited routes, clusters and limits to the running Envoy, after checking them
	@$(BIN)/python -m dev.envoy apply

limits: install-up ## write what both engines read of envoy/limits.yaml and envoy/envoy.yaml into envoy/rendered
	@$(BIN)/authz limits render

check-envoy: install-up ## check envoy/ as a whole, with the real Envoy
	@$(BIN)/python -m dev.envoy check

up-compose: install-up ## the whole door in containers; OBSERVABILITY=1 adds Prometheus, Grafana, a collector
	@$(BIN)/python -m dev.compose up $(if $(OBSERVABILITY),--observability)

apply-compose: install-up ## hand edited limits, routes, clusters and new keys to the containers
	@$(BIN)/python -m dev.compose apply

down-compose: install-up ## end the containers
	@$(BIN)/python -m dev.compose down

test-compose: install-dev ## the stack from outside, in containers
	@$(BIN)/python -m pytest --quiet tests/compose

supply: install-dev ## bill of materials, licences and known vulnerabilities of the image's packages
	@$(BIN)/python -m dev.supply

format: install-dev ## put the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

mutants: install-mutation ## change what decides, bit by bit, and list the changes that no test notices (docs/mutation.md)
	@rm -rf mutants
	@$(MUTATION)/bin/mutmut run --max-children 2
	@$(MUTATION)/bin/python -m dev.mutants

lock: install-uv ## write requirements/*.txt with the newest versions, with hashes, for every platform
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) $(SAME) pyproject.toml --output-file requirements/run.txt
	$(COMPILE) $(SAME) pyproject.toml --group up --output-file requirements/up.txt
	$(COMPILE) $(SAME) pyproject.toml --group mutation --output-file requirements/mutation.txt
	$(COMPILE) $(SAME) --group samples --output-file requirements/samples.txt
	$(COMPILE) $(SAME) --group build --output-file requirements/build.txt
	$(COMPILE) --group go --output-file requirements/go.txt
	$(COMPILE) --group uv --output-file requirements/uv.txt

soak: install-dev ## ten minutes of load on a real service: its memory must end flat (benchmarks/README.md)
	@$(BIN)/python -m benchmarks.soak

protos: install-dev ## regenerate authz/deciding/_proto from protos/
	@$(BIN)/python -m dev.protos

schemas: install-up ## write the JSON Schemas of the policy files anew
	@$(BIN)/authz catalog schema --write authz/data/schema

record-requests: install-dev ## take the recorded CheckRequests anew from the real Envoy
	@$(BIN)/python -m tests.support.recorder

# The kernel holds the lock for as long as the door runs (dev/up/lock.py), and a script is shorter than another program.
clean: ## remove the environment and everything that was made; refused while the door runs
	@[ ! -s run/up.lock ] || ! command -v flock >/dev/null || flock --nonblock run/up.lock true \
	  || { echo "make: the door runs, as process $$(cat run/up.lock): stop it first (Ctrl-C there, or kill $$(cat run/up.lock))" >&2; exit 1; }
	rm -rf .venv $(MUTATION) .uv .uv.part .installing mutants run dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
