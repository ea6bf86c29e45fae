#!/bin/sh
# Build the sdist and, from it, a wheel for one Python, into dist/; then see that they hold what they must, and work.
#
#   dist.sh PYTHON [smoke]
#
# The wheel is compiled where there is a C compiler; the same is then built from the tree, and one as without a compiler.
# `smoke` builds no compiled one, and puts nothing into dist/.
set -eu

root=$PWD smoke=${2:-}
case $1 in
    /*) python=$1 ;;
    *) python=$root/$1 ;;
esac
unset PYTHONPATH RESCIND_PURE RESCIND_BUILD # what is on the path, pip need not install
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
    echo "rescind: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

wheel() { # DIRECTORY SOURCE: build a wheel of SOURCE, which has one, or is one, into an empty directory
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-cache-dir --wheel-dir "$1" "$2" >&2
    echo "$1"/*.whl
}

try() { # WHEEL FORM: install it into an environment of its own, away from the tree, and run a program
    say "trying $(basename "$1")"
    rm -rf "$work/venv" "$work/away"
    mkdir "$work/away"
    "$python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$1[cli]"
    (
        cd "$work/away"
        cp "$root/examples/canceled_future.py" .
        for form in "$2" "core in plain Python, not compiled"; do
            version=$("$work/venv/bin/rescind" --version)
            case $version in
                *"($form)") ;;
                *) fail "it says '$version', and ought to say '$form'" ;;
            esac
            "$work/venv/bin/rescind" run canceled_future.py >"output"
            PYTHONPATH=$root/src RESCIND_PURE=1 "$python" -m rescind run canceled_future.py >"expected"
            diff expected output >&2 || fail "canceled_future.py prints something else there"
            export RESCIND_PURE=1
        done
    )
}

pure="core in plain Python, not compiled"
say "building the sdist"
"$python" -m build --sdist --outdir "$work/dist" . >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
sdist=$(echo "$work"/dist/*.tar.gz)
mkdir "$work/unpacked" "$work/tree"
tar -xf "$sdist" -C "$work/unpacked" --strip-components 1
# Without what the builds before left in build/.
cp -R src LICENSE MANIFEST.in README.md pyproject.toml setup.py "$work/tree"
"$python" scripts/dist_contents.py "$sdist"

say "building wheels without the compiled form, from the sdist and from the tree"
export RESCIND_BUILD=pure
one=$(wheel "$work/pure" "$sdist")
other=$(wheel "$work/pure-tree" "$work/tree")
unset RESCIND_BUILD
case $one in
    *-py3-none-any.whl) ;;
    *) fail "$(basename "$one") is plain Python and ought to be for any" ;;
esac
"$python" scripts/dist_contents.py "$one"
"$python" scripts/dist_contents.py --same "$one" "$other"
try "$one" "$pure"
[ -z "$smoke" ] || exit 0

say "building one where there is no compiler"
none=$(export CC=false && wheel "$work/none" "$sdist")
"$python" scripts/dist_contents.py --same "$one" "$none"

rm -rf dist
mkdir dist
if command -v "${CC:-cc}" >/dev/null 2>&1; then
    say "building the compiled wheels, from the sdist and from the tree"
    export RESCIND_BUILD=compiled
    one=$(wheel "$work/compiled" "$sdist")
    other=$(wheel "$work/compiled-tree" "$work/tree")
    unset RESCIND_BUILD
    "$python" scripts/dist_contents.py "$one"
    "$python" scripts/dist_contents.py --same "$one" "$other"
    try "$one" "compiled core"
else
    say "there is no C compiler here: the wheel in dist/ is plain Python"
fi
cp "$sdist" "$one" dist
ls dist
