# Needs make, a POSIX shell and Python 3.11 or newer; everything else is installed into .venv.
.POSIX:
.SUFFIXES:
.PHONY: help run stop test check coverage faults replay schemathesis walks schema screenshots lock clean runtime dev bench parquet

PY = .venv/bin/python
MANAGE = $(PY) manage.py
LOCK =
# For commands that neither serve nor read data: no .env is needed, and none is read.
THROWAWAY = ENV_FILE=/dev/null SECRET_KEY=signs-nothing-0123456789-abcdefghijklmnopqrstuvwxyz
# A process a core; a file's tests stay together, for what they share. Each process has a database of its own.
PARALLEL = -n auto --maxprocesses 4 --dist loadfile
# The tests' own PostgreSQL, as tests/settings.py names it.
TEST_POSTGRES = $(THROWAWAY) DATABASE_URL= EMBEDDED_POSTGRES_DIR="$$(pwd -P)/var/postgres-test"

help:
	@echo 'make run          start everything: PostgreSQL, the server, the worker; demo data the first time'
	@echo 'make stop         end everything that make run started'
	@echo 'make test         the checks, then the tests'
	@echo 'make check        style, types, import rule, migrations, deployment settings'
	@echo 'make coverage     the tests, with the lines they miss'
	@echo 'make faults       the long crash tests'
	@echo 'make replay       100,000 rows live, shuffled and in batch: the same scores'
	@echo 'make schemathesis 5,000 requests and more, of every operation: no 5xx, no breach of the schema'
	@echo 'make walks        1,000 walks through the pages of lists while rows come in: none lost, none twice'
	@echo 'make schema       write docs/openapi-1.json, the released schema of the API, anew'
	@echo 'make screenshots  make the pictures in docs/screenshots again, with Chromium'
	@echo 'make parquet      install what exports as Parquet need'
	@echo 'make bench        install what the scripts in benchmarks/ compare us with'
	@echo 'make lock         resolve requirements*.in into the hashed requirements*.txt; LOCK=--upgrade for newer ones'
	@echo 'make clean        stop, then remove what can be made again; data and .env stay'

run: runtime .env
	@exec $(MANAGE) up

stop:
	@if [ -x $(PY) ]; then \
	    { [ ! -e .env ] || $(MANAGE) down; } && \
	    { [ ! -d var/postgres-test ] || $(TEST_POSTGRES) $(MANAGE) db stop; }; \
	fi

# Compiled once, and not by each process of the tests. By a trap: `.POSIX` has make run the shell with -e, which ends it at the first failure.
test: check
	@trap '[ ! -d var/postgres-test ] || $(TEST_POSTGRES) $(MANAGE) db stop >/dev/null' EXIT; \
	trap 'exit 130' INT; trap 'exit 143' TERM; \
	$(THROWAWAY) $(PY) -m anomaly_server.compiled && \
	$(PY) -m pytest $(PARALLEL)

check: dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(THROWAWAY) $(MANAGE) makemigrations --check --dry-run
	$(THROWAWAY) HTTPS_ONLY=true $(MANAGE) check --deploy --fail-level WARNING

# Compiled code tells nobody which of its lines it runs.
coverage: dev
	NUMBA_DISABLE_JIT=1 $(PY) -m pytest $(PARALLEL) --cov --cov-report=term-missing:skip-covered

# More kills than make test does; FAULT_KILLS and FAULT_SEED of the environment say how many and when.
faults: dev
	FAULT_KILLS=$${FAULT_KILLS:-500} SLOW_CLIENTS=$${SLOW_CLIENTS:-64} $(PY) -m pytest tests/faults

# make test replays 5,000 shuffled ones; REPLAY_TAKEN of the environment says how many in both orders, REPLAY_POSTED how
# many more through the API. 100,000 of both took 8 minutes on an idle machine.
replay: dev
	REPLAY_TAKEN=$${REPLAY_TAKEN:-100000} $(PY) -m pytest tests/transactions/test_live_equals_batch.py

# make test makes 250 requests; CONTRACT_CASES of the environment says how many.
schemathesis: dev
	CONTRACT_CASES=$${CONTRACT_CASES:-5000} $(PY) -m pytest tests/contract/test_conformance.py

# make test makes 20 walks; PAGE_WALKS of the environment says how many.
walks: dev
	PAGE_WALKS=$${PAGE_WALKS:-1000} $(PY) -m pytest tests/transactions/test_api_walks.py

# Version 1 as it is released: docs/compatibility.md says when to write it anew.
schema: dev
	$(THROWAWAY) $(MANAGE) spectacular --validate --fail-on-warn --format openapi-json --file docs/openapi-1.json

screenshots: dev
	$(PY) -m tests.browser.screenshots docs/screenshots

lock: dev
	for name in requirements requirements-parquet requirements-dev requirements-bench; do \
	    $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(LOCK) \
	        $$name.in -o $$name.txt >/dev/null || exit 1; \
	done

clean: stop
	rm -rf .venv var/compiled var/static var/static.sha256 var/postgres-test htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime:
	@sh venv.sh requirements.txt

dev: runtime
	@sh venv.sh requirements-dev.txt

parquet: runtime
	@sh venv.sh requirements-parquet.txt

bench: runtime
	@sh venv.sh requirements-bench.txt

# Made once, readable by its owner only, never overwritten.
.env: runtime
	@if [ ! -e .env ]; then \
	    umask 077 && \
	    $(PY) -c 'import secrets; print("# All settings: .env.example\nSECRET_KEY=" + secrets.token_urlsafe(45))' >.env.new && \
	    mv .env.new .env && echo 'Made .env with a fresh SECRET_KEY.'; \
	fi
