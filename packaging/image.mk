# The flashable image and its bundles; packaging/image/make.sh says what may be set.

IMAGE := packaging/image/make.sh

.PHONY: image bundle image-test

image: ## build a flashable disk image, as root: dist/kioskwire-appliance-VERSION.img.zst
	@$(IMAGE) image

bundle: ## build a signed update of the image, as root: dist/kioskwire-VERSION.raucb
	@$(IMAGE) bundle

image-test: $(VENV)/.installed-dev ## boot the image in QEMU and try all that may happen to it, as root; an hour (SCENARIO=name)
	@$(IMAGE) tools test
	@$(BIN)/python -m tests.image $(if $(SCENARIO),--only $(SCENARIO))
