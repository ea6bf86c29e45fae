#!/bin/sh
# Run the suite on each version named (test-pythons.sh 3.12 3.13) that is installed and that .venv does not have: all at
# the same time, each telling what it has to say when it has ended.
set -eu

ours=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

environments=
for version in "$@"; do
    [ "$version" != "$ours" ] || continue
    if ! python=$(sh scripts/find-python.sh "$version"); then
        echo "rescind: skipped Python $version: no python$version with venv on the PATH, nor in pyenv"
        continue
    fi
    environment=.venv-$version
    if [ ! -e "$environment/.installed" ] || [ -n "$(find pyproject.toml -newer "$environment/.installed")" ]; then
        sh scripts/venv.sh "$environment" "$python" test
    fi
    environments="$environments $environment"
done

running=
stop() {
    [ -z "$running" ] || kill $running 2>/dev/null || true
    exit 130
}
trap stop INT TERM
for environment in $environments; do
    "$environment/bin/python" -m pytest -q -o cache_dir="$environment/pytest-cache" >"$environment/suite.log" 2>&1 &
    running="$running $!"
done

status=0
for environment in $environments; do
    set -- $running
    process=$1
    shift
    running=$*
    wait "$process" || status=1
    echo "rescind: the suite on Python ${environment#.venv-}"
    cat "$environment/suite.log"
done
exit $status
