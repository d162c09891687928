# Two commands do everything on a fresh machine with Python 3.11+, a C++ compiler and make:
#
#   make chat    set up what a chat needs, fetch the smallest model if there is none, open the chat
#   make test    set up everything, run lint, types, import contracts and tests
#
# uv is used if it is on the PATH, else installed into a virtual environment of its own (the system's Python stays untouched).

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync
export ORT_DISABLE_TELEMETRY := 1

.PHONY: chat test test-slow check clean

chat: .venv/.chat
	@.venv/bin/assistant

test: check
	$(RUN) pytest -m "not slow"

# The long tier: soak, hundreds of kills and mutations, the whole product watched for two minutes, new random
# examples in every run.
test-slow: .venv/.everything
	$(RUN) pytest --hypothesis-profile=default

check: .venv/.everything
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

# Small: no torch, no speech. `--inexact` leaves alone what `make test` has installed.
.venv/.chat: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --inexact --no-dev --extra keyring
	@touch $@

.venv/.everything: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --all-extras
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.13,<1"

clean:
	rm -rf .venv .uv .test-models
