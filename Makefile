# Everything a newcomer needs: `make demo` and `make test`. Both set up what they need first, once.

PYTHON ?= python3
MODELS ?= vllm
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input -q

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-risk test check check-deploy bench test-vllm train-demo docs lock clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The stamps hold which lock was installed: a changed lock installs again.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "could not make $(VENV) (on Debian and Ubuntu: apt-get install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/.core: $(VENV)/.made requirements/core.lock requirements/build.lock pyproject.toml
	@echo "installing what the gateway needs (a minute, once)"
	@$(PIP) install --require-hashes -r requirements/core.lock -r requirements/build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements/dev.lock
	@echo "installing what the tests need (a minute, once)"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

setup: $(VENV)/.core ## A virtual environment with `fallgate` in it, without vLLM

demo: $(VENV)/.core ## The main job on real vLLM, or with MODELS=simulated on scripted models
	@$(BIN)/python examples/demo/demo.py --models $(MODELS) $(if $(DRILL),--drill)

demo-risk: $(VENV)/.core ## Does the bound on the risk hold? On real vLLM (a quarter of an hour), or with MODELS=simulated
	@$(BIN)/python examples/demo/guarantee.py --models $(MODELS) $(RISK)

test: $(VENV)/.dev ## The tests
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile -m "not vllm and not bench and not prometheus"

check: $(VENV)/.dev ## Format, lint, types, layers
	$(BIN)/ruff format --check gateway routing serving deploy tests
	$(BIN)/ruff check gateway routing serving deploy tests
	$(BIN)/mypy
	$(BIN)/lint-imports

check-deploy: $(VENV)/.dev ## Rules, alerts and dashboards, on a real Prometheus (two minutes)
	@scripts/check_deploy.sh $(BIN)/python

bench: $(VENV)/.dev ## Speed beside nginx and smg; FULL=1 adds LiteLLM and a million requests
	@PYTHON=$(BIN)/python FULL=$(FULL) scripts/setup_bench.sh
	@$(BIN)/python -m tests.bench.rig $(if $(FULL),--full) $(BENCH)

test-vllm: $(VENV)/.dev ## The tests that need a real vLLM, and the demo on it
	@scripts/setup_vllm.sh
	@scripts/setup_prometheus.sh || echo "test-vllm: without a Prometheus, what dashboards ask of vLLM is not tested"
	@$(BIN)/python -m pytest -q -m vllm

train-demo: $(VENV)/.core ## Train the demo's two LoRA versions again and measure them, for real
	@scripts/setup_train.sh
	@.venv-vllm/bin/python examples/support/prepare_model.py
	@.venv-vllm/bin/python examples/support/train.py
	@$(BIN)/python examples/support/measure.py

docs: $(VENV)/.dev ## The reference pages and dashboards that are made from the code
	@$(BIN)/python -m gateway.settings.reference docs/reference
	@$(BIN)/python -m deploy.grafana

lock: $(VENV)/.dev ## Renew the locks of hashes
	@for name in core dev build; do \
	  case $$name in core) from="pyproject.toml" ;; dev) from="pyproject.toml --extra dev" ;; build) from="requirements/build.in" ;; esac; \
	  $(BIN)/uv pip compile $$from --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url \
	    --no-emit-find-links --no-header --no-annotate -q -o requirements/$$name.lock; done

clean: ## Take away what was set up
	rm -rf $(VENV) .venv-vllm .bench .demo .fallgate .prometheus
