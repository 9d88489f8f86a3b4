#!/usr/bin/env bash
# Which planted bugs (cfg planted = "name") the simulator and its tests kill by themselves, without the
# unit tests of the machine. For work on the oracle; CI demands the union with .ci/planted.
#   tests/planted.sh [NAME …]
# Bounded: 300 s of schedules and 300 s of tests for each.
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(grep -rhoE 'planted = "[a-z0-9_]+"' proto/src | cut -d'"' -f2 | sort -u)
dir=$PWD/target/planted-sim
mkdir -p "$dir"
export CARGO_TARGET_DIR=$dir CARGO_INCREMENTAL=0 CARGO_PROFILE_SIM_OPT_LEVEL=1 CARGO_PROFILE_SIM_DEBUG=0
alive=()
for name in "${names[@]}"; do
    wrapper=$dir/rustc-$name
    printf '#!/bin/sh\nexec "$@" --cfg '\''planted="%s"'\''\n' "$name" >"$wrapper"
    chmod +x "$wrapper"
    export RUSTC_WORKSPACE_WRAPPER=$wrapper
    cargo build --quiet --profile sim -p unbroken-tests --bin soak 2>"$dir/log" || { cat "$dir/log"; echo "$name does not build" >&2; exit 1; }
    if ! timeout 300 "$dir/sim/soak" --seeds 1500 --jobs 2 >"$dir/log" 2>&1; then
        echo "killed  $name  by schedules: $(grep -m1 '^seed' "$dir/log" | cut -c1-160)"
        continue
    fi
    killer=
    for test in reconnecting strategies regressions swaps resume_attacks cut_at_every_byte polls_independent hostile_peer explore; do
        if ! timeout 300 cargo test --quiet --profile sim -p unbroken-tests --test "$test" >"$dir/log" 2>&1; then
            killer="$test $(grep -m1 -oE '^    [a-z_:0-9]+$' "$dir/log" | tr -d ' ' || true)"
            break
        fi
    done
    if [ -n "$killer" ]; then
        echo "killed  $name  by $killer"
    else
        echo "ALIVE   $name"
        alive+=("$name")
    fi
done
unset RUSTC_WORKSPACE_WRAPPER
find "$dir" -maxdepth 1 -name 'rustc-*' -delete
[ ${#alive[@]} -eq 0 ] || { echo "planted bugs that the simulator did not notice: ${alive[*]}" >&2; exit 1; }
echo "all ${#names[@]} planted bugs died"
