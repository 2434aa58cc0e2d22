# What the dashboard's pages load of other people's: from the npm registry into cloud/dashboard/vendor, which is not in
# the repository. packaging/assets/get.py says how; it ends well, with words, where there is no registry to reach.

VENDOR := cloud/dashboard/vendor/vendor.json
AXE := packaging/assets/node_modules/axe-core/axe.min.js
ASSETS_OF := packaging/assets/package-lock.json packaging/assets/get.py
GET_ASSETS = $(BIN)/python packaging/assets/get.py

.PHONY: assets assets-dev assets-must assets-clean

assets: $(VENDOR) ## get the dashboard's libraries from the npm registry (part of install)

assets-dev: $(AXE) $(VENDOR)

# For what is handed on: a wheel without them would lack them for ever.
assets-must: $(VENV)/.made
	@$(GET_ASSETS) --must

$(VENDOR): $(ASSETS_OF) | $(VENV)/.made
	@$(GET_ASSETS) && { [ ! -e $@ ] || touch $@; }

$(AXE): $(ASSETS_OF) | $(VENV)/.made
	@$(GET_ASSETS) --dev && { [ ! -e $@ ] || touch $@; }

assets-clean:
	rm -rf cloud/dashboard/vendor packaging/assets/node_modules

install demo docker-test: assets
install-dev test: assets-dev
wheel hub-binary: assets-must
distclean: assets-clean
