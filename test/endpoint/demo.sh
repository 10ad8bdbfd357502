#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# The README's first command, without its installation of packages.
. "$(dirname "$0")/../lib.sh"
tap_need redis-server redis-cli redis-benchmark curl
cd "$tmp" || exit 1

DEMO_SECONDS=2 "$root/scripts/demo.sh" >"$tmp/demo" 2>&1
is "$?" 0 "the demo succeeds" || sed 's/^/# /' "$tmp/demo"
output=$(cat "$tmp/demo")
like "$output" 'runs with LD_PRELOAD=libprofagent.so: http://localhost:[0-9]+/debug/pprof/' "says where it listens"
file=$(sed -n 's/^saved: //p' "$tmp/demo")
ok "the profile is there" test -s "$file"
if command -v go >/dev/null; then
	like "$output" '(readQueryFromClient|processCommand|call|aeMain|write)' "prints functions of redis"
fi
not_ok "no redis is left" pgrep -f "redis-server.*$tmp"

# Somebody has port 6060 already, or gets it now: the demo takes another one.
start "$PROGRAMS/listen_port" 6060
wait_until 5 port_answers 6060
DEMO_SECONDS=1 "$root/scripts/demo.sh" >"$tmp/demo" 2>&1
is "$?" 0 "port 6060 may be taken" || sed 's/^/# /' "$tmp/demo"
like "$(cat "$tmp/demo")" 'port 6060 is taken' "and it says so"
tap_done
