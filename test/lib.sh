# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For end-to-end tests: programs under the agent, the agent's port, requests, an end without
# left-overs. Source it from any directory:
#
#	. "$(dirname "$0")/../lib.sh"
#	agent_start CPU_PROFILE_RATE=200 -- redis-server --port "$(free_port)"
#	is "$(fetch_status /cmdline)" 200 "cmdline answers"
#	agent_stop
#	tap_done
#
# Everything started through it is stopped, and $tmp removed, when the test ends.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$root/build}
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
AGENT=$BUILD/libprofagent.so
PROGRAMS=$BUILD/test/programs
export LC_ALL=C
# go compiles `go tool pprof` at its first use and needs a place to keep it.
if [ -z "${GOCACHE:-}" ] && [ ! -w "${HOME:-/nonexistent}" ]; then
	export GOCACHE=$BUILD/gocache
fi
# shellcheck source=test/tap.sh
. "$root/test/tap.sh"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/profagent.XXXXXX") || exit 1
started=()
lib_cleanup() {
	local pid
	for pid in "${started[@]}"; do
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	cd / && rm -rf "$tmp"
}
trap lib_cleanup EXIT
trap 'exit 143' TERM INT HUP

# wait_until SECONDS COMMAND...: polls every 20 ms until the command succeeds.
wait_until() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# A TCP port of 127.0.0.1 that was free a moment ago.
free_port() {
	"$PROGRAMS/free_port"
}

port_answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start_count=0
# start COMMAND...: in the background. Sets $pid, and $output to the file that gets its output.
start() {
	start_count=$((start_count + 1))
	output=$tmp/output$start_count
	"$@" >"$output" 2>&1 </dev/null &
	pid=$!
	started+=("$pid")
}

# The port that the agent's log names last.
agent_log_port() {
	sed -n 's,.*listening on http://[^ ]*:\([0-9][0-9]*\)/.*,\1,p' "$1" 2>/dev/null | tail -n 1
}
agent_listens() {
	[ -n "$(agent_log_port "$agent_log")" ]
}

agent_count=0
# agent_run [VAR=value...] -- COMMAND...: starts it under the agent, with a port of its own unless
# PPROF_PORT is among the variables. Sets $pid, $output and $agent_log; does not wait.
agent_run() {
	local env=(PPROF_PORT=0 PPROF_LOG=info)
	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	agent_count=$((agent_count + 1))
	agent_log=$tmp/agent$agent_count.log
	: >"$agent_log"
	start env PPROF_LOG_FILE="$agent_log" "${env[@]}" LD_PRELOAD="$AGENT" "$@"
}

# The same, and waits until the agent listens: sets $port and $url too. Ends the test otherwise.
agent_start() {
	agent_run "$@"
	if ! wait_until 15 agent_listens; then
		echo "# the agent does not listen; its log and the program's output:"
		sed 's/^/# /' "$agent_log" "$output"
		tap_check 1 "the agent listens in: $*"
		tap_done
	fi
	port=$(agent_log_port "$agent_log")
	url=http://127.0.0.1:$port/debug/pprof
}


# stop PID [SIGNAL]: ends a started program; its exit status is returned, 255 when it had to be
# killed.
stop() {
	local status
	kill "-${2:-TERM}" "$1" 2>/dev/null
	if ! wait_until 15 has_ended "$1"; then
		kill -9 "$1" 2>/dev/null
		wait "$1" 2>/dev/null
		return 255
	fi
	wait "$1" 2>/dev/null
	status=$?
	return $status
}
# A child that was not waited for yet is a zombie, and kill -0 succeeds on it.
has_ended() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	[[ ${stat##*) } == [ZX]* ]]
}
agent_stop() {
	stop "${1:-$pid}"
}

# fetch PATH [CURL OPTION...]: the body of $url$PATH; curl's exit status.
fetch() {
	local path=$1
	shift
	curl -sS --noproxy '*' -m 60 "$@" "$url$path"
}
fetch_status() {
	local path=$1
	shift
	curl -sS --noproxy '*' -m 60 -o /dev/null -w '%{http_code}' "$@" "$url$path"
}

# profile FILE SECONDS [QUERY]: a CPU profile of the running program.
profile() {
	fetch "/profile?seconds=$2${3:+&$3}" -f -o "$1"
}

# go_pprof ARGUMENT...: `go tool pprof` that leaves nothing in the home directory.
go_pprof() {
	PPROF_TMPDIR=$tmp PPROF_BINARY_PATH=$tmp go tool pprof "$@"
}

# User and system time of a process in milliseconds, all threads (clock ticks of 10 ms).
cpu_ms() {
	local stat
	stat=$(cat "/proc/$1/stat") || return 1
	read -ra stat <<<"${stat##*) }"
	echo $(((stat[11] + stat[12]) * 1000 / $(getconf CLK_TCK)))
}

# as_nobody COMMAND...: without privileges, where the test runs as root.
as_nobody() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}
