#!/bin/sh
# Build the Rust program that shows tokio's cost, against the crates that Debian packages; without a network.
#
#   bench-tokio.sh
#
# Where cargo or the crates are missing, it says so and leaves with 0: the benchmarks run without. With INSTALL=1 it
# first tries to get the crates, and wrk, by apt; that needs root.
set -eu

cd "$(dirname "$0")/.."
registry=${REGISTRY:-/usr/share/cargo/registry}

if [ "${INSTALL:-}" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    missing=
    command -v cargo >/dev/null || missing="cargo"
    ls -d "$registry"/tokio-1.* >/dev/null 2>&1 || missing="$missing librust-tokio-dev"
    ls -d "$registry"/hyper-0.14.* >/dev/null 2>&1 || missing="$missing librust-hyper-dev"
    command -v wrk >/dev/null || missing="$missing wrk"
    if [ "$missing" ]; then
        # shellcheck disable=SC2086 # several words
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } \
            >/dev/null 2>&1 || echo "rescind: apt could not install:$missing"
    fi
fi
if ! command -v cargo >/dev/null; then
    echo "rescind: no cargo, so tokio is left out of the benchmarks"
    exit 0
fi
version=$(ls -d "$registry"/tokio-1.* 2>/dev/null | head -n 1 | sed 's/.*tokio-//')
if [ -z "$version" ]; then
    echo "rescind: no crate of tokio in $registry (Debian: librust-tokio-dev), so tokio is left out of the benchmarks"
    exit 0
fi
manifest=bench/tokio/with-hyper/Cargo.toml
if ! ls -d "$registry"/hyper-0.14.* >/dev/null 2>&1; then
    manifest=bench/tokio/Cargo.toml
    echo "rescind: no crate of hyper in $registry (Debian: librust-hyper-dev), so tokio is left out of HTTP"
fi
TOKIO_VERSION=$version cargo build --quiet --release --offline \
    --manifest-path $manifest --target-dir build/bench-tokio \
    --config 'source.crates-io.replace-with="debian"' --config "source.debian.directory=\"$registry\""
echo "rescind: build/bench-tokio/release/bench-tokio, with tokio $version"
