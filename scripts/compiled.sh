#!/bin/sh
# Build the package with its core compiled, for one Python, and print the directory to put on PYTHONPATH.
#
#   compiled.sh PYTHON
#
# It is the wheel, unpacked, in build/compiled/VERSION; if nothing has changed since, it stays. Without a C compiler
# nothing is built, and nothing printed. RESCIND_CFLAGS are the C compiler's options, where not those of a release.
set -eu

python=$1

if ! command -v "${CC:-cc}" >/dev/null 2>&1; then
    echo "rescind: there is no C compiler ('${CC:-cc}') here: the core stays plain Python. On Debian: apt install gcc" >&2
    exit 0
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
wheels=build/wheels/$version target=build/compiled/$version
flags=${RESCIND_CFLAGS:-}
if [ -e "$target/.built" ] && [ "$flags" = "$(cat "$target/.built")" ] &&
    [ -z "$(find src setup.py pyproject.toml MANIFEST.in "$0" -newer "$target/.built" ! -path '*/__pycache__*' \
        ! -path '*.egg-info*' -print)" ]; then
    echo "$PWD/$target"
    exit 0
fi
# Neither Cython nor setuptools looks at what they were told to do: only at what they did it with.
[ ! setup.py -nt "$target/.built" ] || rm -rf build/compiled-source build/temp.* build/lib.*
[ "$flags" = "$(cat "$target/.built" 2>/dev/null)" ] || rm -rf build/temp.*"-${version%.*}${version#*.}" \
    build/lib.*"-${version%.*}${version#*.}"
# What setuptools keeps in between would come into the wheel, also when its source is gone.
find build -path 'build/lib*' -name '*.py' -delete 2>/dev/null || true
find build -path 'build/lib*' -name '*.so' 2>/dev/null | while read -r module; do
    declared=${module#build/lib*/}
    [ -e "src/${declared%%.*}.pxd" ] || rm "$module"
done
rm -rf "$wheels"
mkdir -p build
started=build/started-$version
printf '%s' "$flags" >"$started"
echo "rescind: compiling the core for Python $version" >&2
RESCIND_BUILD=compiled "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$wheels" . >&2
rm -rf "$target"
mkdir -p "$target"
"$python" -m zipfile --extract "$wheels"/*.whl "$target"
mv "$started" "$target/.built" # what has changed while it was built is newer
echo "$PWD/$target"
