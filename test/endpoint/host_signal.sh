#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Signals belong to the program: what sigaction and its relatives say, which handler runs, how the
# process dies.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

same host_signal view
same host_signal restart
same host_signal wait
for how in by-default by-real-time after-handler after-one by-thread by-timer not; do
	same host_signal die "$how"
done
for when in before during; do
	same host_signal ticks "$when"
	like "$(cat "$output")" '^ticks of others: 0$' "ticks $when: none of the agent's"
	last=$(find "$profiles" -name '[0-9]*' | sort -V | tail -n 1)
	# The last one began after the program had taken the signal.
	ok "ticks $when: a whole profile was taken" test -n "$last"
	in_range "$(cpu_of "$last")" 100000000 1500000000 "ticks $when: with samples"
done
like "$(cat "$agent_log")" 'sampling goes on with signal' "the log tells of the other signal"
tap_done
