#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# CPU profiles of programs whose truth is known (test/programs/cpu_shares.h): with and without frame
# pointers, through qsort callbacks, C++ with exceptions; by both engines.
. "$(dirname "$0")/../lib.sh"
tap_need python3 curl
here=$root/test/endpoint
window=3
enough=400 # samples; a busy machine needs more than one window
most=4     # windows

# window_of FILE: takes one profile of the program, decodes it, adds both arguments of check_shares.py.
window_of() {
	local cpu_before cpu_after start end
	cpu_before=$(cpu_ms "$pid") start=${EPOCHREALTIME/./}
	profile "$1.gz" $window || return 1
	cpu_after=$(cpu_ms "$pid") end=${EPOCHREALTIME/./}
	"$here/pprof_decode.py" "$1.gz" >"$1" || return 1
	windows+=("$1" $(((cpu_after - cpu_before) * 1000000000000 / (end - start))))
	samples=$((samples + $(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["totals"]["samples"])' "$1")))
}

# measure ENGINE RATE PROGRAM
measure() {
	local engine=$1 hz=$2 program=$3 windows=() samples=0 n
	agent_start PPROF_CPU_ENGINE="$engine" CPU_PROFILE_RATE="$hz" -- "$PROGRAMS/$program" 60 2
	for ((n = 1; n <= most && samples < enough; n++)); do
		if ! window_of "$tmp/$engine.$program.$n"; then
			tap_check 1 "$engine $program: a valid profile"
			break
		fi
	done
	stop "$pid"
	cp "$output" "$tmp/truth.json"
	if [ "$engine" = perf ] && grep -qi 'perf_event_open is refused' "$agent_log"; then
		echo "# $(grep -i 'perf_event_open is refused' "$agent_log" | head -n 1)"
		return
	fi
	"$here/check_shares.py" "$engine $program" "$tmp/truth.json" "${windows[@]}" >"$tmp/checks" 2>&1 ||
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
