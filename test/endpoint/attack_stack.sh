#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Stacks that must not be followed: overflowed ones, with holes, too small, forged, and registers
# that are no stack at all. The program goes on as without the agent.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

same attack_stack overflow
same attack_stack overflow thread
same attack_stack tiny
same attack_stack registers thread
same attack_stack forged
# Whole stacks are copied only where something else walks them, or rows are not ready yet.
start "$PROGRAMS/attack_stack" holes
plain=$output
finish_program
guest PPROF_UNWINDER=libunwind -- "$PROGRAMS/attack_stack" holes
is "$status" 0 "holes in a stack that is copied: exit status"
ok "holes in a stack that is copied: output" diff "$plain" "$output"
tap_done
