#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The functions of a stripped libc that are chosen at run time have the names that programs call
# them by; one with local symbols, or debug information, its own names.
. "$(dirname "$0")/../lib.sh"
tap_need curl python3
decode=$root/test/endpoint/pprof_decode.py

agent_start CPU_PROFILE_RATE=250 -- "$PROGRAMS/libc_hot" 300
for query in symbolize=names ''; do
	ok "a profile ($query)" profile "$tmp/profile" 2 "$query"
	"$decode" --type=samples --top "$tmp/profile" >"$tmp/top"
	for name in memcpy memset strlen strchr memcmp; do
		like "$(cut -f3 "$tmp/top")" "(^|_)(${name/memcpy/(memcpy|memmove)}|${name}eq)(_|\$)" \
			"$name is there ($query)"
	done
	nameless=$(awk -F'\t' '{ all += $1 } $3 ~ /\+0x/ { n += $1 }
		END { printf "%d", 100 * n / all }' "$tmp/top")
	in_range "$nameless" 0 1 "and hardly anything is without a name ($query)"
done
agent_stop "$pid"
tap_done
