#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Programs that close or replace descriptors which are not theirs keep their own; the agent comes
# back where it can.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

touch "$tmp/end"
same host_fds close
same host_fds limit
same host_fds undumpable

# After closefrom the agent listens again, on the same port, and profiles as before.
rm -f "$tmp/end"
agent_start HOST_GO="$tmp/go" HOST_END="$tmp/end" -- "$PROGRAMS/host_fds" close
touch "$tmp/go"
listens_twice() {
	[ "$(grep -c "listening on http://127.0.0.1:$port/" "$agent_log")" -ge 2 ]
}
ok "the agent opens another socket on the same port" wait_until 10 listens_twice
ok "and answers" wait_until 5 fetch /cmdline
# The program may close all once more meanwhile.
ok "with a profile too" wait_until 15 profile "$tmp/profile" 1
touch "$tmp/end"
finish_program
is "$status" 0 "the program ends well"
tap_done
