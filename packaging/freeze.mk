# Frozen programs. Debian's own Python makes them: it has a shared library, and gets security fixes.

PYTHON_FREEZE ?= /usr/bin/python3.11
FREEZE_VENV := .venv-freeze
FREEZE_BIN := $(FREEZE_VENV)/bin

.PHONY: binary

binary: $(FREEZE_VENV)/.installed ## freeze the appliance: dist/kioskwire-appliance, and dist/appliance/ in one folder
	@$(FREEZE_BIN)/python packaging/freeze/build.py --out dist

$(FREEZE_VENV)/.installed: setup.cfg $(CONSTRAINTS) packaging/freeze/prepare.sh
	@sh packaging/freeze/prepare.sh $(PYTHON_FREEZE) $(FREEZE_VENV)
	@touch $@
