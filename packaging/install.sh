#!/bin/sh
# Installs the appliance by hand, on any Linux with systemd; the Debian package does the same and is to be preferred
# where there is dpkg. As root:
#
#   ./install.sh                       install, or bring up to date; settings are kept, a running operation is not cut
#   ./install.sh --dry-run             say what would be done
#   ./install.sh --uninstall           stop and remove it; settings and what it did are kept
#   ./install.sh --program DIR         the program in its one-folder form, if it does not lie beside this script
#   ./install.sh --no-start            do not start the service
#   ./install.sh --stage ROOT          only lay the files under ROOT, as the package's build does
#
# It may be run again at any time.
set -eu

here=$(dirname "$(readlink -f "$0")")
tree=$(dirname "$here") # of the sources, or of the unpacked archive, which has the same folders
program=
root=
dry=
start=yes
action=install
unit=kioskwire-appliance.service

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
}

while [ $# -gt 0 ]; do
    case $1 in
        --program | --stage)
            [ $# -ge 2 ] || fail "$1 needs a directory"
            [ "$1" = --program ] && program=$2 || root=$2
            [ "$1" = --program ] || action=stage
            shift
            ;;
        --dry-run) dry=yes ;;
        --uninstall) action=uninstall ;;
        --no-start) start= ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "$1 is not known; ./install.sh --help says what is" ;;
    esac
    shift
done

# do COMMAND...: or say it
do_() {
    if [ -n "$dry" ]; then
        echo "would: $*"
    else
        "$@"
    fi
}

# lay FILE MODE TARGET: put a file in its place, at once or not at all
lay() {
    target=$root$3
    if [ -f "$target" ] && cmp -s "$1" "$target" && [ "$(stat -c %a "$target")" = "$2" ]; then
        return 0
    fi
    do_ mkdir -p "$(dirname "$target")"
    do_ install -m "$2" "$1" "$target.new"
    do_ mv -f "$target.new" "$target"
}

# settings FILE MODE TARGET: the same, but what is there was edited by somebody; ours is laid beside it
settings() {
    if [ -e "$root$3" ]; then
        cmp -s "$1" "$root$3" || lay "$1" "$2" "$3.example"
    else
        lay "$1" "$2" "$3"
    fi
}

# what goes where, for the package as well; `each lay` lays it, `each remove` removes it
each() {
    "$1" "$tree/packaging/launch/kioskwire-launch" 755 /usr/lib/kioskwire/kioskwire-launch
    "$1" "$tree/packaging/launch/kioskwire-appliance" 755 /usr/bin/kioskwire-appliance
    "$1" "$tree/packaging/deb/kioskwire-versions" 755 /usr/lib/kioskwire/kioskwire-versions
    "$1" "$tree/systemd/kioskwire-backoff" 755 /usr/lib/kioskwire/kioskwire-backoff
    "$1" "$tree/packaging/udev/kioskwire-sockets" 755 /usr/sbin/kioskwire-sockets
    for file in "$tree"/systemd/kioskwire-appliance.service "$tree"/systemd/kioskwire-update.*; do
        [ -f "$file" ] && "$1" "$file" 644 "/lib/systemd/system/${file##*/}"
    done
    "$1" "$tree/systemd/kioskwire-appliance.sysusers" 644 /usr/lib/sysusers.d/kioskwire-appliance.conf
    "$1" "$tree/systemd/kioskwire-appliance.tmpfiles" 644 /usr/lib/tmpfiles.d/kioskwire-appliance.conf
    "$1" "$tree/systemd/journald-kioskwire.conf" 644 /usr/lib/systemd/journald.conf.d/60-kioskwire.conf
    for file in "$tree"/packaging/udev/*.rules; do
        "$1" "$file" 644 "/lib/udev/rules.d/${file##*/}"
    done
    "$1" "$tree/packaging/deb/kioskwire-appliance.8" 644 /usr/share/man/man8/kioskwire-appliance.8
}

