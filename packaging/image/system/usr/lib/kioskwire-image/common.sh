# What the scripts beside this one share. Every place can be another one, for tests.
# shellcheck shell=sh disable=SC2034

esp=${KIOSKWIRE_ESP:-/esp}             # the boot partition: FAT, read-only except while something is written
data=${KIOSKWIRE_DATA:-/data}
state=${STATE_DIR:-/var/lib/kioskwire} # the appliance's own
run=${KIOSKWIRE_RUN:-/run/kioskwire-image}
memory=$data/image                     # what is remembered of versions: good, bad, trial
settings=$data/settings
lib=${KIOSKWIRE_IMAGE_LIB:-/usr/lib/kioskwire-image}

say() {
    printf 'kioskwire-image: %s\n' "$*" >&2
}

# may_give: whether files can be given to the appliance's user; not in a test
may_give() {
    [ "$(id -u)" = 0 ] && id -u kioskwire > /dev/null 2>&1
}

# replace FILE MODE [OWNER]: puts what is on stdin in its place, whole or not at all, and on the disk
replace() {
    _new=$1.new
    (umask 077 && cat > "$_new") && chmod "$2" "$_new" || return 1
    if [ $# -gt 2 ] && may_give; then chown "$3" "$_new" || return 1; fi
    sync "$_new" && mv -f "$_new" "$1" && sync "$(dirname "$1")"
}

# line FILE NUMBER: that word of the first line; empty where there is none
word() {
    [ -f "$1" ] || return 0
    awk -v n="$2" 'NR == 1 { print $n }' "$1"
}

# on_esp COMMAND...: with the boot partition writable for that long, and by nobody else
on_esp() {
    [ -d "$run" ] || mkdir -p "$run"
    (
        flock -w 30 9 || exit 1
        _mounted=
        if mountpoint -q "$esp"; then
            _mounted=yes
            mount -o remount,rw "$esp" || exit 1
        fi
        "$@"
        _status=$?
        sync -f "$esp"
        if [ -n "$_mounted" ]; then mount -o remount,ro "$esp"; fi
        exit "$_status"
    ) 9> "$run/esp.lock"
}

# image_version: of the system that runs
image_version() {
    # shellcheck source=/dev/null
    (. "${KIOSKWIRE_OS_RELEASE:-/etc/os-release}" && echo "${IMAGE_VERSION:-}")
}

# is_version TEXT: MAJOR.MINOR.PATCH, perhaps with rcN
is_version() {
    printf '%s\n' "$1" | grep -q -x -E '[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(rc[1-9][0-9]{0,3})?'
}

# newer A B: whether A comes after B; a candidate comes before its version
newer() {
    dpkg --compare-versions "$(echo "$1" | sed 's/rc/~rc/')" gt "$(echo "$2" | sed 's/rc/~rc/')"
}

# is_listed VERSION FILE: whether a line of FILE begins with VERSION
is_listed() {
    [ -f "$2" ] && awk -v v="$1" '$1 == v { found = 1 } END { exit !found }' "$2"
}

# note_down VERSION FILE [WORDS]: a line of its own, once
note_down() {
    is_listed "$1" "$2" && return 0
    { if [ -f "$2" ]; then cat "$2"; fi && echo "$1${3:+ $3}"; } | replace "$2" 644
}

# booted_slot: A or B; empty where the machine was not started from one
booted_slot() {
    sed -n 's/.*\brauc\.slot=\([AB]\)\b.*/\1/p' "${KIOSKWIRE_CMDLINE:-/proc/cmdline}"
}

other_slot() {
    if [ "$1" = A ]; then echo B; else echo A; fi
}

# may_install VERSION: whether it may follow the one that runs; says why not
may_install() {
    _running=$(image_version)
    if ! is_version "$1"; then
        say "'$1' is no version; right would be MAJOR.MINOR.PATCH"
        return 1
    fi
    if is_listed "$1" "$memory/bad"; then
        say "$1 was tried and did not prove itself; kioskwire-image forgive $1 lets it be tried again"
        return 1
    fi
    if [ "$1" = "$_running" ]; then
        say "$1 is what runs already"
        return 1
    fi
    if ! newer "$1" "$_running"; then
        say "$1 is older than $_running, which runs: there is no way back to an older version"
        return 1
    fi
    if [ -s "$memory/floor" ] && newer "$(word "$memory/floor" 1)" "$1"; then
        say "$1 is older than $(word "$memory/floor" 1), which has proved itself here: there is no way back to an older version"
        return 1
    fi
}

# health: the page of the running appliance, or nothing
health() {
    _port=$(sed -n 's/^[[:blank:]]*HEALTH_CHECK_PORT[[:blank:]]*=[[:blank:]]*\([0-9]\{1,5\}\).*/\1/p' "$settings/appliance.env" 2> /dev/null | tail -n 1)
    wget -q -O - -T 10 -t 1 --content-on-error "http://127.0.0.1:${_port:-9091}/health" 2> /dev/null || true
}
