#!/bin/bash
# A whole system: Debian's part (rootfs.sh), the appliance, and what makes of both a kiosk; then the slot's file.
#
# system.sh --base DIR --version X.Y.Z --keyring PEM --out FILE.img (--deb FILE | --program DIR) [--work DIR]
#
# --program takes the frozen program in its one-folder form and lays it as the package would. In the environment:
# IMAGE_COMPRESSION  xz (what is released), or gzip: in a quarter of the time, for trials
# DEV_PASSWORD       root may log in on the console with it; such an image says so, and is never released
# RELEASE_PUB        minisign keys whose releases of the appliance alone are taken: /etc/kioskwire/release.pub
# CONFIRM_WITHIN     seconds a new system has to be well; 180
# BREAK              appliance: one that never becomes well, for the tests of the way back
set -euo pipefail
umask 022  # whatever the builder's is: these are modes of the kiosk
here=$(dirname "$(readlink -f "$0")")
tree=$(readlink -f "$here/../..")
base='' version='' keyring='' out='' deb='' program='' work=''
while [ $# -gt 0 ]; do
    case $1 in
        --base) base=$2 ;; --version) version=$2 ;; --keyring) keyring=$2 ;; --out) out=$2 ;;
        --deb) deb=$2 ;; --program) program=$2 ;; --work) work=$2 ;;
        *) echo "system.sh: $1 is not known" >&2; exit 2 ;;
    esac
    shift 2
done
: "${base:?}" "${version:?}" "${keyring:?}" "${out:?}" "${SOURCE_DATE_EPOCH:?}"
own=
if [ -z "$work" ]; then
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/kioskwire-image.XXXXXX")
    own=yes
fi
mkdir -p "$work"
root=$work/root
trap '[ -z "$own" ] || rm -rf --one-file-system "$work"' EXIT
rm -rf --one-file-system "$root"
cp -a "$base" "$root"

# Users have the same numbers in every system: their files on the data partition outlive systems.
groupadd --root "$root" --system --gid 960 kioskwire
useradd --root "$root" --system --uid 960 --gid 960 --home-dir /var/lib/kioskwire --no-create-home \
    --shell /usr/sbin/nologin kioskwire

if [ -n "$deb" ]; then
    cp "$deb" "$root/kioskwire.deb"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        dpkg --force-confnew --force-depends -i /kioskwire.deb > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; exit 1; }
    rm "$root/kioskwire.deb"
else
    "$here/lay-program.sh" "${program:?either --deb or --program}" "$version" "$root"
fi

# Settings live on the data partition; the package's own serve a kiosk that was told nothing yet.
share=$root/usr/share/kioskwire-image
mkdir -p "$share" "$root/etc/kioskwire"
for name in appliance.env routing_config.yaml; do
    if [ -f "$root/etc/kioskwire/$name" ]; then
        cp "$root/etc/kioskwire/$name" "$share/$name"
    elif [ -f "$tree/packaging/config/appliance/$name" ]; then
        cp "$tree/packaging/config/appliance/$name" "$share/$name"
    fi
    ln -sfn "/data/settings/$name" "$root/etc/kioskwire/$name"
done

cp -a --no-preserve=ownership "$here/system/." "$root/"
chmod 644 "$root/etc/fstab"
install -m 644 "$keyring" "$root/etc/rauc/keyring.pem"
if [ -n "${RELEASE_PUB:-}" ]; then install -m 644 "$RELEASE_PUB" "$root/etc/kioskwire/release.pub"; fi
if [ -n "${CONFIRM_WITHIN:-}" ]; then echo "$CONFIRM_WITHIN" > "$root/usr/lib/kioskwire-image/confirm-within"; fi
if [ "${BREAK:-}" = appliance ]; then
    mkdir -p "$root/etc/systemd/system/kioskwire-appliance.service.d"
    printf '[Service]\nEnvironment=PROXY_URL=http://127.0.0.1:9\n' \
        > "$root/etc/systemd/system/kioskwire-appliance.service.d/broken.conf"
