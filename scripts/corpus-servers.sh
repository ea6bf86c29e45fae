#!/bin/sh
# Install the servers that the corpus talks to, where that is possible: redis and PostgreSQL, by apt, as root.
#
# Without them nothing breaks: the cases that need one are skipped, and say so.
set -eu

missing=
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
[ -n "$(find /usr/lib/postgresql -name initdb 2>/dev/null)" ] || command -v initdb >/dev/null 2>&1 ||
    missing="$missing postgresql"

if [ -z "$missing" ]; then
    exit 0
elif ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "rescind: not installed, and their cases are skipped:$missing"
    exit 0
fi
echo "rescind: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# What they start by themselves is not needed, but does no harm: the corpus has ports of its own.
{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing; } >/dev/null 2>&1 ||
    echo "rescind: could not be installed, and their cases are skipped:$missing"
