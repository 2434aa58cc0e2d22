#!/bin/sh
# prepare.sh PYTHON VENV: make a virtual environment that can freeze, of exact releases.
# As root it installs what Debian's Python lacks for that; else it says what to install.
set -eu
python=$1
venv=$2
constraints=packaging/constraints.txt

missing=
if ! command -v "$python" >/dev/null; then
    if [ "$python" != /usr/bin/python3.11 ]; then
        echo "make binary: there is no $python; name another by PYTHON_FREEZE=" >&2
        exit 1
    fi
    missing="python3.11"
fi
if [ -n "$missing" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing="$missing python3.11-venv"
fi
if ! command -v objdump >/dev/null || ! command -v strip >/dev/null; then
    missing="$missing binutils"
fi
shared='import ctypes, sys; ctypes.PyDLL("libpython%d.%d.so.1.0" % sys.version_info[:2])'
built='import sys, sysconfig; lib = sysconfig.get_config_var("LIBDIR") or ""; '
built="$built"'import os; sys.exit(not os.path.exists(os.path.join(lib, "libpython%d.%d.so.1.0" % sys.version_info[:2])))'
if [ -n "$missing" ] || ! { "$python" -c "$shared" || "$python" -c "$built"; } 2>/dev/null; then
    if [ "$python" != /usr/bin/python3.11 ]; then
        echo "make binary: $python comes without its shared library (build it with --enable-shared)" >&2
        exit 1
    fi
    missing="$missing libpython3.11"
fi
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # several packages
    set -- $missing
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "make binary: what freezes is missing. Install it, then run make again:" >&2
        echo "    sudo apt-get install -y $*" >&2
        exit 1
    fi
    echo "Installing $* to freeze with"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 \
        || { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null; } \
        || { echo "make binary: apt-get could not install $*; see above" >&2; exit 1; }
fi

# Whether it is made already, of the same releases, where it stands now.
wanted=$("$python" packaging/freeze/requirements.py "$constraints"; "$python" -VV; pwd)
if [ "$(cat "$venv/made-of" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c 'import PyInstaller' 2>/dev/null; then
    exit 0
fi
echo "Installing what freezes into $venv"
rm -rf "$venv"
"$python" -m venv "$venv"
"$python" packaging/freeze/requirements.py > "$venv/requirements.txt"
"$venv/bin/python" -m pip --disable-pip-version-check --no-input --quiet --quiet \
    install --constraint "$constraints" --requirement "$venv/requirements.txt"
echo "$wanted" > "$venv/made-of"