fi
{
    grep -v -E '^IMAGE_(ID|VERSION)=' "$root/usr/lib/os-release"
    echo "DEFAULT_HOSTNAME=kiosk"
    echo "IMAGE_ID=kioskwire"
    echo "IMAGE_VERSION=$version"
} > "$work/os-release"
cp "$work/os-release" "$root/usr/lib/os-release"

# One name for the kernel in every system, as grub.cfg, which is never written again, has it.
mv "$root"/boot/vmlinuz-* "$root/boot/vmlinuz"
mv "$root"/boot/initrd.img-* "$root/boot/initrd.img"
rm -f "$root"/boot/System.map-* "$root"/boot/config-* "$root"/vmlinuz* "$root"/initrd.img*

: > "$root/etc/machine-id"
rm -f "$root/etc/hostname"  # /usr/lib/kioskwire-image/identity gives the name
printf '127.0.0.1 localhost\n127.0.1.1 kiosk\n::1 localhost ip6-localhost ip6-loopback\n' > "$root/etc/hosts"
ln -sfn ../run/NetworkManager/resolv.conf "$root/etc/resolv.conf"
ln -sfn /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"
rm -f "$root"/etc/ssh/ssh_host_*
mkdir -p "$root/data" "$root/esp"
sed -i 's/^root:[^:]*:/root:*:/' "$root/etc/shadow"
if [ -n "${DEV_PASSWORD:-}" ]; then
    echo "WARNING: root has a password in this image: for trials only." >&2
    hash=$(openssl passwd -6 -salt kioskwire "$DEV_PASSWORD")
    sed -i "s|^root:[^:]*:|root:$hash:|" "$root/etc/shadow"
fi
sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1:20454:/' "$root/etc/shadow"
rm -f "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- "$root/etc/.pwd.lock"

units() { SYSTEMD_OFFLINE=1 systemctl --root "$root" --quiet "$@"; }
units enable kioskwire-identity kioskwire-import kioskwire-judge kioskwire-confirm kioskwire-screen \
    kioskwire-bundles.path kioskwire-image-auto.timer kioskwire-appliance NetworkManager ModemManager ssh systemd-timesyncd fstrim.timer
units disable NetworkManager-wait-online e2scrub_reap e2scrub_all.timer dpkg-db-backup.timer remote-fs.target \
    systemd-pstore 2> /dev/null || true
units mask ctrl-alt-del.target systemd-firstboot.service systemd-machine-id-commit.service \
    getty-static.service autovt@.service systemd-hwdb-update.service systemd-update-done.service

# /var is new at each start, from tmpfiles.d; what the packages were is kept for who asks.
cp "$root/var/lib/dpkg/status" "$share/dpkg-status"
# shellcheck disable=SC2016  # dpkg's own variables
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' > "$share/packages.txt"
rm -rf --one-file-system "${root:?}/var" "$root/tmp" "$root/run"
mkdir -m 755 "$root/var" "$root/run"
mkdir -m 1777 "$root/tmp"
rm -rf "$root"/etc/initramfs-tools "$root"/usr/share/initramfs-tools "$root"/etc/kernel "$root"/etc/apt \
    "$root"/etc/cron.* "$root"/usr/share/doc-base "$root"/usr/share/debconf "$root"/etc/NetworkManager/system-connections
find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"

case ${IMAGE_COMPRESSION:-xz} in
    xz) compression=(-comp xz -b 256K -Xbcj x86) ;;
    gzip) compression=(-comp gzip -b 128K -Xcompression-level 1) ;;
    *) echo "IMAGE_COMPRESSION is '$IMAGE_COMPRESSION'; right would be xz or gzip" >&2; exit 2 ;;
esac
mkdir -p "$(dirname "$out")"
rm -f "$out"
nice mksquashfs "$root" "$out" "${compression[@]}" -noappend -no-progress -no-exports -xattrs > "$work/squashfs.log" \
    || { cat "$work/squashfs.log" >&2; exit 1; }
cp "$share/packages.txt" "${out%.img}.packages.txt"
