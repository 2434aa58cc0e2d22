#!/bin/sh
# Sees to it that the Debian packages that are named are there: as root installs them, else says what to type.
#   prepare.sh COMMAND=PACKAGE...
set -eu
missing=
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "this needs Debian's packages$missing; there is no apt-get here"
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "this needs packages that are not there. Install them, then run make again:"
    echo "    sudo apt-get install -y --no-install-recommends$missing"
    exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # words are meant
apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; } ||
    { echo "apt-get could not install$missing; see above"; exit 1; }
