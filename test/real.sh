# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests on programs that nobody prepared: profiles of them under load must be whole and true.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
real_here=$root/test/endpoint
engines=(timer perf)
rate_timer=250
rate_perf=499

# engine_start ENGINE [VAR=value...] -- COMMAND...: agent_start with that engine.
engine_start() {
	local rate=rate_$1
	agent_start PPROF_CPU_ENGINE="$1" CPU_PROFILE_RATE="${!rate}" "${@:2}"
}

# Where the agent of one process of a tree listens. A child that may not write the log file writes
# to its standard error.
listens_as() {
	cat "$agent_log" "$tmp"/output* |
		sed -n "s|.*profagent\[$1\]: listening on http://[^ ]*:\([0-9][0-9]*\)/.*|\1|p" | tail -n 1
}
has_agent() {
	[ -n "$(listens_as "$1")" ]
}
# use_agent_of PID: sets $url, so do not call it through `ok`.
use_agent_of() {
	wait_until 10 has_agent "$1" || return 1
	url=http://127.0.0.1:$(listens_as "$1")/debug/pprof
}

# take PID FILE SECONDS [QUERY]: a profile, and in FILE.cpu what the kernel says meanwhile. $url is
# that of PID.
take() {
	python3 "$real_here/take_profile.py" "$1" "$url/profile?seconds=$3${4:+&$4}" "$2"
}

# check_profile ENGINE FILE LABEL OPTION...: options of check_real.py. The CPU time is compared
# where `take` wrote it down. Where perf_event_open is refused, its profile is one of the timer.
check_profile() {
	local file=$2 label="$1 $3" cpu=()
	if ! python3 "$real_here/pprof_decode.py" --header "$file" >"$file.json" 2>"$tmp/error"; then
		tap_check 1 "$label: a valid profile"
		sed 's/^/# /' "$tmp/error"
		return
	fi
	if ! grep -q "\"cpu engine $1," "$file.json"; then
		tap_check $((!$(grep -c 'perf_event_open is refused' "$agent_log"))) "$label: the engine"
	fi
	[ ! -s "$file.cpu" ] || cpu=(--cpu="$file.cpu")
	python3 "$real_here/check_real.py" "${cpu[@]}" "${@:4}" "$file.json" "$label" \
		>"$tmp/checks" 2>&1 || grep -q '^not ok' "$tmp/checks" || tap_check 1 "$label: check_real.py"
	tap_lines "$tmp/checks"
}
