#!/usr/bin/env bash
# Which planted bugs (tests/planted/NAME.txt) the simulator and its tests kill by themselves, without the
# unit tests of the machine. For work on the oracle; CI runs .ci/planted alone.
#   tests/planted.sh [NAME …]
# Bounded: 300 s of schedules and 300 s of tests for each.
set -euo pipefail
cd "$(dirname "$0")/.."
plant=$(.ci/tool plant)
names=("$@")
# Session Manager's machine is not in the simulator.
[ $# -gt 0 ] || mapfile -t names < <(grep -L '^file: proto/src/ssm/' tests/planted/*.txt | sed 's|.*/||; s|\.txt$||')
root=$PWD/target/planted-sim
mkdir -p "$root"
exec 9>"$root/lock"
flock -n 9 || { echo 'planted bugs are being tried already' >&2; exit 2; }
# The workspace as it is now, whoever edits it meanwhile.
git ls-files --cached --others --exclude-standard >"$root/files"
"$plant" mirror . "$root/origin" <"$root/files"
log=$root/log
export CARGO_TARGET_DIR=$root/target CARGO_INCREMENTAL=1 CARGO_PROFILE_SIM_OPT_LEVEL=1 CARGO_PROFILE_SIM_DEBUG=0
cd "$root/origin"
mkdir -p "$root/tree"
failed=()
for name in "${names[@]}"; do
    "$plant" mirror . "$root/tree" <"$root/files"
    soak=soak
    [[ $name != durable_* ]] || soak=soak_durable
    if ! "$plant" apply "$root/tree" "tests/planted/$name.txt" 2>"$log" ||
        ! (cd "$root/tree" && cargo build --quiet --profile sim -p unbroken-tests --bin "$soak") 2>"$log"; then
        cat "$log" >&2
        echo "FAILED  $name  does not fit or does not build" >&2
        failed+=("$name")
        continue
    fi
    if ! timeout 300 "$root/target/sim/$soak" --seeds 1500 --jobs 2 >"$log" 2>&1; then
        echo "killed  $name  by schedules: $(grep -m1 '^seed' "$log" | cut -c1-160)"
        continue
    fi
    killer=
    for test in reconnecting strategies regressions swaps resume_attacks cut_at_every_byte polls_independent hostile_peer explore explore_crashes; do
        if ! (cd "$root/tree" && timeout 300 cargo test --quiet --profile sim -p unbroken-tests --test "$test") >"$log" 2>&1; then
            killer="$test $(grep -m1 -oE '^    [a-z_:0-9]+$' "$log" | tr -d ' ' || true)"
            break
        fi
    done
    if [ -n "$killer" ]; then
        echo "killed  $name  by $killer"
    else
        echo "ALIVE   $name"
        failed+=("$name")
    fi
done
[ ${#failed[@]} -eq 0 ] || { echo "planted bugs that the simulator did not notice: ${failed[*]}" >&2; exit 1; }
echo "all ${#names[@]} planted bugs died"
