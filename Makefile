# `make` alone prints this help; every target installs what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV ?= .venv
BIN := $(VENV)/bin
ENVMGR := $(BIN)/envmgr
FILES := envmgr tests bench

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "; print "usage: make TARGET\n"} \
	  /^## / {printf "\n%s\n", substr($$0, 4)} \
	  /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup setup-dev engine
setup:
	@scripts/python.sh $(VENV) run
setup-dev:
	@scripts/python.sh $(VENV) dev
engine:
	@scripts/engine.sh

## Environments
.PHONY: dev celery-worker docker-local docker-dev docker-stage docker-prod docker-up docker-down docker-health docker-logs docker-status docker-plan build
docker-dev: setup engine ## From nothing to a healthy dev stack
	@$(ENVMGR) container dev --build
docker-stage: setup engine ## The same for stage
	@$(ENVMGR) up stage --build
docker-prod: setup engine ## The same for prod
	@$(ENVMGR) up prod --build
docker-up: setup engine ## The shared infrastructure alone
	@$(ENVMGR) up infra
docker-local: setup engine ## The base in Docker, dev prepared, and the application left to your desk
	@$(ENVMGR) native dev
docker-down: setup ## Take dev down; its data stays
	@$(ENVMGR) down dev
docker-health: setup ## Probe everything that runs
	@$(ENVMGR) health
docker-plan: setup ## Show what `up` would change
	@$(ENVMGR) plan
dev: setup engine ## Run dev's web application on the desk, restarted when its source changes
	@scripts/example.sh $(BIN)/python
	@$(ENVMGR) run dev app
celery-worker: setup engine ## The same for its Celery worker
	@scripts/example.sh $(BIN)/python
	@$(ENVMGR) run dev worker
build: setup engine ## Build the application's images
	@$(ENVMGR) build
docker-status: setup ## Show all stacks side by side
	@$(ENVMGR) status
docker-logs: setup ## Follow the logs; TARGET=dev, SERVICE=app
	@$(ENVMGR) logs $(or $(TARGET),dev) $(SERVICE) --follow

## Work on envmgr
.PHONY: check test test-all format bench
check: setup-dev ## Format, lint, types, imports, unit and golden tests, rendered files; no Docker
	@scripts/check.sh $(BIN)
test: check engine ## Everything, on a real engine
	@scripts/example.sh $(BIN)/python test
	@$(BIN)/pytest -q tests/contract tests/docker -m "docker and not full" $(PYTEST_ARGS)
test-all: check engine ## Everything, every combination
	@scripts/example.sh $(BIN)/python test
	@$(BIN)/pytest -q tests/contract tests/docker -m "docker" $(PYTEST_ARGS)
format: setup-dev ## Format the code
	@$(BIN)/ruff format $(FILES)
	@$(BIN)/ruff check --fix $(FILES)
bench: setup-dev engine ## Measure against what one would use instead; BENCH_ARGS=--json
	@$(BIN)/python -m bench $(BENCH_ARGS)
