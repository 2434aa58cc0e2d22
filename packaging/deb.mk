# The Debian package, and the archive for those who copy files. Both are made of the frozen program.

.PHONY: deb deb-tools install-archive test-deb

# What is missing is said before a minute went into freezing. The Python that freezes does the rest: a Debian that has
# just python3.11 has no python3.
deb: deb-tools binary ## make dist/kioskwire-appliance_<version>_amd64.deb
	@rm -f dist/kioskwire-appliance_*_amd64.deb
	@$(FREEZE_BIN)/python packaging/deb/build.py --program dist/appliance/kioskwire-appliance --out dist
	@lintian --fail-on error --allow-root dist/kioskwire-appliance_*_amd64.deb

install-archive: binary ## make dist/kioskwire-appliance-<version>-install.tar.xz: install.sh with all that it lays
	@$(FREEZE_BIN)/python packaging/deb/archive.py --program dist/appliance/kioskwire-appliance --out dist

deb-tools:
	@packaging/deb/prepare.sh dpkg-buildpackage=dpkg-dev dh=debhelper lintian=lintian

# As root: makes a Debian without a kernel, boots it, and does to the package what people do. DEB_TESTS=... goes to pytest.
test-deb: $(VENV)/.installed-dev freeze-venv ## try the package and install.sh in a Debian of their own (root, some minutes)
	@packaging/deb/prepare.sh dpkg-buildpackage=dpkg-dev dh=debhelper lintian=lintian mmdebstrap=mmdebstrap \
		systemd-nspawn=systemd-container shellcheck=shellcheck
	@KIOSKWIRE_TEST_DEB=1 $(BIN)/python -m pytest tests/deb --durations=0 $(DEB_TESTS)
