#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Off means off: no thread, no descriptor, no handler; wrappers stay asleep, what they start does
# not.
. "$(dirname "$0")/../host.sh"

plain=$("$PROGRAMS/host_tasks" 2>&1)
like "$plain" '^threads 1$' "the program has one thread"
is "$(PPROF_ENABLED=false LD_PRELOAD=$AGENT "$PROGRAMS/host_tasks" 2>&1)" "$plain" \
	"PPROF_ENABLED=false: the same"
is "$(APP_ENVIRONMENT=production LD_PRELOAD=$AGENT "$PROGRAMS/host_tasks" 2>&1)" "$plain" \
	"APP_ENVIRONMENT=production: the same"
is "$(PPROF_EXCLUDE='host_*' LD_PRELOAD=$AGENT "$PROGRAMS/host_tasks" 2>&1)" "$plain" \
	"PPROF_EXCLUDE: the same"
unlike "$(PPROF_PORT=0 LD_PRELOAD=$AGENT "$PROGRAMS/host_tasks" 2>&1)" '^threads 1$' \
	"otherwise there is a thread"

threads_of() {
	find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l
}
# wrapper COMMAND...: it sleeps, and the program that it waits for has an agent.
wrapper() {
	local child
	agent_start HOST_END="$tmp/end" -- "$@" "$PROGRAMS/host_fds" none
	child=$(sed -n 's/^profagent\[\([0-9]*\)\]: listening.*/\1/p' "$agent_log")
	ok "$1: what listens is what it started" test "$(ps -o ppid= -p "$child")" -eq "$pid"
	is "$(threads_of "$pid")" 1 "$1: one thread"
	touch "$tmp/end"
	finish_program
	is "$status" 0 "$1: ends well"
	rm "$tmp/end"
}
wrapper timeout 30
wrapper sh -c '"$0" "$@"; exit $?'
wrapper bash -c '"$0" "$@"; exit $?'
tap_done
