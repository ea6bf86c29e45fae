#!/bin/sh
# Build the package with its core compiled, for one Python, and print the directory to put on PYTHONPATH.
#
#   compiled.sh PYTHON
#
# It is the wheel, unpacked, in build/compiled/VERSION. Without a C compiler nothing is built, and nothing printed.
set -eu

python=$1

if ! command -v "${CC:-cc}" >/dev/null 2>&1; then
    echo "rescind: there is no C compiler ('${CC:-cc}') here: the core stays plain Python. On Debian: apt install gcc" >&2
    exit 0
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
wheels=build/wheels/$version target=build/compiled/$version
rm -rf "$wheels"
echo "rescind: compiling the core for Python $version" >&2
RESCIND_BUILD=compiled "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$wheels" . >&2
rm -rf "$target"
mkdir -p "$target"
"$python" -m zipfile --extract "$wheels"/*.whl "$target"
echo "$PWD/$target"
