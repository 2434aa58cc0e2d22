# What one types here. Everything is installed into .venv; nothing outside this tree is touched, except that a missing
# Python of Debian, or its venv package, is installed when make runs as root.

VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := packaging/constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
STATE := .state

# The first of these that is Python 3.11 or later, unless one is named: make install PYTHON=/usr/bin/python3.11
PYTHON_CANDIDATES := python3.11 python3 python3.12 python3.13
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# Shell words: install these packages, with fresh lists if need be.
apt_install = { DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; \
	apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1 \
	|| { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1) >/dev/null; } \
	|| { echo "apt-get could not install $(1); see above"; exit 1; }; }

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-dev demo test lint fmt constraints clean distclean FORCE

# Read by bench/demo.py; empty means not set.
export ONCE JSON HUBS HUB_PORT HEALTH_PORT GATEWAY_PORT TELEGRAM_PORT

help: ## show this list
	@echo "make TARGET, where TARGET is:"
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

install: $(VENV)/.installed ## make .venv and install both programs into it

install-dev: $(VENV)/.installed-dev ## the same, with what the tests and linters need

demo: $(VENV)/.installed ## run hub, kiosk and gateway here and send operations (ONCE=1, HUBS=2, JSON=file, HUB_PORT, HEALTH_PORT, GATEWAY_PORT, TELEGRAM_PORT)
	@exec $(BIN)/python -m bench.demo

test: lint ## everything a change must pass: lint, types, floors, tests
	@$(BIN)/python tests/rows.py

lint: $(VENV)/.installed-dev ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.installed-dev ## write the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Run it with the oldest Python there is to support (PYTHON=/usr/bin/python3.11 after make distclean): some packages are
# needed by that one only. Pins of the others do no harm.
constraints: $(VENV)/.made ## choose the newest releases allowed by setup.cfg and pin them in packaging/constraints.txt
	$(PIP) install --upgrade --upgrade-strategy eager --editable '.[hub,appliance,freeze,dev]'
	@$(BIN)/python -m pip --disable-pip-version-check freeze --all --exclude-editable --exclude pip > $(CONSTRAINTS).new
	@{ echo "# Exact releases for make install and make install-dev; written by make constraints."; \
	   LC_ALL=C sort --ignore-case $(CONSTRAINTS).new; } > $(CONSTRAINTS)
	@rm $(CONSTRAINTS).new
	@touch $(VENV)/.installed $(VENV)/.installed-dev

clean: ## remove what running and testing left (not .venv)
	@if [ -e $(STATE)/demo/lock ] && ! flock --nonblock $(STATE)/demo/lock true; then \
		echo "make clean: a demo is running in this tree; stop it first"; exit 1; fi
	rm -rf $(STATE) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## remove all virtual environments as well
	rm -rf $(VENV) .venv-*

-include bench/bench.mk tests/chaos/chaos.mk packaging/*.mk

# A tree that was copied or moved has scripts with the old path in it, and a Python may be gone: begin anew then.
ifneq ($(shell cat $(VENV)/.made 2>/dev/null && $(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null && echo usable),$(CURDIR) usable)
$(VENV)/.made: FORCE
endif

$(VENV)/.made:
	@python='$(PYTHON)'; \
	for candidate in $(if $(PYTHON),,$(PYTHON_CANDIDATES)); do \
		if $$candidate -c '$(NEW_ENOUGH)' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "No Python 3.11 or later was found. Install it, then run make again. On Debian 12:"; \
			echo "    sudo apt-get install -y python3.11 python3.11-venv"; exit 1; \
		fi; \
		echo "No Python 3.11 or later was found: installing python3.11"; \
		$(call apt_install,python3.11 python3.11-venv); \
		python=python3.11; \
	fi; \
	if ! "$$python" -c '$(NEW_ENOUGH)'; then \
		echo "PYTHON=$$python is not Python 3.11 or later"; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "This Python comes without venv. Install it, then run make again:"; \
			echo "    sudo apt-get install -y $$package"; exit 1; \
		fi; \
		echo "This Python comes without venv: installing $$package"; \
		$(call apt_install,$$package); \
	fi; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@echo '$(CURDIR)' > $@

$(VENV)/.installed: $(VENV)/.made setup.cfg pyproject.toml $(CONSTRAINTS)
	@echo "Installing Kioskwire into $(VENV)"
	@$(PIP) install --constraint $(CONSTRAINTS) --editable '.[hub,appliance]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made setup.cfg pyproject.toml $(CONSTRAINTS)
	@echo "Installing Kioskwire and its development tools into $(VENV)"
	@$(PIP) install --constraint $(CONSTRAINTS) --editable '.[hub,appliance,dev]'
	@touch $(VENV)/.installed $@
