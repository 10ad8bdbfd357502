# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests that a host notices nothing: the same program without the agent and with it, while CPU
# profiles are taken one after the other. The programs wait for the file in $HOST_GO.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Signals that a process catches, as the kernel has it: one more once the agent samples.
caught_signals() {
	sed -n 's/^SigCgt://p' "/proc/$1/status" 2>/dev/null
}
profile_runs() {
	[ "$(caught_signals "$pid")" != "$1" ]
}

profiles_count=0
# profiles_begin [SECONDS]: takes profiles of $pid without a pause until it ends. Whole ones are
# $profiles/1, 2 ... Returns when the first is under way.
profiles_begin() {
	local caught
	profiles_count=$((profiles_count + 1))
	profiles=$tmp/profiles$profiles_count
	caught=$(caught_signals "$pid")
	mkdir "$profiles"
	(
		trap - EXIT
		i=1
		while ! has_ended "$pid"; do
			fetch "/profile?seconds=${1:-1}" -f -o "$profiles/part" 2>/dev/null &&
				mv "$profiles/part" "$profiles/$i" && i=$((i + 1))
		done
	) &
	profiles_pid=$!
	started+=("$profiles_pid")
	wait_until 15 profile_runs "$caught"
}

# guest [VAR=value...] -- PROGRAM ARGUMENT...: the program under the agent to its end. Sets
# $status, $output, $profiles.
guest() {
	agent_start HOST_GO="$tmp/go" HOST_END="$tmp/end" CPU_PROFILE_RATE="$rate" "$@"
	profiles_begin
	touch "$tmp/go"
	finish_program
	wait "$profiles_pid"
	rm -f "$tmp/go"
}
rate=250

# Waits for $pid. Sets $status, which is 255 when it had to be killed.
finish_program() {
	if ! wait_until "${limit:-40}" has_ended "$pid"; then
		echo "# does not end; its threads wait in:"
		cat /proc/"$pid"/task/*/wchan 2>/dev/null | sed 's/^/#   /'
		kill -9 "$pid"
		wait "$pid"
		status=255
		return
	fi
	wait "$pid" 2>/dev/null
	status=$?
}

# same PROGRAM ARGUMENT...: the same output and exit status with and without the agent.
same() {
	local plain plain_status
	start "$PROGRAMS/$1" "${@:2}"
	plain=$output
	finish_program
	plain_status=$status
	guest -- "$PROGRAMS/$1" "${@:2}"
	is "$status" "$plain_status" "$*: exit status"
	ok "$*: output" diff "$plain" "$output"
}

# decode OPTION... FILE
decode() {
	python3 "$root/test/endpoint/pprof_decode.py" "$@"
}

# cpu_of FILE...: nanoseconds of all samples.
cpu_of() {
	decode --type=cpu --traces "$@" | awk -F'\t' '{ sum += $1 } END { printf "%.0f", sum }'
}
