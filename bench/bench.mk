# Measurements side by side with named peers. Included by the main Makefile, which says what $(VENV) is and how
# install-dev fills it. BENCH_ARGS are handed on: make bench BENCH_ARGS="--quick --only fastapi kioskwire"

BENCH_ENVS := .venv-bench

.PHONY: bench bench-devices bench-telegram bench-dashboard bench-tabs bench-fleet bench-clean storm
bench: $(BENCH_ENVS)/fastapi.stamp $(BENCH_ENVS)/crossbar.stamp | install-dev ## measure hub and appliance beside named peers (BENCH_ARGS="--quick")
	@$(VENV)/bin/python -m bench.run $(BENCH_ARGS)

# A peer that cannot be installed is no failure of ours: it is tried again next time, and reported as not run.
$(BENCH_ENVS)/%.stamp: bench/requirements-%.txt | install-dev
	@mkdir -p $(BENCH_ENVS)
	@rm -f $@ $(BENCH_ENVS)/$*.failed
	@echo "Installing the peer $* into $(BENCH_ENVS)/$*"
	@if $(VENV)/bin/python -m venv --clear $(BENCH_ENVS)/$* && \
	    $(BENCH_ENVS)/$*/bin/python -m pip --disable-pip-version-check --no-input --quiet install -r $< \
	        2> $(BENCH_ENVS)/$*.log; then \
		touch $@; \
	else \
		grep -v '^WARNING' $(BENCH_ENVS)/$*.log | tail -n 1 > $(BENCH_ENVS)/$*.failed; \
		echo "The peer $* could not be installed ($(BENCH_ENVS)/$*.log says why); the runner goes on without it"; \
	fi

bench-devices: | install-dev ## measure polling and acknowledging eight devices beside pyserial threads (SECONDS=20, JSON=file)
	@$(VENV)/bin/python -m bench.devices $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(JSON),--json '$(abspath $(JSON))')

bench-telegram: | install-dev ## measure what the bot, the operation log and alerts cost the hub (PARTS="cost bodies alerts soak")
	@$(VENV)/bin/python -m bench.telegram_cost $(PARTS) $(BENCH_ARGS)

bench-dashboard: | install-dev ## measure every page of the dashboard with 1,000 kiosks (BENCH_ARGS="--operations 1000000")
	@$(VENV)/bin/python -m bench.dashboard $(BENCH_ARGS)

bench-tabs: | install-dev ## what twenty open dashboards cost those who send (2 min)
	@$(VENV)/bin/python -m bench.tabs $(BENCH_ARGS)

storm: | install-dev ## kill a hub under 10,000 kiosks and see how they come back (KIOSKS=10000, JSON=file, BENCH_ARGS="--hubs 1")
	@$(VENV)/bin/python -m bench.storm $(if $(KIOSKS),--kiosks '$(KIOSKS)') $(if $(JSON),--json '$(abspath $(JSON))') $(BENCH_ARGS)

bench-fleet: $(BENCH_ENVS)/nats.stamp $(BENCH_ENVS)/crossbar.stamp | install-dev ## measure several hubs beside NATS and Crossbar, and 15,000 idle kiosks (BENCH_ARGS="--quick")
	@$(VENV)/bin/python -m bench.fleet $(BENCH_ARGS)

bench-clean: ## remove the virtual environments of the peers
	rm -rf $(BENCH_ENVS)

.PHONY: screenshots
screenshots: $(VENV)/.installed-dev assets-dev ## pictures of the pages of a hub and kiosks that live, into docs/pictures (ONLY=overview)
	@$(VENV)/bin/python -m tests.browser.pictures $(ONLY)
