#!/bin/sh
# Install the servers that the corpus and tests/ecosystem talk to, where that is possible: redis and PostgreSQL; and
# tmux, in which tests/cli/top drives a terminal. By apt, as root.
#
# Asks nothing, and ends within five minutes. Without them nothing breaks: what needs one is skipped, and says so.
set -eu

missing=
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
[ -n "$(find /usr/lib/postgresql -name initdb 2>/dev/null)" ] || command -v initdb >/dev/null 2>&1 ||
    missing="$missing postgresql"
command -v tmux >/dev/null 2>&1 || missing="$missing tmux"

if [ -z "$missing" ]; then
    exit 0
elif ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "rescind: not installed, and what needs them is skipped:$missing"
    exit 0
fi
echo "rescind: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# What they start by themselves is not needed, but does no harm: the corpus has ports of its own.
options="-qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=30"
{
    timeout 120 apt-get $options update &&
        timeout 180 apt-get $options install -y --no-install-recommends $missing
} </dev/null >/dev/null 2>&1 || echo "rescind: could not be installed, and what needs them is skipped:$missing"
