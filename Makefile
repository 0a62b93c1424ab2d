# You need Python 3.11 or newer, make, and package registries. A target installs everything else when it first needs it.
PYTHON ?= python3
BIN := .venv/bin
MUTATION := .venv-mutation
DECIDING := deciding tokens policy.catalog.entitlement limits
COMPILE := .uv/bin/uv pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --custom-compile-command "make lock"
# In hash mode each lock stands alone, so a package must have one version in all of them (tests/integration/test_install.py).
SAME := --constraint requirements/dev.txt
# The user's own settings must not make Python import other packages than the installed ones.
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help up up-shared test test-core test-doors test-shared test-observability test-compose check apply limits \
  check-envoy format mutants lock up-compose apply-compose down-compose supply soak protos schemas record-requests upstream clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# install-up: the service, the samples and Envoy; install-dev: also the tools for tests and checks; install-mutation: mutmut.
# PYTHON is needed only where there is something to install.
install-%:
	@[ ! -x $(BIN)/python ] || ! $(BIN)/python -I dev/install.py $* --check || exit 0; \
	  "$(PYTHON)" -c "" 2>/dev/null \
	  || { echo "make: '$(PYTHON)' is not a Python that runs; name a Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
	  "$(PYTHON)" -I dev/install.py $*

up: install-up ## start everything on this machine: Envoy, the service, sample backends; Ctrl-C ends it
	@$(BIN)/python -m dev.up

up-shared: install-up ## like up, with the rate limit service and Redis, which count for several Envoys
	@$(BIN)/python -m dev.up --engine shared

test: test-core test-doors ## run all tests that need only Python: unit, property, cases, integration, e2e on a real Envoy

test-core: install-dev ## run unit, property and table tests; all branches of the code that decides must be covered
	@$(BIN)/python -m pytest --quiet tests/unit tests/properties tests/cases \
	  $(DECIDING:%=--cov=authz.%) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

test-doors: install-dev ## run the tests with real processes, real sockets and a real Envoy
	@$(BIN)/python -m pytest --quiet tests/integration tests/e2e -m "not shared"

test-shared: install-dev ## test limits on the real rate limit service and Redis; fails on a machine without them
	@$(BIN)/python -m dev.ratelimit.service
	@$(BIN)/python -m pytest --quiet tests/e2e -m shared

test-observability: install-dev ## test metrics, alerts and dashboard with promtool (Debian's package prometheus)
	@$(BIN)/python -m pytest --quiet tests/observability

check: install-dev ## check format, lint, types, layers, and all of Envoy's files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m dev.envoy check

apply: install-up ## check edited routes, clusters and limits, then load them into the running Envoy
	@$(BIN)/python -m dev.envoy apply

limits: install-up ## render envoy/limits.yaml and envoy/envoy.yaml into envoy/rendered, for both engines
	@$(BIN)/authz limits render

check-envoy: install-up ## check all files in envoy/, with the real Envoy
	@$(BIN)/python -m dev.envoy check

up-compose: install-up ## start everything in containers; OBSERVABILITY=1 adds Prometheus, Grafana, a collector
	@$(BIN)/python -m dev.compose up $(if $(OBSERVABILITY),--observability)

apply-compose: install-up ## check edited limits, routes, clusters and keys, then load them into the containers
	@$(BIN)/python -m dev.compose apply

down-compose: install-up ## stop and remove the containers
	@$(BIN)/python -m dev.compose down

test-compose: install-dev ## start the containers and test them from outside
	@$(BIN)/python -m pytest --quiet tests/compose

supply: install-dev ## write bill of materials, licences and known vulnerabilities of the image's packages
	@$(BIN)/python -m dev.supply

format: install-dev ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

mutants: install-mutation ## make small changes in the code that decides, and list those that no test notices (docs/mutation.md)
	@rm -rf mutants
	@$(MUTATION)/bin/mutmut run --max-children 2
	@$(MUTATION)/bin/python -m dev.mutants

lock: install-uv ## write requirements/*.txt: newest versions, with hashes, for every platform
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) $(SAME) pyproject.toml --output-file requirements/run.txt
	$(COMPILE) $(SAME) pyproject.toml --group up --output-file requirements/up.txt
	$(COMPILE) $(SAME) pyproject.toml --group mutation --output-file requirements/mutation.txt
	$(COMPILE) $(SAME) --group samples --output-file requirements/samples.txt
	$(COMPILE) $(SAME) --group build --output-file requirements/build.txt
	$(COMPILE) --group go --output-file requirements/go.txt
	$(COMPILE) --group uv --output-file requirements/uv.txt

soak: install-dev ## put load on a real service for ten minutes: its memory must not grow (benchmarks/README.md)
	@$(BIN)/python -m benchmarks.soak

protos: install-dev ## regenerate authz/deciding/_proto from protos/
	@$(BIN)/python -m dev.protos

schemas: install-up ## regenerate the JSON Schemas of the policy files
	@$(BIN)/authz catalog schema --write authz/data/schema

upstream: install-dev ## write docs/upstream.md: GitLab's public facts beside ours
	@$(BIN)/python -m tests.support.upstream_page

record-requests: install-dev ## record the CheckRequests of the tests again from the real Envoy
	@$(BIN)/python -m tests.support.recorder

# The running door holds this lock (dev/up/lock.py), and the kernel releases it when the door ends.
clean: ## remove the environment and all generated files; refused while the door runs
	@[ ! -s run/up.lock ] || ! command -v flock >/dev/null || flock --nonblock run/up.lock true \
	  || { echo "make: the door runs, as process $$(cat run/up.lock): stop it first (Ctrl-C there, or kill $$(cat run/up.lock))" >&2; exit 1; }
	rm -rf .venv $(MUTATION) .uv .uv.part .installing mutants run dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
