#!/bin/sh
# Run the examples named (examples.sh parent tasks) under rescind, a heading line before each.
set -eu

for name in "$@"; do
    printf '\n=== rescind run examples/%s.py ===\n\n' "$name"
    .venv/bin/rescind run "examples/$name.py"
done
