# Frozen programs. Debian's own Python makes them: it has a shared library, and gets security fixes.

PYTHON_FREEZE ?= /usr/bin/python3.11
FREEZE_VENV := .venv-freeze
FREEZE_BIN := $(FREEZE_VENV)/bin

.PHONY: binary binary-twice pack hub-binary test-frozen bench-frozen freeze-venv

binary: freeze-venv ## freeze the appliance: dist/kioskwire-appliance, and dist/appliance/ in one folder
	@$(FREEZE_BIN)/python packaging/freeze/build.py --out dist

pack: binary ## the same as releases have it: dist/kioskwire-appliance-<version>-linux-x86_64.tar.xz
	@$(FREEZE_BIN)/python packaging/freeze/pack.py dist/appliance/kioskwire-appliance --out dist

binary-twice: freeze-venv ## freeze the last commit twice, in different surroundings: the results must be the same, byte for byte
	@$(FREEZE_BIN)/python packaging/freeze/twice.py --python $(PYTHON_FREEZE)

hub-binary: freeze-venv ## freeze the hub: dist/kioskwire-hub, and dist/hub/ in one folder
	@$(FREEZE_BIN)/python packaging/freeze/build.py --hub --out dist

test-frozen: $(VENV)/.installed-dev binary hub-binary wheel ## run both frozen programs as a stranger would, and the wheel (3 min)
	@KIOSKWIRE_FROZEN=$(CURDIR)/dist $(BIN)/python -m pytest tests/frozen

bench-frozen: $(VENV)/.installed binary ## size, start and memory of the frozen appliance beside the same from the sources (1 min)
	@$(BIN)/python packaging/freeze/measure.py

# Made anew only when what it is made of has changed; prepare.sh looks.
freeze-venv:
	@sh packaging/freeze/prepare.sh $(PYTHON_FREEZE) $(FREEZE_VENV)
