#!/bin/sh
# Run the suite, on all cores, on each version named (test-pythons.sh 3.12 3.13) that is installed and that .venv does
# not have; with the core compiled, if there is a C compiler (.venv runs it as plain Python). One that fails does not
# keep the others from running.
#
# What explores orders exhaustively, and takes a quarter of the time, runs on .venv's Python and on the last one named
# alone: it depends on the primitives, and on the form of the core, but hardly on the version.
set -eu

ours=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

for last in "$@"; do :; done

status=0
for version in "$@"; do
    [ "$version" != "$ours" ] || continue
    if ! python=$(sh scripts/find-python.sh "$version"); then
        echo "rescind: skipped Python $version: no python$version with venv on the PATH, nor in pyenv"
        continue
    fi
    environment=.venv-$version
    if [ ! -e "$environment/.installed" ] || [ -n "$(find pyproject.toml -newer "$environment/.installed")" ]; then
        sh scripts/venv.sh "$environment" "$python" test,ecosystem
    fi
    compiled=$(sh scripts/compiled.sh "$environment/bin/python") || exit 1
    form=${compiled:+compiled}
    set -- "$environment/bin/python" "$environment/pytest-cache"
    [ "$version" = "$last" ] || set -- "$@" --ignore=tests/models --ignore=tests/explorations --ignore=tests/laws
    echo "rescind: the suite on Python $version, its core ${form:-as plain Python}"
    PYTHONPATH=$compiled sh scripts/suite.sh "$@" || status=1
done
exit $status
