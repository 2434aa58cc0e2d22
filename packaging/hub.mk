# What the hub's deployment is tried with. None of it is part of `make test`: each needs programs of the system's, and
# installs them when it is run as root.

.PHONY: test-postgresql test-upgrade test-failover test-proxies docker-test

test-postgresql: $(VENV)/.installed-dev ## run all tests of the hub on a real PostgreSQL instead of SQLite (4 min)
	@$(BIN)/python -m tests.cloud.all_on_postgresql

test-upgrade: $(VENV)/.installed-dev ## change the schema under a running hub of the version before (1 min; PostgreSQL, git)
	@KIOSKWIRE_TEST_DATABASES=1 $(BIN)/python -m pytest -s tests/databases/test_upgrade.py

test-failover: $(VENV)/.installed-dev ## lose PostgreSQL's primary in each way and promote its standby under callers (3 min)
	@KIOSKWIRE_TEST_DATABASES=1 $(BIN)/python -m pytest -s tests/databases/test_failover.py

test-proxies: $(VENV)/.installed-dev ## a kiosk, callers and events through a real Caddy and a real nginx in front of a hub, and of two (5 min)
	@KIOSKWIRE_TEST_PROXIES=1 $(BIN)/python -m pytest tests/proxies

docker-test: $(VENV)/.installed-dev ## build and run the hub's image by buildah and podman, without a Docker engine (5 min; root)
	@PYTHONPATH=$(CURDIR) $(BIN)/python packaging/docker/try.py