each_setting() {
    for name in appliance.env routing_config.yaml release.pub; do
        "$1" "$tree/packaging/config/appliance/$name" 644 "/etc/kioskwire/$name"
    done
}

remove() {
    do_ rm -f "$root$3"
}

find_program() {
    for place in "$program" "$tree/kioskwire-appliance" "$tree/dist/appliance/kioskwire-appliance"; do
        if [ -n "$place" ] && [ -x "$place/kioskwire-appliance" ]; then
            program=$(readlink -f "$place")
            version=$("$program/kioskwire-appliance" --version | sed 's/.* //') && [ -n "$version" ] && return 0
            fail "the program in $place does not run here: it needs x86-64 and glibc 2.36 (Debian 12, Ubuntu 24.04)"
        fi
        [ -z "$program" ] || break
    done
    fail "the program was not found; --program names the folder that kioskwire-appliance lies in"
}

has_systemd() {
    [ -d /run/systemd/system ]
}

take_over() {
    do_ systemd-sysusers /usr/lib/sysusers.d/kioskwire-appliance.conf
    do_ systemd-tmpfiles --create /usr/lib/tmpfiles.d/kioskwire-appliance.conf
    if ! has_systemd; then
        echo "systemd does not run here: the service is laid down and enabled, not started"
        do_ systemctl enable --quiet "$unit"
        return 0
    fi
    do_ systemctl daemon-reload
    do_ systemctl try-restart systemd-journald.service
    if [ -S /run/udev/control ]; then # not in a container
        do_ udevadm control --reload || :
        do_ udevadm trigger --action=change --subsystem-match=tty --subsystem-match=usb --subsystem-match=usbmisc || :
    fi
    do_ systemctl enable --quiet "$unit"
    [ ! -f /lib/systemd/system/kioskwire-update.path ] || do_ systemctl enable --quiet --now kioskwire-update.path
    if systemctl is-active --quiet "$unit"; then
        do_ /usr/lib/kioskwire/kioskwire-versions renew
    elif [ -n "$start" ]; then
        do_ systemctl start --no-block "$unit"
    fi
}

case $action in
    stage)
        each lay
        each_setting lay
        ;;
    install)
        [ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "this has to be done by root"
        if [ -e /var/lib/dpkg/info/kioskwire-appliance.list ] && grep -q '/kioskwire-launch$' /var/lib/dpkg/info/kioskwire-appliance.list; then
            fail "the package kioskwire-appliance is installed here: bring that up to date, or remove it first"
        fi
        command -v systemd-sysusers >/dev/null || fail "systemd was not found"
        find_program
        echo "installing kioskwire-appliance $version"
        each lay
        each_setting settings
        do_ "$root/usr/lib/kioskwire/kioskwire-versions" take "$program" "$version"
        take_over
        [ -z "$dry" ] || exit 0
        if [ ! -e /var/lib/kioskwire/identity.json ]; then
            echo "tell this kiosk its hub at http://127.0.0.1:9091/setup, or by: kioskwire-appliance enroll"
        fi
        echo "settings: /etc/kioskwire; how it is: systemctl status kioskwire-appliance, http://127.0.0.1:9091/health"
        ;;
    uninstall)
        [ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "this has to be done by root"
        if has_systemd; then
            do_ systemctl disable --quiet --now "$unit" kioskwire-update.path 2>/dev/null || :
        else
            do_ systemctl disable --quiet "$unit" 2>/dev/null || :
        fi
        if [ -x /usr/lib/kioskwire/kioskwire-versions ]; then
            do_ /usr/lib/kioskwire/kioskwire-versions drop
        fi
        each remove
        if [ -z "$dry" ]; then
            rmdir /usr/lib/kioskwire 2>/dev/null || :
        fi
        ! has_systemd || do_ systemctl daemon-reload
        echo "kept: the settings in /etc/kioskwire, and what the kiosk did and has yet to tell in /var/lib/kioskwire"
        ;;
esac
