# The commands of the project; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

node_modules: package-lock.json
	npm ci --no-audit --no-fund && touch node_modules

-include test/lab/lab.mk

.PHONY: help
