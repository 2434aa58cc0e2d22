#!/bin/bash
# Lays the frozen program into a system as the package would: lay-program.sh PROGRAM-DIR VERSION ROOT
set -euo pipefail
tree=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
program=$1 version=$2 root=$3
lib=$root/usr/lib/kioskwire
mkdir -p "$lib/appliance" "$root/etc/kioskwire" "$root/usr/lib/systemd/system" "$root/usr/lib/tmpfiles.d" \
    "$root/usr/lib/sysusers.d" "$root/usr/lib/udev/rules.d" "$root/usr/lib/systemd/journald.conf.d"
cp -a "$program" "$lib/appliance/$version"
chown -R 0:0 "$lib"
install -m 755 "$tree/packaging/launch/kioskwire-launch" "$lib/"
install -m 755 "$tree/packaging/launch/kioskwire-appliance" "$root/usr/bin/"
if [ -f "$tree/systemd/kioskwire-backoff" ]; then install -m 755 "$tree/systemd/kioskwire-backoff" "$lib/"; fi
for unit in "$tree"/systemd/kioskwire-{appliance,update}.{service,path,timer}; do
    if [ -f "$unit" ]; then install -m 644 "$unit" "$root/usr/lib/systemd/system/"; fi
done
install -m 644 "$tree/systemd/kioskwire-appliance.sysusers" "$root/usr/lib/sysusers.d/kioskwire-appliance.conf"
install -m 644 "$tree/systemd/kioskwire-appliance.tmpfiles" "$root/usr/lib/tmpfiles.d/kioskwire-appliance.conf"
install -m 644 "$tree/systemd/journald-kioskwire.conf" "$root/usr/lib/systemd/journald.conf.d/60-kioskwire.conf"
for rules in "$tree"/packaging/udev/*.rules; do
    if [ -f "$rules" ]; then install -m 644 "$rules" "$root/usr/lib/udev/rules.d/"; fi
done
systemd-sysusers --root="$root" kioskwire-appliance.conf
if [ -f "$root/usr/lib/systemd/system/kioskwire-update.path" ]; then
    SYSTEMD_OFFLINE=1 systemctl --root "$root" --quiet enable kioskwire-update.path
fi
: > "$root/etc/kioskwire/release.pub"
