#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# A tick may come on any stack, and never changes what a call returns.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

same host_stack alternate 8192
same host_stack alternate 16384
same host_stack coroutines
same host_stack jumps
same host_stack deep
same host_eintr 3
like "$(cat "$output")" '^interrupted calls: 0$' "no call returns EINTR"
like "$(cat "$output")" '^changes of errno: 0$' "errno stays"
tap_done
