#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stacks through a large frame with pages that were never touched are whole, with both engines.
. "$(dirname "$0")/../real.sh"
tap_need curl python3

for engine in "${engines[@]}"; do
	engine_start "$engine" -- "$PROGRAMS/large_frame" 4
	ok "$engine: a profile" take "$pid" "$tmp/profile" 2
	check_profile "$engine" "$tmp/profile" large_frame --stack=';frame_large;main;.*_start$' \
		--stack=';frame_large;frame_thread;'
	wait "$pid"
	is "$?" 0 "$engine: the program ends well"
done
tap_done
