#!/bin/bash
# A signed bundle of a slot's file: bundle.sh SLOT.img VERSION OUT.raucb
# RAUC_CERT and RAUC_KEY sign; RAUC_KEYRING, where given, is what the result is checked with.
set -euo pipefail
slot=$1 version=$2 out=$3
: "${RAUC_CERT:?}" "${RAUC_KEY:?}"
work=$(mktemp -d "$(dirname "$out")/bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/content"
ln "$slot" "$work/content/rootfs.img" 2> /dev/null || cp "$slot" "$work/content/rootfs.img"
echo "$version" > "$work/content/version"
cat > "$work/content/manifest.raucm" << END
[update]
compatible=${RAUC_COMPATIBLE:-kioskwire-x86_64}
version=$version
build=${SOURCE_DATE_EPOCH:-0}

[bundle]
format=verity

[image.rootfs]
filename=rootfs.img
END
rm -f "$out"
rauc ${RAUC_KEYRING:+--keyring="$RAUC_KEYRING"} --cert="$RAUC_CERT" --key="$RAUC_KEY" bundle "$work/content" "$out" > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
