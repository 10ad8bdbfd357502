#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Profiles redis-server under load in a loop and watches its memory: SECS (60) seconds, profiles of
# 2 s by both engines. Prints the resident memory as it goes; fails when the second half grows by
# more than 1 MiB, when a request fails, or when the server does not survive.
#
#	make stress T=soak SECS=1800
. "$(dirname "$0")/../lib.sh"
tap_need redis-server redis-benchmark curl
seconds=${SECS:-60}

rss_kb() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# soak ENGINE SECONDS
soak() {
	local engine=$1 end=$((SECONDS + $2)) half=$((SECONDS + $2 / 2)) count=0 failed=0 middle=0 redis
	redis=$(free_port)
	agent_start PPROF_CPU_ENGINE="$engine" -- redis-server --port "$redis" --save '' \
		--maxmemory 32mb --maxmemory-policy allkeys-lru
	local server=$pid
	start redis-benchmark -p "$redis" -q -l -c 4 -r 100000 -t set,get,lpush,lpop
	local load=$pid
	while [ $SECONDS -lt $end ]; do
		fetch '/profile?seconds=2' -f -o "$tmp/profile" || failed=$((failed + 1))
		count=$((count + 1))
		if [ $SECONDS -ge $half ] && [ "$middle" = 0 ]; then
			middle=$(rss_kb "$server")
		fi
		[ $((count % 10)) = 0 ] && echo "# $engine: $count profiles, $(rss_kb "$server") KiB"
	done
	local last
	last=$(rss_kb "$server")
	is "$failed" 0 "$engine: every one of $count profiles arrives"
	tap_check $((last - middle > 1024)) \
		"$engine: resident memory $middle KiB at half time, $last KiB at the end"
	stop "$load"
	stop "$server"
	is $? 0 "$engine: the server ends as it should"
}

soak timer $((seconds / 2))
soak perf $((seconds / 2))
tap_done
