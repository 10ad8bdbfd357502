#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# alone
# CPU time that is hard to see is in the profile all the same: threads that block all signals,
# threads that end all the time. Only what belongs to the program is there.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

# measured SECONDS PROGRAM ARGUMENT...: one profile around what the program does and measures.
# Sets $truth to what the program printed, $file to the profile.
measured() {
	local window=$1
	shift
	agent_start HOST_READY="$tmp/ready" HOST_GO="$tmp/go" HOST_END="$tmp/end" \
		-- "$PROGRAMS/$1" "${@:2}"
	touch "$tmp/ready"
	file=$tmp/$1.$2
	local caught
	caught=$(caught_signals "$pid")
	profile "$file" "$window" &
	local fetching=$!
	wait_until 10 profile_runs "$caught"
	touch "$tmp/go"
	wait "$fetching"
	is $? 0 "$*: the profile is there"
	truth=$(sed -n 1p "$output")
	touch "$tmp/end"
	finish_program
	is "$status" 0 "$*: the program ends well"
	rm -f "$tmp"/{ready,go,end}
}

# cpu_under REGEX: nanoseconds of the stacks that match.
cpu_under() {
	decode --type=cpu --traces "$file" |
		awk -F'\t' -v r="$1" '$2 ~ r { sum += $1 } END { printf "%.0f", sum }'
}
near() {
	in_range "$1" "$(($2 * 90 / 100))" "$(($2 * 110 / 100))" "$3"
}

measured 6 host_threads blocked
near "$(cpu_under 'thread blocks all signals')" "$truth" "blocked threads: their CPU time is told"
near "$(cpu_under 'thread blocks all signals.*;blocked_(thread|brief)')" "$truth" \
	"blocked threads: under their start routines"

for mode in storm churn; do
	measured 4 host_threads $mode 2500
	near "$(cpu_of "$file")" "$truth" "$mode: CPU time as getrusage has it"
	stacks=$(decode --traces "$file")
	like "$stacks" 'host_burn;storm_thread' "$mode: the threads' work by name"
	unlike "$stacks" 'pa_|profagent|restore_rt|libprofagent' "$mode: nothing of the agent's"
done
tap_done
