#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# A service that locks itself into an empty directory, without /proc, and gives up its privileges
# is profiled as before; and the agent's threads are not in the way of setns(2).
. "$(dirname "$0")/../host.sh"
tap_need curl python3
[ "$(id -u)" -eq 0 ] || tap_skip_all "chroot(2) takes root"

mkdir "$tmp/empty"
chmod 755 "$tmp" "$tmp/empty"
PPROF_PORT=$(free_port)
start env PPROF_PORT="$PPROF_PORT" LD_PRELOAD="$AGENT" "$PROGRAMS/attack_root" chroot "$tmp/empty"
ok "it is locked up" wait_until 10 grep -q 'locked up' "$output"
ok "and listens" wait_until 10 port_answers "$PPROF_PORT"
url=http://127.0.0.1:$PPROF_PORT/debug/pprof
ok "a profile" profile "$tmp/profile" 1
like "$(decode --traces "$tmp/profile")" 'host_burn_until.*main' "with whole stacks and names"
is "$(grep -c profagent "$output")" 0 "nothing is said"
stop "$pid" KILL

same attack_root setns
tap_done
