#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# profagent-symbolize missing, stuck, killed, refused or unwanted: profiles have names, the log says
# so once, and nothing is left over.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../symbolizers.sh"
tap_need curl python3 pgrep
decode=$root/test/endpoint/pprof_decode.py

# lines FILE: how many locations have line numbers, then whether `host_spin`-like names are there.
lines() {
	"$decode" "$1" | python3 -c '
import json, sys
p = json.load(sys.stdin)
frames = [f for s in p["samples"] for f in s["stack"]]
print("lines" if any(f["line"] for f in frames) else "no lines",
      "names" if any(f["name"].startswith("leaf_") for f in frames) else "no names")'
}
comments() {
	"$decode" "$1" | python3 -c 'import json, sys; print(*json.load(sys.stdin)["comments"], sep="\n")'
}
# library NAME [SYMBOLIZER]: a copy of the agent with another program beside it, or none.
library() {
	mkdir "$tmp/$1"
	cp "$AGENT" "$tmp/$1/libprofagent.so"
	[ -z "${2:-}" ] || install -m 755 /dev/stdin "$tmp/$1/profagent-symbolize" <<<"$2"
}
# with NAME [VAR=value...]: a program under that copy.
with() {
	local real=$AGENT
	AGENT=$tmp/$1/libprofagent.so
	agent_start "${@:2}" -- "$PROGRAMS/cpu_shares_cc" 200 1
	AGENT=$real
}
warnings() {
	grep -c 'profiles have no line numbers' "$agent_log"
}

# As it should be.
agent_start -- "$PROGRAMS/cpu_shares_cc" 200 1
is "$(symbolizers)" "" "nobody asks: it does not run"
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "lines names" "lines"
# Below an init the program stays for the next question; elsewhere it ends with its keeper.
if symbolizers_stay; then
	running=$(symbolizers)
	like "$running" '^[0-9]+$' "one program runs for it"
	profile "$tmp/p" 1
	is "$(symbolizers)" "$running" "and is asked again"
	kill -9 "$running"
else
	ok "it has ended, and its keeper" wait_until 5 no_symbolizer
fi
is "$(pgrep -P "$pid" | wc -l)" 0 "the service has no child"
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "lines names" "what is known stays known"
if symbolizers_stay; then
	# An address of the program that nobody has asked about.
	code=$(awk '$2 == "r-xp" && /cpu_shares_cc/ { split($1, at, "-"); print at[1]; exit }' "/proc/$pid/maps")
	fetch "/symbol?$(printf '0x%x' $((16#$code + 0x101)))" -o /dev/null
	stopped=$(symbolizers)
	like "$stopped" '^[0-9]+$' "another one is started"
	kill -STOP "$stopped"
	begin=${EPOCHREALTIME/./}
	is "$(fetch_status "/symbol?$(printf '0x%x' $((16#$code + 0x111)))")" 200 "one that was stopped is not waited for"
	in_range $((${EPOCHREALTIME/./} - begin)) 900000 1900000 "longer than a second"
fi
agent_stop
for stopped in $(symbolizers); do
	kill -CONT "$stopped"
done
ok "it ends with the service" wait_until 10 no_symbolizer

library missing
with missing
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines names" "missing: names"
like "$(comments "$tmp/p")" 'addresses have no line numbers: ENOENT' "missing: a comment says why"
profile "$tmp/p" 1
is "$(warnings)" 1 "missing: one line in the log"
agent_stop

library stuck '#!/bin/sh
exec cat >/dev/null'
with stuck
begin=${EPOCHREALTIME/./}
profile "$tmp/p" 1
in_range $((${EPOCHREALTIME/./} - begin)) 1000000 2500000 "stuck: in time for pprof, which waits 1.5 s"
is "$(lines "$tmp/p")" "no lines names" "stuck: names"
like "$(comments "$tmp/p")" 'the time for them ran out' "stuck: a comment says why"
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines names" "stuck: again"
agent_stop

library crashing '#!/bin/sh
kill -SEGV $$'
with crashing
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines names" "crashing: names"
profile "$tmp/p" 1
is "$(warnings)" 1 "crashing: one line in the log"
agent_stop

library noise '#!/bin/sh
exec cat /dev/urandom >&0'
with noise
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines names" "nonsense from it: names"
is "$(warnings)" 1 "nonsense: one line in the log"
agent_stop

library refused 'no program at all'
chmod 644 "$tmp/refused/profagent-symbolize"
with refused
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines names" "refused: names"
agent_stop

agent_start PPROF_SYMBOLIZE=names -- "$PROGRAMS/cpu_shares_cc" 200 1
profile "$tmp/p" 1
is "$(lines "$tmp/p") $(symbolizers)" "no lines names " "PPROF_SYMBOLIZE=names: not asked for, not started"
fetch "/profile?seconds=1&symbolize=lines" -o "$tmp/p"
is "$(lines "$tmp/p")" "lines names" "unless a request wants lines"
agent_stop
agent_start PPROF_SYMBOLIZE=none -- "$PROGRAMS/cpu_shares_cc" 200 1
profile "$tmp/p" 1
is "$(lines "$tmp/p")" "no lines no names" "PPROF_SYMBOLIZE=none"
agent_stop
ok "no program is left" wait_until 10 no_symbolizer
tap_done
