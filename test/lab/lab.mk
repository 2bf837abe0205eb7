# The lab's commands: a real Kubernetes on this machine. LAB_NAME picks one of several labs.
LAB := node --import tsx test/lab/cli.ts
NODE ?= node-1

lab: node_modules ## boot a real Kubernetes to play with (ARGS="--nodes 2 --proxy iptables")
	@$(LAB) up $(ARGS)

lab-down: node_modules ## end the lab and take away everything it made
	@$(LAB) down

lab-shell: node_modules ## a shell on a host of the lab, NODE=node-1, control or client
	@$(LAB) shell $(NODE)

kubectl: node_modules ## kubectl in the lab, ARGS="get pods -A"
	@$(LAB) kubectl $(ARGS)

images: bundle native ## build the product's images and import them into the running lab
	@$(LAB) images

KILLS ?= 10
kills: node_modules ## kill controller, agents, criu and stand-ins in the middle of moves, at KILLS=10 instants each
	@LAB_NAME=$${LAB_NAME:-kills} KILLS=$(KILLS) npx mocha --no-config --node-option import=tsx --require test/lab/product/shared-lab.ts --timeout 240000 --exit test/lab/product/kills.test.ts

chaos: bundle native ## move a pod MOVES=20 times while things break (SEED=S repeats a run, MOVES=1 SEED=S one move of it)
	@LAB_NAME=$${LAB_NAME:-chaos} MOVES="$(MOVES)" SEED="$(SEED)" node --import tsx test/lab/chaos/main.ts

rollbacks: bundle native ## what a client sees of moves that go back, from each phase
	@LAB_NAME=$${LAB_NAME:-chaos} node --import tsx test/lab/chaos/rollbacks-main.ts

lab-install: bundle native ## the product as built now, into the lab (booted when it is not up)
	@node --import tsx test/lab/product/main.ts

moves: node_modules ## PostgreSQL moves MOVES=20 times in a row under pgbench
	MOVES=$(or $(MOVES),20) npx mocha --no-config --node-option import=tsx --require test/lab/product/shared-lab.ts --timeout 240000 --exit -g 'back and forth' test/lab/product/drain.test.ts

guest-test: node_modules ## criu's pre-dumps on Debian's Linux 6.1 in an emulated machine, every page checked (TIMES=3 moves of each program)
	node --import tsx test/guest/main.ts

live-flows: node_modules ## flows of every kind, IPv4 and IPv6 (LAB_STACK=dual), through moves, a rollback and new agents, nothing left behind
	LAB_STACK=$(or $(LAB_STACK),dual) npx mocha --no-config --node-option import=tsx --require test/lab/product/shared-lab.ts --timeout 600000 --exit test/lab/flows/live.test.ts

.PHONY: lab-install moves live-flows guest-test
.PHONY: kills chaos rollbacks lab lab-down lab-shell kubectl images
