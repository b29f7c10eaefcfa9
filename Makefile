# What a person runs and what CI runs, word for word. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help check test bench soak oracle inventory demo ci kafka-jars fmt
.NOTPARALLEL:

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## lint, formatting, types and import contracts
	uv run ruff check
	uv run ruff format --check
	uv run mypy
	uv run lint-imports

# By file, so that a broker that a file's tests share starts once for them. Groups would be finer,
# but with pytest 9.2 pytest-xdist 3.8 ignores them (pytest-dev/pytest-xdist#1386).
test: ## all tests; those whose service is missing skip with the reason
	uv run pytest -n 2 --dist loadfile

bench: ## speed, memory and latency beside their targets; QUICK=1 takes less than a minute
	uv run python -m tests.bench $(if $(QUICK),--quick)

soak: ## kill -9 against the oracle, for as long as you like: make soak FOR=1h SEED=7
	uv run python -m tests.soak --for $(or $(FOR),10m) $(if $(SEED),--seed $(SEED))

oracle: ## drawn definitions over drawn streams, engine against SQL: make oracle CASES=2000 SEED=7
	uv run python -m tests.engine.oracle_cases --cases $(or $(CASES),1000) $(if $(SEED),--seed $(SEED))

inventory: ## definitions/README.md, from the comments beside the definitions
	uv run python -m tests.inventory.page

demo: ## the engine on a made-up product, with its metrics
	uv run northstar demo

ci: ## what CI runs: installs what is missing (Debian, as root), then check and test
	.ci/run

kafka-jars: ## the jars of the Kafka broker that the tests start
	uv run python -m tests.integration.kafka_jars

fmt: ## format the code and fix what lint can fix
	uv run ruff format
	uv run ruff check --fix
