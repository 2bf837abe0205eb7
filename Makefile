# The commands of the project; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

node_modules: package-lock.json
	npm ci --no-audit --no-fund
	@touch node_modules

demo: node_modules ## set up, boot the lab, drain a node under a live PostgreSQL, show the result (ARGS=--keep leaves the lab up)
	node --import tsx test/lab/demo/demo.ts $(ARGS)

test: node_modules ## every ring of tests; ends with `N passed, N failed`
	node --import tsx scripts/rings.ts

check: node_modules ## the fast rings: types, lint, format, unused code, function length, generated files, units and transcripts
	node --import tsx scripts/rings.ts types lint format unused functions generated unit

bench: node_modules ## run one benchmark, NAME=freeze, memory, flows, extender, planner, rebalance or unattended
	node --import tsx bench/$(NAME).ts $(ARGS)

sim: node_modules ## simulate moves with crashes and a bad network from 2,000 seeds (ARGS='--seeds N --moves M --minutes N --seed N')
	npm run --silent sim -- $(ARGS)

coverage: node_modules ## lines and branches of protocol, machine and journal that units and simulation run; fails below 95 % of a file
	node --import tsx scripts/coverage.ts

mutations: node_modules ## turn each comparison of these around, one at a time: which does no test notice? (hours; ARGS=source.ts for one file)
	node --import tsx scripts/mutations.ts $(ARGS)

bundle: node_modules ## bundle controller, agent and kubectl plugin into dist/
	npm run --silent bundle

native: node_modules ## build the small C programs into native/build/
	@[ -e /usr/include/lz4.h ] || node --import tsx test/lab/cli.ts host-packages
	$(MAKE) --no-print-directory -C native

generate: node_modules ## write the CRDs from the zod schemas
	npm run --silent generate

-include test/lab/lab.mk

.PHONY: help demo test check bench sim coverage mutations bundle native generate
