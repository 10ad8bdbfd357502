#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Processes that end by exit(2), thread by thread, and sandboxes of forks and of all threads: the
# agent's threads keep nothing alive and make no call that the sandbox kills for.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

limit=10
same attack_end alone
same attack_end thread
same attack_end sandbox-fork

same attack_end sandbox-all
like "$(cat "$agent_log")" 'all its threads into a sandbox' "the log tells that the agent has ended"

same attack_end sandbox-asked
last=$(find "$profiles" -name '[0-9]*' | sort -V | tail -n 1)
like "$(decode --traces "$last")" 'host_burn' "who only asks for a sandbox is profiled on"
tap_done
