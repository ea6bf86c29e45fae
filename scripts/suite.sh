#!/bin/sh
# Run the suite on all cores; what failed there is run once more, alone (docs/design/0049).
#
#   suite.sh PYTHON CACHE [ARGUMENTS OF PYTEST]
#
# CACHE is where pytest notes what failed. More than 10 failures, or any other trouble, is the end at once.
set -eu

python=$1 cache=$2
shift 2

status=0
rm -f "$cache/v/cache/lastfailed"
"$python" -m pytest -q -n "${WORKERS:-auto}" -o cache_dir="$cache" "$@" || status=$?
[ "$status" -eq 1 ] || exit "$status" # 1: tests failed

failed=$("$python" -c 'import json, sys; print(len(json.load(open(sys.argv[1]))))' "$cache/v/cache/lastfailed")
if [ "$failed" -gt 10 ]; then
    echo "rescind: $failed tests failed"
    exit 1
fi
echo "rescind: $failed failed among others at the same time; once more, alone:"
"$python" -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$cache/v/cache/lastfailed"
"$python" -m pytest -q -p no:xdist -o cache_dir="$cache" --last-failed --last-failed-no-failures=none
