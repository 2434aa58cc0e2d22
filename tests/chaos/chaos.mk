# Faults by the thousand, and whether the promises hold; docs/reliability.md says what is done and shows the last run.

.PHONY: chaos chaos-steps chaos-planted chaos-desk-planted test-hubs

chaos: $(VENV)/.installed-dev ## break everything for a quarter of an hour and check every promise (N=operations, SEED=, JSON=file, ONLY=scenarios)
	@exec $(BIN)/python -m tests.chaos.run $(if $(N),--operations '$(N)') $(if $(SEED),--seed '$(SEED)') \
		$(if $(JSON),--json '$(abspath $(JSON))') $(if $(ONLY),--only '$(ONLY)')

chaos-steps: $(VENV)/.installed-dev ## kill host, cable or power before every single step of every device's transactions (STRIDE=1, ONLY=families)
	@exec $(BIN)/python -m tests.chaos.every_step $(if $(STRIDE),--stride '$(STRIDE)') $(if $(ONLY),--only '$(ONLY)')

chaos-planted: $(VENV)/.installed-dev ## plant a bug of each kind and show that the checker finds it (ten minutes; ONLY=bugs, SEED=)
	@exec $(BIN)/python -m tests.chaos.planted $(if $(SEED),--seed '$(SEED)') $(if $(ONLY),--only '$(ONLY)')

chaos-desk-planted: $(VENV)/.installed-dev ## plant a bug of each kind into the desk and say how many random days it takes to see it
	@exec $(BIN)/python -m tests.chaos.desk_planted

test-hubs: $(VENV)/.installed-dev ## all journeys with two hubs on one database and one Redis, then with four (HUBS="2 4")
	@for count in $(or $(HUBS),2 4); do \
		echo "journeys with $$count hubs"; HUBS=$$count $(BIN)/python -m pytest -q tests/journeys || exit 1; done
