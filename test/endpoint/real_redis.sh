#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# redis-server under load: stripped, with jemalloc, forks to save.
. "$(dirname "$0")/../real.sh"
tap_need redis-server redis-cli redis-benchmark curl python3
cd "$tmp" || exit 1

port_of_redis=$(free_port)
redis=(redis-server --port "$port_of_redis" --bind 127.0.0.1 --save '')
cli() {
	redis-cli -p "$port_of_redis" "$@"
}
answers() {
	[ "$(cli ping)" = PONG ]
}
load() {
	start redis-benchmark -p "$port_of_redis" -q -l -c 20 -r 1000 -t set,get,lpush,lrange_100
	load_pid=$pid
}
load_runs() {
	[ "$(cli info stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p')" -gt 1000 ]
}
# What a client sees, the same in each run.
session() {
	for i in 1 2 3 4 5 6 7 8; do
		echo "set key$i value$i"
		echo "incrby counter $i"
		echo "lpush list a$i b$i"
	done
	echo 'mget key1 key2 key9'
	echo 'sort list alpha'
	echo 'eval "local s = 0; for i = 1, 100000 do s = s + i % 7 end; return s" 0'
	echo 'get counter'
	echo 'debug digest'
	echo 'incr key1'
}
saved() {
	[ "$(cli lastsave)" != "$1" ] && cli info persistence | grep -q 'rdb_bgsave_in_progress:0'
}

start "${redis[@]}"
server=$pid
wait_until 10 answers
cli flushall >/dev/null
session | cli >"$tmp/plain"
stop "$server"
plain_status=$?

for engine in "${engines[@]}"; do
	engine_start "$engine" -- "${redis[@]}"
	server=$pid
	wait_until 10 answers
	load
	wait_until 10 load_runs
	ok "$engine: a profile" take "$server" "$tmp/redis" 2
	check_profile "$engine" "$tmp/redis" redis --names='^processCommand$' \
		--stack=';processInputBuffer;readQueryFromClient;.*;aeMain;main;.*_start$'
	# A child that saves, while a profile is taken
	before=$(cli lastsave)
	sleep 1.1 # lastsave counts seconds
	profile "$tmp/during" 1 &
	profile_pid=$!
	is "$(cli bgsave)" "Background saving started" "$engine: saves in the background"
	ok "$engine: it ends" wait_until 10 saved "$before"
	like "$(cli info persistence)" 'rdb_last_bgsave_status:ok' "$engine: and well"
	wait $profile_pid
	check_profile "$engine" "$tmp/during" "redis, saving" --samples=20
	stop "$load_pid"
	is "$(redis-benchmark -p "$port_of_redis" -q -n 2000 -t set,get,incr,lpush,mset 2>&1 |
		tr '\r' '\n' | grep -c 'requests per second')" 5 "$engine: redis-benchmark reports no error"
	cli flushall >/dev/null
	session | cli >"$tmp/guest"
	ok "$engine: the same answers" diff "$tmp/plain" "$tmp/guest"
	stop "$server"
	is "$?" "$plain_status" "$engine: the same exit status"
	[ "$engine" = perf ] || cp "$tmp/redis" "$tmp/redis.timer"
done

mkdir -p "${GOCACHE:-$tmp}" 2>/dev/null
if command -v go >/dev/null && [ -w "${GOCACHE:-$HOME}" ]; then
	go_says() {
		go_pprof "$@" "$tmp/redis.timer" 2>&1
	}
	like "$(go_says -top -cum)" '^ .* aeMain$' "go tool pprof -top"
	like "$(go_says -raw)" '0x.* .*/redis-.* \[FN\]' "go tool pprof -raw"
	like "$(go_says -traces)" '^ +readQueryFromClient$' "go tool pprof -traces"
	like "$(go_says -symbolize=remote -top -cum)" '^ .* processCommand$' "go tool pprof -symbolize=remote"
fi
tap_done
