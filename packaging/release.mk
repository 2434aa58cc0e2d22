# Releases: what is published, signed. docs/releases.md says how one is made.

CHECK_VENV := .venv-release
CHECK_BIN := $(CHECK_VENV)/bin
CHANNEL ?= stable

.PHONY: wheel collect sign-release release channel lint-workflows

wheel: $(VENV)/.installed ## make dist/kioskwire-<version>-py3-none-any.whl, with both programs
	@mkdir -p dist; rm -rf dist/kioskwire-*.whl build/lib build/bdist.*
	@$(PIP) wheel --no-deps --wheel-dir dist .
	@ls dist/kioskwire-*.whl

# Takes what is there, and has what must be there made; `make deb image bundle` before it makes the rest.
collect: wheel pack $(CHECK_VENV)/.installed ## put what is published into dist/release/, with checksums and the list of what is inside
	@$(BIN)/python packaging/release/collect.py --dist dist --out dist/release \
		--freeze-python $(FREEZE_BIN)/python --check-python $(CHECK_BIN)/python

sign-release: $(VENV)/.installed ## sign dist/release/ (MINISIGN_KEY=file or RELEASE_KEY; else a development key)
	@$(BIN)/python packaging/release/sign.py --release dist/release

release: collect ## make everything a release has, and sign it
	@$(MAKE) --no-print-directory sign-release

channel: $(VENV)/.installed ## put the packed program of dist/release/ into a channel (CHANNEL=stable CHANNEL_DIR=dir)
	@if [ -z "$(CHANNEL_DIR)" ]; then \
		echo "make channel: say where the channel is: CHANNEL_DIR=/srv/updates/$(CHANNEL)"; exit 2; fi
	@$(BIN)/python packaging/release/manifest.py "$(CHANNEL_DIR)" --channel "$(CHANNEL)" \
		--add dist/release/kioskwire-appliance-$$($(BIN)/python -c 'from wire.version import VERSION; print(VERSION)')-linux-x86_64.tar.xz

lint-workflows: $(CHECK_VENV)/.installed ## check .github/workflows against their schema, and for what is dangerous in them
	@$(CHECK_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(CHECK_BIN)/zizmor --offline --no-progress --config .github/zizmor.yml .github/workflows

$(CHECK_VENV)/.installed: packaging/release/requirements.txt $(VENV)/.made
	@echo "Installing what checks a release into $(CHECK_VENV)"
	@rm -rf $(CHECK_VENV); $(BIN)/python -m venv $(CHECK_VENV)
	@$(CHECK_BIN)/python -m pip --disable-pip-version-check --no-input --quiet install -r packaging/release/requirements.txt
	@touch $@
