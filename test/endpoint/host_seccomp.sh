#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Threads in a seccomp sandbox: no system call and no signal of ours kills them.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

same host_seccomp before
same host_seccomp during
tap_done
