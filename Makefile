# MedHeart: `make run` does the main job, `make test` tests. All other targets are listed by `make help`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run serve test check lint types contracts format lock bench soak services services-stop clean

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	if $$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
PATHS := core server tests benchmarks scripts SlicerMedHeart
STUDY ?=
TASK ?=
CHOICE ?=
ONCE ?=
OUT ?= out
ONLY ?=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/ready ## create .venv, install the locked packages, export the networks

.venv/ready: requirements.lock pyproject.toml scripts/setup.sh
	@if [ -z "$(PYTHON)" ]; then echo "MedHeart needs Python 3.11 or 3.12; set PYTHON=/path/to/python" >&2; exit 1; fi
	@bash scripts/setup.sh "$(PYTHON)"
	@touch $@

run: setup ## segment, version, measure and report the sample (or STUDY=path, TASK=id, CHOICE=answer), then serve (ONCE=1: end)
	@$(BIN)/medheart serve --output "$(OUT)" $(if $(STUDY),--study "$(STUDY)",--sample) $(if $(TASK),--task "$(TASK)") $(if $(CHOICE),--choice "$(CHOICE)") $(if $(ONCE),--once)

serve: setup ## start the label server and the service
	@$(BIN)/medheart serve

.venv-slicer/ready: requirements-slicer.lock scripts/setup_slicer.sh .venv/ready
	@bash scripts/setup_slicer.sh
	@touch $@

test: setup .venv-slicer/ready ## all tests; those of the extension on 3D Slicer's engine
	@$(BIN)/python -m pytest --ignore tests/SlicerMedHeart
	@.venv-slicer/bin/python -m pytest tests/SlicerMedHeart

check: setup lint contracts types ## what every commit passes: lint, import contracts, types, the quick tests of what changed
	@$(BIN)/python -m pytest -m "not slow and not services and not soak" --session-timeout 240 $$($(BIN)/python -m scripts.changed_tests)

lint:
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)

contracts:
	@$(BIN)/lint-imports --no-cache

types:
	@$(BIN)/mypy core server

format: setup ## format the code
	@$(BIN)/ruff check --fix $(PATHS)
	@$(BIN)/ruff format $(PATHS)

lock: setup ## resolve requirements.lock anew within constraints.txt
	@$(BIN)/uv pip compile pyproject.toml -c constraints.txt --extra cli --extra models --extra labeling --extra service --extra dev \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --quiet -o requirements.lock
	@$(BIN)/uv pip compile requirements-slicer.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --quiet -o requirements-slicer.lock

bench: setup ## all benchmarks, one JSON line each
	@for f in benchmarks/*.py; do $(BIN)/medheart bench "$$(basename $$f .py)" --json; done

soak: setup ## long loops: fuzz, crash and lease for MEDHEART_SOAK_MINUTES (10) each; geometry and odd bytes, thousands of cases
	@MEDHEART_SOAK=1 $(BIN)/python -m pytest -m soak --ignore tests/SlicerMedHeart

services: ## install and start the real servers and programs of the integration tests (ONLY="postgresql chromium": some)
	@$(PYTHON) -m scripts.services start $(ONLY)

services-stop: ## end the servers that `make services` started
	@$(PYTHON) -m scripts.services stop $(ONLY)

clean: ## remove what setup and run made
	@rm -rf .venv .venv-slicer out
