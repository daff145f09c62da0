# The commands a person types. `make demo` needs nothing but Python 3.11+ and make; `make test` Chromium, and a C compiler where
# an engine answers.

PYTHON ?= python3
USE_CASE ?= flights
VENV := .venv
READY := $(VENV)/.ready
BIN := $(CURDIR)/$(VENV)/bin
PEERS := .venv-peers
ONLINE_PEERS := .venv-online
export PYTHONPATH := $(CURDIR)/plugins
# pip's index, where one is set, is uv's too.
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif
# Airflow starts anew for every command, in half the time where Python keeps what it has compiled.
unexport PYTHONDONTWRITEBYTECODE
ENGINE := $(shell docker version >/dev/null 2>&1 && echo yes)

SITE = $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

# Tests that start servers or work through many records: those of a file share them.
SLOW := airflow or browser or containers or records or store or postgres
# Of these, files at a time: one more than there are processors, as one of them mostly waits.
FILES := $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 1)

.PHONY: install demo test check engine images images-table ui up down logs store stop clean lock bench bench-online soak bench-quality bench-nightly bench-boundaries bench-backfill bench-drift year faults faults-peers
.DEFAULT_GOAL := help

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(READY) ## Make .venv with everything in it

demo: $(READY) $(if $(ENGINE),images) ## Train and score as of one day, end to end (flights, or USE_CASE=mine AS_OF=2024-01-31)
	@$(BIN)/python -m ml_pipeline_airflow.demo $(USE_CASE) $(AS_OF)

test: $(READY) $(if $(ENGINE),images) ## The whole suite; what needs a container engine only where there is one
	$(BIN)/python -m pytest -q -n auto -m "not ($(SLOW))"
	$(BIN)/python -m pytest -n $(FILES) --dist loadfile --no-loadscope-reorder -m "($(SLOW))$(if $(ENGINE),, and not containers)"

check: $(READY) ## Lint, types, import contracts, quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not (long or $(SLOW))"

engine: ## Install and start a container engine (Debian, root), with a base image where no registry answers
	$(PYTHON) containers/engine.py

images: $(READY) ## Build the container images of all stages
	@$(BIN)/python containers/build.py

images-table: $(READY) $(if $(ENGINE),images) ## Write their sizes and layers into README.md
	@$(BIN)/python containers/images_table.py

ui: $(READY) ## Airflow with our DAGs on http://127.0.0.1:8080
	@$(BIN)/python -m ml_pipeline_airflow.ui

up: $(READY) images ## The production-like stack of this machine: Airflow on PostgreSQL, store, online service (CELERY=yes)
	@$(BIN)/python containers/stack.py up $(if $(CELERY),--celery)

down: $(READY) ## Stop and remove the stack; its data stays, unless DATA=remove
	@$(BIN)/python containers/stack.py down $(if $(filter remove,$(DATA)),--volumes)

logs: $(READY) ## Follow what the stack's services say (SERVICES="scheduler online" for some)
	@$(BIN)/python containers/stack.py logs $(SERVICES)

store: $(READY) ## Start the embedded object store and print its settings
	@$(BIN)/ml-pipeline store start

stop: $(READY) ## Stop the embedded object store
	@$(BIN)/ml-pipeline store stop

bench: $(READY) $(PEERS)/.ready ## The main jobs beside their limits and their peers (JOBS="train score" ROWS=… ROUNDS=…)
	$(BIN)/python -m tests.benchmarks.bench $(JOBS) $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS))

bench-online: $(READY) $(ONLINE_PEERS)/.ready ## Online scoring beside its limit and its peers, under load by wrk (SECONDS=3 ROUNDS=3)
	$(BIN)/python -m tests.benchmarks.online $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS))

soak: $(READY) ## Online scoring under load with a promotion every 5 s (SECONDS=300)
	$(BIN)/python -m tests.benchmarks.soak $(if $(SECONDS),--seconds $(SECONDS))

bench-quality: $(READY) ## Flights beside LightGBM; synthetic trials beside the best possible, real ones as they are
	$(BIN)/python tests/benchmarks/quality.py
	$(BIN)/python tests/benchmarks/trials.py $(CTGOV)

bench-nightly: $(READY) ## Where the time of a nightly run goes
	$(BIN)/python tests/benchmarks/nightly.py

bench-boundaries: $(READY) $(if $(ENGINE),images) ## What a boundary between services costs, in seconds and bytes
	$(BIN)/python -m tests.benchmarks.boundaries

bench-backfill: $(READY) ## A month of models by Airflow's own backfill under a real scheduler
	$(BIN)/python -W ignore -m tests.benchmarks.backfill

bench-drift: $(READY) ## Drift on real flights: which months differ, false alarms, planted changes that are missed
	$(BIN)/python -m tests.benchmarks.drift

year: $(READY) ## A year of flights, a model a night (hours; goes on where it stopped): docs/year.svg
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.year

faults: $(READY) $(if $(ENGINE),images) ## Real faults at random moments, and what is true afterwards (N=20 SEED=1, ONLY=17 for a case again)
	@AIRFLOW_HOME=$(CURDIR)/.ml-pipeline/faults/airflow $(BIN)/python -W ignore -m tests.faults.campaign $(if $(N),--cases $(N)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

faults-peers: $(READY) $(if $(ENGINE),images) ## The DockerOperator and ours under the same twelve faults, side by side
	@$(BIN)/python -m tests.faults.peers

lock: $(READY) ## Make the lock files again
	bash requirements/lock.sh

clean: ## Remove everything that the commands above made, but for images and Debian's packages
	-@test -x $(BIN)/ml-pipeline && $(BIN)/ml-pipeline store stop
	-@test -f .ml-pipeline/stack/settings.env && $(BIN)/python containers/stack.py down --volumes
	-@test -d .ml-pipeline/engine && $(PYTHON) containers/engine.py --stop
	rm -rf $(VENV) $(PEERS) $(ONLINE_PEERS) .airflow .ml-pipeline .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

$(READY): requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@# The plugins can be imported outside make too: validate asks them what the images hold.
	@echo "$(CURDIR)/plugins" > "$$($(SITE))/ml_pipeline_plugins.pth"
	@touch $@

$(PEERS)/.ready: requirements/peers.txt $(READY)
$(ONLINE_PEERS)/.ready: requirements/online-peers.txt $(READY)
$(PEERS)/.ready $(ONLINE_PEERS)/.ready:
	$(PYTHON) -m venv $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@
