#!/bin/sh
# Make a virtual environment and install this project into it, editable.
#
#   venv.sh DIRECTORY PYTHON EXTRA
#
# An environment that works is kept and brought up to date; one that is broken, or that belongs to another version of
# Python, is made anew. The file DIRECTORY/.installed marks the end.
set -eu

directory=$1 python=$2 extra=$3

fail() {
    printf 'rescind: %s\n' "$@" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "there is no '$python' here." "Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
    fail "'$python' does not run. Name another interpreter: make PYTHON=/path/to/python3"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$python' is Python $version, but rescind needs 3.11 or newer." \
        "Name a newer one: make PYTHON=/path/to/python3.12"

"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "'$python' (Python $version) cannot make virtual environments: its venv or ensurepip module is missing." \
        "On Debian and Ubuntu: apt install python$version-venv"

rm -f "$directory/.installed"
existing=$("$directory/bin/python" -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
if [ "$existing" != "$version" ]; then
    echo "rescind: making $directory with Python $version"
    "$python" -m venv --clear "$directory"
fi

echo "rescind: installing rescind[$extra] into $directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extra]"
touch "$directory/.installed"
