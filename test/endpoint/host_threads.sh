#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Threads live and end as without the agent: tiny stacks, clone(2), cancellation, thousands.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

for kib in 16 20 32; do
	same host_threads small "$kib"
done
same host_threads ends
same host_threads many 5000
same host_threads raw
same host_threads c11
like "$(decode --traces "$profiles/1")" 'host_burn;c11_thread;' "C11 threads: up to their start routine"
tap_done
