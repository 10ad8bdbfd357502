#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Processes that end by exit(2), thread by thread, and forks in a sandbox: the agent's threads keep
# nothing alive, and its hooks make no call that the sandbox kills for.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

limit=10
same attack_end alone
same attack_end thread
same attack_end sandbox-fork
tap_done
