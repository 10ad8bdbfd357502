#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs redis-server under the agent with a load, takes a CPU profile, prints its top functions.
# Called by `make demo`. Uses a redis of its own on a free port, and a free port for the agent
# where 6060 is taken; stops both at the end.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
seconds=${DEMO_SECONDS:-5}

for program in redis-server redis-cli redis-benchmark curl; do
	command -v $program >/dev/null || { echo "demo: $program is missing: scripts/install-deps.sh demo"; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/profagent-demo.XXXXXX") || exit 1
pids=()
clean_up() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

fail() {
	echo "demo: $*" >&2
	for f in "$work"/*.log; do
		[ -s "$f" ] && echo "--- ${f##*/}:" >&2 && tail -n 20 "$f" >&2
	done
	exit 1
}
answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

agent_port=6060
if answers 6060; then
	agent_port=0
	echo "port 6060 is taken, so the agent gets a free one"
fi

# No settings of the caller: the demo is the same everywhere.
for name in $(compgen -e); do
	case $name in PPROF_* | CPU_PROFILE_* | APP_* | PROFILE_DURATION) unset "$name" ;; esac
done

# A port that somebody takes between the look and the bind makes redis end: try another.
for _ in 1 2 3 4 5 6 7 8; do
	redis_port=$((20000 + RANDOM % 10000))
	answers $redis_port && continue
	PPROF_PORT=$agent_port PPROF_LOG=info PPROF_LOG_FILE=$work/agent.log \
		LD_PRELOAD=$BUILD/libprofagent.so \
		redis-server --bind 127.0.0.1 --port $redis_port --save '' --appendonly no --dir "$work" \
		>"$work/redis.log" 2>&1 &
	redis=$!
	for _ in {1..100}; do
		kill -0 $redis 2>/dev/null || break
		[ "$(redis-cli -p $redis_port ping 2>/dev/null)" = PONG ] && break 2
		sleep 0.1
	done
	kill $redis 2>/dev/null
	wait $redis
	redis=
done
[ -n "$redis" ] || fail "redis-server did not start"
pids+=("$redis")
for _ in {1..100}; do
	port=$(sed -n 's,.*listening on http://[^ ]*:\([0-9][0-9]*\)/.*,\1,p' "$work/agent.log" 2>/dev/null | tail -n 1)
	[ -n "$port" ] && break
	sleep 0.1
done
[ -n "$port" ] || fail "the agent does not listen"
echo "redis-server (port $redis_port) runs with LD_PRELOAD=libprofagent.so: http://localhost:$port/debug/pprof/"

redis-benchmark -p "$redis_port" -q -l -P 16 -t set,get,incr,lpush,hset,lrange_100 -n 500000 -r 100000 >"$work/benchmark.log" 2>&1 &
pids+=($!)
"$root/scripts/profile_cpu.sh" -h localhost -p "$port" -d "$seconds" || fail "no profile"
