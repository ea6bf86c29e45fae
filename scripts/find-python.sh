#!/bin/sh
# Print the path of a Python of the version asked for (find-python.sh 3.12), or print nothing and fail.
#
# PATH comes first, then pyenv. A candidate counts only if it runs and is of that version: pyenv puts launchers on the
# PATH for versions that are installed but not selected, and those only print an error.
set -u

wanted=$1

for candidate in "$(command -v "python$wanted" 2>/dev/null)" \
    "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/"$wanted"*/bin/python; do
    [ -n "$candidate" ] && [ -x "$candidate" ] || continue
    found=$("$candidate" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if [ "$found" = "$wanted" ]; then
        echo "$candidate"
        exit 0
    fi
done
exit 1
