#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs fuzzers for SECS seconds each. What they find out grows $BUILD/fuzz/corpus; the corpus of the
# repository is read only. A crash is kept in $BUILD/fuzz/crashes.
#
#	fuzz.sh FUZZER...
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
[ $# -gt 0 ] || { echo "fuzz: no fuzzer matches" >&2; exit 1; }
failed=
mkdir -p "$BUILD/fuzz/crashes"
for fuzzer in "$@"; do
	name=$(basename "$fuzzer" _fuzz)
	seeds=test/fuzz/corpus/$name
	grown=$BUILD/fuzz/corpus/$name
	mkdir -p "$grown"
	[ -d "$seeds" ] || seeds=
	echo "== $name, ${SECS:=60} s"
	# shellcheck disable=SC2086 # no seeds, no argument
	if ! "$fuzzer" -max_total_time="$SECS" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$BUILD/fuzz/crashes/$name-" "$grown" $seeds >"$BUILD/fuzz/$name.log" 2>&1; then
		grep -aE 'ERROR|SUMMARY|Test unit written|runtime error' "$BUILD/fuzz/$name.log"
		failed="$failed $name"
	fi
	grep -a 'stat::number_of_executed_units\|^#[0-9]*.*DONE' "$BUILD/fuzz/$name.log"
done
if [ -n "$failed" ]; then
	echo "failed:$failed. Inputs are in $BUILD/fuzz/crashes, logs in $BUILD/fuzz/*.log."
	echo "Copy the input to test/fuzz/corpus/NAME/ with the fix: make check replays it."
	exit 1
fi
