#!/bin/bash
# What `make image` and `make bundle` do: make.sh image|bundle, or make.sh tools [test], which installs what is needed.
# and base, which makes Debian's part and says where it lies.
#
# In the environment:
#   RAUC_CERT, RAUC_KEY    certificate and key that sign bundles (PEM); without them keys for trials are made in .state
#   RAUC_KEYRING           what kiosks check bundles with: the authority's certificate; without it RAUC_CERT
#   RELEASE_PUB            minisign keys whose updates of the appliance alone are taken; without it the package's file
#   IMAGE_SOURCES          a file with `deb ...` lines, where this machine's apt is not Debian 12's
#   IMAGE_COMPRESSION      xz, or gzip: larger, in a quarter of the time
#   DEV_PASSWORD           root's password on the console, for trials
#   APPLIANCE_DEB          the package to install; without it `make deb` makes it
#   SOURCE_DATE_EPOCH      when files were last changed; without it, when the commit was made
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
tree=$(readlink -f "$here/../..")
cd "$tree"
state=$tree/.state/image
what=${1:-}

# command and the package of Debian that brings it
tools="mmdebstrap:mmdebstrap mksquashfs:squashfs-tools mkfs.vfat:dosfstools mcopy:mtools grub-mkimage:grub-common
sfdisk:fdisk mke2fs:e2fsprogs zstd:zstd rauc:rauc openssl:openssl make:make"
test_tools="qemu-system-x86_64:qemu-system-x86 ssh:openssh-client"

need_tools() {
    local missing=() pair list=$tools
    if [ "${1:-}" = test ]; then list="$list $test_tools"; fi
    for pair in $list; do
        command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
    done
    [ -f /usr/lib/grub/x86_64-efi/moddep.lst ] || missing+=(grub-efi-amd64-bin)
    if [ "${1:-}" = test ] && ! [ -f /usr/share/OVMF/OVMF_CODE_4M.fd ]; then missing+=(ovmf); fi
    if [ "$(id -u)" != 0 ]; then
        echo "An image holds files of many owners: only root can build it. Try: sudo make $what" >&2
        if [ ${#missing[@]} -gt 0 ]; then echo "And first: apt-get install -y ${missing[*]}" >&2; fi
        exit 1
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        echo "Installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null 2>&1 \
            || { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null; }
    fi
}

keys() {
    if [ -n "${RAUC_KEY:-}" ] && [ -n "${RAUC_CERT:-}" ]; then
        RAUC_KEYRING=${RAUC_KEYRING:-$RAUC_CERT}
    else
        "$here/dev-keys.sh" "$state/keys-for-trials"
        RAUC_CERT=$state/keys-for-trials/cert.pem
        RAUC_KEY=$state/keys-for-trials/key.pem
        RAUC_KEYRING=$state/keys-for-trials/ca.pem
        cat >&2 << 'END'
**********************************************************************************************************
  FOR TRIALS ONLY: no RAUC_CERT and RAUC_KEY were given, so bundles are signed with keys made here, in
  .state/image/keys-for-trials. Do not send such an image to a customer: who has this directory owns it.
**********************************************************************************************************
END
    fi
    export RAUC_CERT RAUC_KEY RAUC_KEYRING
}

# base: Debian's part, kept for as long as its recipe and the day stay the same
base() {
    local key
    key=$(cat "$here"/{rootfs.sh,packages.txt,leave-out.txt,initramfs-hook} ${IMAGE_SOURCES:+"$IMAGE_SOURCES"} | sha256sum | cut -c 1-16)
    base=$state/base-$key-$(date -u +%Y%m%d)
    if ! [ -d "$base" ]; then
        echo "Debian's part: $(basename "$base")" >&2
        rm -rf --one-file-system "$state"/base-*
        mkdir -p "$state"
        "$here/rootfs.sh" "$base.new" > "$state/base.log" 2>&1 || { tail -n 30 "$state/base.log" >&2; exit 1; }
        grep WARNING "$state/base.log" >&2 || true
        mv "$base.new" "$base"
    fi
}

system() {
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 1767225600)}
    version=$(sed -n 's/^VERSION = "\(.*\)"/\1/p' wire/version.py)
    base
    local from=()
    if [ -n "${APPLIANCE_DEB:-}" ]; then
        from=(--deb "$APPLIANCE_DEB")
    else
        make --no-print-directory deb
        from=(--deb "$tree/dist/kioskwire-appliance_${version/rc/\~rc}_amd64.deb")
    fi
    slot=$state/system-$version.img
    # `make image bundle` packs the same system once.
    local key
    key=$({
        echo "$base $version $SOURCE_DATE_EPOCH ${IMAGE_COMPRESSION:-xz} ${DEV_PASSWORD:-}"
        cat "${from[1]}" "$RAUC_KEYRING" "$here/system.sh" ${RELEASE_PUB:+"$RELEASE_PUB"}
        find "$here/system" -type f -print0 | sort -z | xargs -0 cat
    } | sha256sum)
    if [ -f "$slot" ] && [ "$(cat "$slot.key" 2> /dev/null)" = "$key" ]; then return; fi
    rm -f "$state"/system-*
    echo "The system $version: squashfs, ${IMAGE_COMPRESSION:-xz}"
    "$here/system.sh" --base "$base" --version "$version" --keyring "$RAUC_KEYRING" --out "$slot" "${from[@]}"
    echo "$key" > "$slot.key"
    mkdir -p dist
    cp "$state/system-$version.packages.txt" "dist/kioskwire-appliance-$version.packages.txt"
}

case $what in
    tools) need_tools "${2:-}" ;;
    base)
        export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 1767225600)}
        need_tools
        base
        echo "$base"
        ;;
    image)
        need_tools
        keys
        system
        disk=$state/disk-$version.img
        "$here/disk.sh" "$slot" "$disk"
        out=dist/kioskwire-appliance-$version.img.zst
        zstd -q -f -10 -T0 "$disk" -o "$out"
        rm -f "$disk"
        echo "$out: $(($(stat -c %s "$out") / 1000000)) MB, sha256 $(sha256sum "$out" | cut -c 1-64)"
        ;;
    bundle)
        need_tools
        keys
        system
        out=dist/kioskwire-$version.raucb
        "$here/bundle.sh" "$slot" "$version" "$out"
        echo "$out: $(($(stat -c %s "$out") / 1000000)) MB"
        ;;
    *)
        echo "right would be: make.sh image | bundle | base | tools [test]" >&2
        exit 2
        ;;
esac
