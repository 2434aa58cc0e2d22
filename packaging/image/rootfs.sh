#!/bin/bash
# Debian's part of the image: a directory with the packages of packages.txt, without anything of ours.
#
# rootfs.sh DIRECTORY   makes DIRECTORY, owned by root. Packages come from where this machine's own apt gets them, or
# from IMAGE_SOURCES, a file with lines `deb …`. SOURCE_DATE_EPOCH is when files were last changed, at the latest.
set -euo pipefail
umask 022  # whatever the builder's is: these are modes of the kiosk
here=$(dirname "$(readlink -f "$0")")
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sources() {  # the lines of this machine's apt for Debian bookworm
    # shellcheck disable=SC2016  # these are variables of apt
    apt-get indextargets --format '$(REPO_URI) $(SUITE) $(CODENAME) $(ORIGIN) $(RELEASE)' 'Created-By: Packages' \
        | awk '$4 == "Debian" && $3 ~ /^bookworm/ { print $1, $5 }' | sort -u
}

# Firmware is asked for where bookworm itself lies; a mirror that has none is no reason to stop.
with_firmware() {  # prints the sources, with non-free-firmware behind main where there is such a component
    local uri suite
    while read -r uri suite; do
        echo "deb $uri $suite main" > "$work/try.list"
        sed -i 's/ main$/ non-free-firmware/' "$work/try.list"
        rm -rf "$work/lists"; mkdir -p "$work/lists/partial" "$work/none"
        if apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$work/try.list" -o Dir::Etc::SourceParts="$work/none" \
            -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" update > "$work/log" 2>&1 \
            && ! grep -q -E "^(W|E):" "$work/log"; then
            echo "deb $uri $suite main non-free-firmware"
        else
            echo "deb $uri $suite main"
        fi
    done
}

if [ -n "${IMAGE_SOURCES:-}" ]; then
    cp "$IMAGE_SOURCES" "$work/sources.list"
else
    sources > "$work/plain"
    if ! [ -s "$work/plain" ]; then
        apt-get -qq update
        sources > "$work/plain"
    fi
    if ! [ -s "$work/plain" ]; then
        echo "This machine's apt knows no Debian 12 (bookworm). Name a file with its sources: make image IMAGE_SOURCES=FILE" >&2
        exit 1
    fi
    with_firmware < "$work/plain" > "$work/sources.list"
fi

packages=$(sed -E 's/#.*//; /^firmware /d' "$here/packages.txt" | xargs | tr ' ' ,)
if grep -q non-free-firmware "$work/sources.list"; then
    packages+=,$(sed -nE 's/^firmware //p' "$here/packages.txt" | xargs | tr ' ' ,)
else
    echo "WARNING: no non-free-firmware here: this image has no firmware for Wi-Fi cards, and no microcode." >&2
fi
options=()
while read -r pattern; do
    case $pattern in
        '' | '#'*) ;;
        +*) options+=(--dpkgopt="path-include=${pattern#+}") ;;
        *) options+=(--dpkgopt="path-exclude=$pattern") ;;
    esac
done < "$here/leave-out.txt"

# shellcheck disable=SC2016  # $1 is the argument of the hook
mmdebstrap --quiet --mode=root --variant=essential --include="$packages" "${options[@]}" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/hooks" "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook="install -m 755 '$here/initramfs-hook' \"\$1/etc/initramfs-tools/hooks/kioskwire\"" \
    --essential-hook='printf "MODULES=list\nCOMPRESS=gzip\nRESUME=none\n" > "$1/etc/initramfs-tools/conf.d/kioskwire"' \
    bookworm "$target" "$work/sources.list"
