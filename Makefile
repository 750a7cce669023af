# Each target makes what it needs: .venv comes from the lock file, once.
.DEFAULT_GOAL := help
.PHONY: help run lab real test deep quick check verify bench clean dist infra sbom audit ui lint lock smoke venv

SCENARIO ?= default
PY := .venv/bin/python
QUICK := tests/shared tests/triggers tests/tools tests/test_docs.py tests/test_deployment.py tests/orchestrators/test_runbooks.py

# Images often set it; here each start of a server, and there are some hundred, would compile 250 modules again.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

run: venv ## Tell the whole story on a simulated Azure: SCENARIO=default SPEED=150, APP=dist for the package there
	$(PY) -m lab story --scenario $(SCENARIO) $(if $(SPEED),--speed $(SPEED)) $(if $(APP),--app $(APP))

lab: venv ## Keep a simulated Azure and a local host up, on ports 7080 and 7071, until Ctrl-C
	exec $(PY) -m lab up

real: venv ## Tell the stories on Microsoft's durable engine, in some 15 minutes: DURABLE_HOST=command, or TARGET=URL of a host; APP=dist
	$(PY) -m lab.real $(STORIES) $(if $(TARGET),--target $(TARGET)) $(if $(KILLS),--kills $(KILLS)) $(if $(APP),--app $(APP))

test: venv ## Run the tests, each kind of case at least once
	$(PY) -m pytest -n 2 --dist worksteal -m "not deep"

deep: venv ## Run the tests that `make test` leaves out: more seeds, and more cases of the same kinds, in some 15 minutes
	$(PY) -m pytest -n 2 --dist worksteal -m deep

quick: venv ## Run the tests that need no server, in under a minute: shared, triggers, tools, some of the runbooks
	$(PY) -m pytest -n 2 --dist worksteal -m "not deep" $(QUICK)

check: lint test ## Everything that must hold before a commit: format, lint, types, imports, locks, tests

verify: venv ## Check a pack of evidence, without any Azure: PACK=folder or zip, HEAD=digest of its last record
	@$(PY) shared/evidence/verify.py $(PACK) $(HEAD)

bench: venv ## Print the table of figures and write bench/results.json
	$(PY) -m bench

infra: venv ## Compile and lint infra/, check that infra/main.json is what it makes, and scan it: BICEP=compiler
	@$(PY) -m tools.infra
	@$(PY) -m tools.scan_infra

sbom: venv ## List what is deployed in dist/sbom.cdx.json, as CycloneDX
	@$(PY) -m tools.sbom

audit: venv ## Look for known vulnerabilities of what is deployed: 1 with those, 3 where they cannot be looked up
	@$(PY) -m tools.audit

ui: ## Build the page of ui/ into triggers/ui_files, with the packages of its lock file: needs node and npm
	npm --prefix ui ci --no-audit --no-fund
	npm --prefix ui run check
	npm --prefix ui run build

dist: venv ## Make the package that is deployed, in dist/: equal to the byte each time
	@$(PY) -m tools.dist

smoke: venv ## Ask a deployed app whether it works: URL=https://..., TOKEN=access token or KEY=function key
	@$(PY) -m tools.smoke $(URL)

clean: ## Remove what the other targets left, but not .venv
	rm -rf .lab .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist bench/results.json
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

lint: venv
	$(PY) tools/lock.py --check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(if $(BICEP),$(PY) -m tools.infra)

lock: venv
	$(PY) tools/lock.py

venv:
	@sh tools/venv.sh
