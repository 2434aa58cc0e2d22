# The Debian package, and the archive for those who copy files. Both are made of the frozen program.

.PHONY: deb install-archive test-deb

deb: binary ## make dist/kioskwire-appliance_<version>_amd64.deb
	@packaging/deb/prepare.sh dpkg-buildpackage=dpkg-dev dh=debhelper lintian=lintian
	@rm -f dist/kioskwire-appliance_*_amd64.deb
	@python3 packaging/deb/build.py --program dist/appliance/kioskwire-appliance --out dist
	@lintian --fail-on error --allow-root dist/kioskwire-appliance_*_amd64.deb

install-archive: binary ## make dist/kioskwire-appliance-<version>-install.tar.xz: install.sh with all that it lays
	@python3 packaging/deb/archive.py --program dist/appliance/kioskwire-appliance --out dist

# As root: makes a Debian without a kernel, boots it, and does to the package what people do. DEB_TESTS=... goes to pytest.
test-deb: $(VENV)/.installed-dev freeze-venv ## try the package and install.sh in a Debian of their own (root, some minutes)
	@packaging/deb/prepare.sh dpkg-buildpackage=dpkg-dev dh=debhelper lintian=lintian mmdebstrap=mmdebstrap \
		systemd-nspawn=systemd-container shellcheck=shellcheck
	@KIOSKWIRE_TEST_DEB=1 $(BIN)/python -m pytest tests/deb --durations=0 $(DEB_TESTS)
