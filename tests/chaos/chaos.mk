# Faults by the thousand, and whether the promises hold; docs/reliability.md says what is done and shows the last run.

.PHONY: chaos chaos-steps chaos-planted chaos-desk-planted

chaos: $(VENV)/.installed-dev ## break everything for a quarter of an hour and check every promise (N=operations, SEED=, JSON=file, ONLY=scenarios)
	@exec $(BIN)/python -m tests.chaos.run $(if $(N),--operations '$(N)') $(if $(SEED),--seed '$(SEED)') \
		$(if $(JSON),--json '$(abspath $(JSON))') $(if $(ONLY),--only '$(ONLY)')

chaos-steps: $(VENV)/.installed-dev ## kill host, cable or power before every single step of every device's transactions (STRIDE=1, ONLY=families)
	@exec $(BIN)/python -m tests.chaos.every_step $(if $(STRIDE),--stride '$(STRIDE)') $(if $(ONLY),--only '$(ONLY)')

chaos-planted: $(VENV)/.installed-dev ## plant a bug of each kind and show that the checker finds it (three minutes)
	@exec $(BIN)/python -m tests.chaos.planted

chaos-desk-planted: $(VENV)/.installed-dev ## plant a bug of each kind into the desk and say how many random days it takes to see it
	@exec $(BIN)/python -m tests.chaos.desk_planted
