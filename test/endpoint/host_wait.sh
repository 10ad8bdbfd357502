#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Programs that count their children never see the one that reads debug information.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

has_lines() {
	decode "$(find "$profiles" -name '[0-9]*' | sort -V | tail -n 1)" | python3 -c '
import json, sys
p = json.load(sys.stdin)
sys.exit(not any(f["name"] == "host_spin" and f["line"] for s in p["samples"] for f in s["stack"]))'
}

modes=(count reaper ignore)
# Elsewhere a keeper stays in between, which __WALL shows (agent/base/spawn.c).
case $(cat /proc/1/comm) in
systemd | init) modes+=(wall) ;;
*) echo "# PID 1 is no init: not tested with __WALL" ;;
esac
for mode in "${modes[@]}"; do
	same host_wait "$mode"
	ok "$mode: profiles have line numbers" has_lines
done
tap_done
