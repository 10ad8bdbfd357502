#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 110
# The endpoints of a program under the agent, request by request, as Go's net/http/pprof answers
# them, and what hostile clients can do to the others.
. "$(dirname "$0")/../lib.sh"
tap_need python3
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1

has_marker() {
	grep -q 0x "$output"
}
agent_start PPROF_MAX_SECONDS=60 -- "$PROGRAMS/http_host" "an argument" ''
wait_until 10 has_marker
python3 "$here/http_conformance.py" "$port" "$(cat "$output")" "$PROGRAMS/http_host" | tee "$tmp/tap"
if [ "${PIPESTATUS[0]}" -ne 0 ]; then
	exit 1 # its plan stands
fi
tap_run=$(grep -c '^ok ' "$tmp/tap") # the last plan counts for both
agent_stop

# cmdline of programs that are not what they were started as
agent_start TITLE="http: worker" -- "$PROGRAMS/http_host" one two three four
wait_until 10 has_marker
is "$(fetch /cmdline | od -An -c | tr -d ' \n')" "http:worker" "a program that wrote over its arguments"
agent_stop
agent_start LEAVE=1 -- "$PROGRAMS/http_host" x
main_left() {
	[ ! -s "/proc/$pid/cmdline" ] && grep -q zombie "/proc/$pid/status"
}
ok "the main thread leaves" wait_until 10 main_left
is "$(fetch /cmdline | tr '\0' ' ')" "$PROGRAMS/http_host x" "cmdline without a main thread"
agent_stop

# authentication, from outside
umask 077
echo "pass:word" >"$tmp/password"
agent_start PPROF_USER=me PPROF_PASSWORD_FILE="$tmp/password" -- "$PROGRAMS/http_host"
is "$(fetch_status /cmdline)" 401 "no credentials"
is "$(fetch_status /cmdline -u me:wrong)" 401 "wrong password"
is "$(fetch_status /cmdline -u me:pass:word)" 200 "right password"
unlike "$(cat "$agent_log")" 'pass:word' "no secret in the log"
like "$(cat "$agent_log")" 'GET /debug/pprof/cmdline 401 ' "the access log has the refused one"
agent_stop
agent_run PPROF_PASSWORD_FILE="$tmp/missing" -- "$PROGRAMS/http_host"
said() {
	grep -q 'missing" cannot be read' "$agent_log"
}
ok "a password that cannot be read is said" wait_until 10 said
wait_until 10 has_marker
unlike "$(cat "$agent_log")" 'listening on' "... and nobody listens without it"
stop "$pid"
tap_done
