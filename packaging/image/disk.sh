#!/bin/bash
# A disk to be flashed, without loop devices and mounts: disk.sh SLOT.img DISK.img
#
#   1  esp      128 MiB  FAT: GRUB with its static grub.cfg and its variables; what an engineer lays there
#   2  root-a   448 MiB  the system, squashfs
#   3  root-b   448 MiB  empty
#   4  data      64 MiB  ext4; the first start grows it to the end of the disk
set -euo pipefail
export TZ=UTC  # FAT keeps local times
here=$(dirname "$(readlink -f "$0")")
slot=$1 disk=$2
: "${SOURCE_DATE_EPOCH:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mib=1048576
esp_mib=128 root_mib=448 data_mib=64
if [ "$(stat -c %s "$slot")" -gt $((root_mib * mib)) ]; then
    echo "$slot is larger than a slot, which has $root_mib MiB" >&2
    exit 1
fi

grub-mkimage -O x86_64-efi -p /grub -o "$work/BOOTX64.EFI" \
    part_gpt fat squash4 xzio gzio normal configfile linux loadenv test regexp probe echo sleep reboot minicmd \
    all_video efi_gop efi_uga gfxterm boot ls cat
variables=$(printf '# GRUB Environment Block\nORDER=A B\nA_OK=1\nA_GOOD=0\nA_TRY=\nB_OK=0\nB_GOOD=0\nB_TRY=')
{
    echo "$variables"
    head -c $((1023 - ${#variables})) /dev/zero | tr '\0' '#'
} > "$work/grubenv"
cp "$work/grubenv" "$work/grubenv.2"
cp "$here/grub.cfg" "$work/grub.cfg"
sed 's/$/\r/' "$here/README-esp.txt" > "$work/README.txt"
touch -d "@$SOURCE_DATE_EPOCH" "$work"/*

truncate -s $((esp_mib * mib)) "$work/esp"
mkfs.vfat --invariant -F 32 -n KIOSKWIRE "$work/esp" > /dev/null
export MTOOLS_SKIP_CHECK=1
mmd -D s -i "$work/esp" ::EFI ::EFI/BOOT ::grub ::network
mcopy -m -i "$work/esp" "$work/BOOTX64.EFI" ::EFI/BOOT/BOOTX64.EFI
mcopy -m -i "$work/esp" "$work/grub.cfg" "$work/grubenv" "$work/grubenv.2" ::grub/
mcopy -m -i "$work/esp" "$work/README.txt" ::README.txt

truncate -s $((data_mib * mib)) "$work/data"
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -L data -b 4096 -i 16384 -J size=16 -m 1 \
    -U 5d5f6c1e-0a60-4f0a-9d36-6b696f736b77 -E hash_seed=5d5f6c1e-0a60-4f0a-9d36-6b696f736b78,lazy_itable_init=0,lazy_journal_init=0 \
    "$work/data"

total=$((1 + esp_mib + 2 * root_mib + data_mib + 1))
rm -f "$disk"
truncate -s $((total * mib)) "$disk"
sfdisk --quiet "$disk" << END
label: gpt
label-id: 6B696F73-6B77-4972-8500-000000000000
first-lba: 2048
start=1MiB, size=${esp_mib}MiB, type=uefi, name=esp, uuid=6B696F73-6B77-4972-8500-000000000001
size=${root_mib}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root-a, uuid=6B696F73-6B77-4972-8500-000000000002
size=${root_mib}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root-b, uuid=6B696F73-6B77-4972-8500-000000000003
size=${data_mib}MiB, type=linux, name=data, uuid=6B696F73-6B77-4972-8500-000000000004
END
lay() { dd if="$1" of="$disk" bs=1M seek="$2" conv=notrunc,sparse status=none; }
lay "$work/esp" 1
lay "$slot" $((1 + esp_mib))
lay "$work/data" $((1 + esp_mib + 2 * root_mib))
