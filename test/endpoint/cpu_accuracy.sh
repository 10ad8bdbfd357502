#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# CPU profiles of programs whose truth is known (test/programs/cpu_shares.h): with and without frame
# pointers, through qsort callbacks, C++ with exceptions; by both engines.
. "$(dirname "$0")/../lib.sh"
tap_need python3 curl
here=$root/test/endpoint
run_seconds=6
window=4

# Monotonic enough for a rate over seconds, in microseconds.
now_us() {
	echo "${EPOCHREALTIME/./}"
}

# measure ENGINE RATE PROGRAM
measure() {
	local engine=$1 hz=$2 program=$3 cpu_before cpu_after start end
	agent_start PPROF_CPU_ENGINE="$engine" CPU_PROFILE_RATE="$hz" -- "$PROGRAMS/$program" $run_seconds 2
	cpu_before=$(cpu_ms "$pid") start=$(now_us)
	if ! profile "$tmp/profile" $window; then
		tap_check 1 "$engine $program: a profile"
		stop "$pid"
		return
	fi
	cpu_after=$(cpu_ms "$pid") end=$(now_us)
	wait "$pid"
	cp "$output" "$tmp/truth.json"
	if ! "$here/pprof_decode.py" "$tmp/profile" >"$tmp/profile.json" 2>"$tmp/error"; then
		sed 's/^/# /' "$tmp/error"
		tap_check 1 "$engine $program: a valid profile"
		return
	fi
	if [ "$engine" = perf ] && ! grep -q '"cpu engine perf' "$tmp/profile.json"; then
		echo "# perf is refused here: $(grep -i perf "$agent_log" | head -n 1)"
		return
	fi
	"$here/check_shares.py" "$tmp/profile.json" "$tmp/truth.json" "$engine $program" \
		$(((cpu_after - cpu_before) * 1000000000000 / (end - start))) >"$tmp/checks" 2>&1 ||
		[ -s "$tmp/checks" ] || tap_check 1 "$engine $program: check_shares.py"
	while IFS= read -r line; do
		case $line in
		'ok - '*) tap_check 0 "${line#ok - }" ;;
		'not ok - '*) tap_check 1 "${line#not ok - }" ;;
		*) echo "# $line" ;;
		esac
	done <"$tmp/checks"
}

for program in cpu_shares_fp cpu_shares_nofp cpu_shares_qsort cpu_shares_cc; do
	measure timer 200 $program
	measure perf 1000 $program
done
tap_done
