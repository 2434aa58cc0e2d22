# Updates with real processes. Not part of make test: it takes minutes.

UPDATES := $(STATE)/updates

.PHONY: test-updates test-updates-frozen

test-updates: $(VENV)/.installed-dev ## update real kiosks, to good versions and bad ones, and kill them at every crash point (6 min)
	@$(BIN)/python -m tests.appliance.updates.street

test-updates-frozen: $(VENV)/.installed-dev freeze-venv ## the same with frozen programs, without the crash points (5 min)
	@rm -rf $(UPDATES); mkdir -p $(UPDATES)
	@for version in 1.0.0 1.0.1 1.0.2 1.0.3; do \
		$(FREEZE_BIN)/python tests/appliance/updates/freeze_bad.py $$version $(UPDATES)/$$version || exit 1; done
	@$(BIN)/python -m tests.appliance.updates.street --frozen $(UPDATES)
	@rm -rf $(UPDATES)
