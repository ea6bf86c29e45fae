#!/bin/sh
# Run the suite on all cores; what failed there is run again, alone (docs/design/0049).
#
#   suite.sh PYTHON CACHE [ARGUMENTS OF PYTEST]
#
# CACHE is where pytest notes what failed. More than 10 failures, a crash, or any other trouble is the end at once.
# PAUSE is how many seconds pass before what failed twice has its last chance: 60, if nothing else is said.
set -eu

python=$1 cache=$2
shift 2

names() {
    "$python" -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$cache/v/cache/lastfailed"
}

mkdir -p "$cache"
rm -f "$cache/v/cache/lastfailed" "$cache/status"
{
    status=0
    "$python" -m pytest -q -n "${WORKERS:-auto}" -o cache_dir="$cache" "$@" || status=$?
    echo "$status" >"$cache/status"
} | tee "$cache/log"
status=$(cat "$cache/status")
[ "$status" -eq 1 ] || exit "$status" # 1: tests failed

if grep -q "^worker '.*' crashed while running" "$cache/log"; then
    echo "rescind: a process of the suite crashed; that is no matter of chance"
    exit 1
fi
first=$(names)
failed=$(printf '%s\n' "$first" | wc -l)
if [ "$failed" -gt 10 ]; then
    echo "rescind: $failed tests failed"
    exit 1
fi

for pause in 0 "${PAUSE:-60}"; do
    echo "rescind: failed, and run once more, alone, after $pause s:"
    names
    sleep "$pause"
    status=0
    "$python" -m pytest -q -p no:xdist -o cache_dir="$cache" --last-failed --last-failed-no-failures=none || status=$?
    if [ "$status" -eq 0 ]; then
        echo "rescind: passed only when they were run again:"
        printf '%s\n' "$first"
        exit 0
    fi
    [ "$status" -eq 1 ] || exit "$status"
done
exit 1
