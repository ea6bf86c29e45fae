#!/bin/sh
# Run the suite, on all cores, on each version named (test-pythons.sh 3.12 3.13) that is installed and that .venv does
# not have; with the core compiled, if there is a C compiler (.venv runs it as plain Python). One that fails does not
# keep the others from running.
#
# With --prepare no suite runs, and what it needs is made: environments, the compiled core, the tests as pytest rewrites
# them. That may run beside other things: who comes second waits.
#
# Of the core as plain Python, which 3.11 does not run as newer Pythons do (frames, the recursion of C), the last one
# named runs what is nearest to it as well: half a minute.
#
# Two things run on .venv's Python and on the last one named alone. What explores orders exhaustively depends on the
# primitives, and on the form of the core, but hardly on the version. What looks at the source, and at what pages,
# examples and benchmarks print, is the same everywhere.
#
# The C compiler optimizes little, which takes a third of the time, and makes no difference to what the core does.
set -eu

if command -v flock >/dev/null 2>&1; then
    exec 9>.venv/.others
    flock 9
fi

ours=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

prepare=
if [ "$1" = --prepare ]; then
    prepare=yes
    shift
fi
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
    compiled=$(RESCIND_CFLAGS="-Og -g0" sh scripts/compiled.sh "$environment/bin/python") || exit 1
    if [ -n "$prepare" ]; then
        PYTHONPATH=$compiled "$environment/bin/python" -m pytest -q --collect-only >/dev/null || : # the suite will tell
        continue
    fi
    form=${compiled:+compiled}
    set -- "$environment/bin/python" "$environment/pytest-cache"
    if [ "$version" != "$last" ]; then
        for part in models explorations laws architecture bench corpus examples mutants \
            test_docs.py test_readme.py test_project.py test_screenshots.py; do
            set -- "$@" "--ignore=tests/$part"
        done
    fi
    echo "rescind: the suite on Python $version, its core ${form:-as plain Python}"
    PYTHONPATH=$compiled sh scripts/suite.sh "$@" || status=1
    if [ "$version" = "$last" ] && [ -n "$compiled" ]; then
        echo "rescind: its nearest tests on Python $version, its core as plain Python"
        RESCIND_PURE=1 PYTHONPATH=$compiled sh scripts/suite.sh "$environment/bin/python" "$environment/pytest-cache" \
            tests/core tests/tasks tests/combinators || status=1
    fi
done
exit $status
