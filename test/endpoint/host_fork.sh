#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# exec and fork during a profile; children that live on have an agent of their own.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

for how in main thread blocked handler ignored; do
	same host_exec "$how"
done
same host_fork exec 100
same host_fork calls
same host_fork threads

export HOST_OUT=$tmp/daemon.out
same host_fork daemon
ok "the daemon writes its line" wait_until 10 grep -q '^daemon [0-9]*: parent is another 1$' \
	"$HOST_OUT"
daemon=$(sed -n 's/^daemon \([0-9]*\):.*/\1/p' "$HOST_OUT")
ok "the daemon has an agent" wait_until 10 grep -q "^profagent\[$daemon\]: listening" "$agent_log"
touch "$tmp/end"
ok "the daemon ends" wait_until 10 has_ended "$daemon"
rm -f "$tmp/end"

# A child that lives on: its agent says where it listens.
agent_start HOST_END="$tmp/end" -- "$PROGRAMS/host_fork" live
parent_port=$port
live_output=$output
child_pid() {
	sed -n 1p "$live_output" | grep -x '[0-9]*'
}
child_port() {
	sed -n "s,^profagent\[$(child_pid)\].*listening on http://[^ ]*:\([0-9]*\)/.*,\1,p" "$agent_log" |
		grep .
}
ok "the child's agent listens" wait_until 10 child_port
port=$(child_port)
url=http://127.0.0.1:$port/debug/pprof
ok "on a port of its own" test "$port" -ne "$parent_port"
ok "a profile of the child" profile "$tmp/child" 1
like "$(decode --top "$tmp/child")" 'child_hog' "with the child's work"
url=http://127.0.0.1:$parent_port/debug/pprof
ok "a profile of the parent" profile "$tmp/parent" 1
unlike "$(decode --top "$tmp/parent")" 'child_hog' "without it"
touch "$tmp/end"
finish_program
is "$status" 0 "the parent ends well"
like "$(cat "$live_output")" 'child: waited 1 status 700' "and has waited for its child"
tap_done
