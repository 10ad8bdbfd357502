#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# What a process may do to itself while profagent-symbolize works for it: exec, fork, die, be PID 1,
# reach its limits. Nothing is left over, and nothing goes wrong in the process.
. "$(dirname "$0")/../host.sh"
. "$(dirname "$0")/../symbolizers.sh"
tap_need curl python3 pgrep unshare prlimit

export HOST_GO=$tmp/go ATTACK_ADDRESS=$tmp/address
touch "$HOST_GO"
umask 0 # a part runs as nobody
chmod a+rwx "$tmp"
attack=$PROGRAMS/attack_symbolizer

symbolizers_kill() {
	local candidate
	for candidate in $(symbolizers); do
		kill -9 "$candidate" 2>/dev/null
	done
	return 0
}
# Asks for addresses that nobody has asked for, so that the program has to run.
asked=0
ask() {
	asked=$((asked + 1))
	fetch "/symbol?$(printf '0x%x' $(($(cat "$ATTACK_ADDRESS") + asked)))" "$@"
}
# asks SECONDS_MAX: until $pid has ended. Kills the program now and then.
ask_to_the_end() {
	(
		trap - EXIT
		while ! has_ended "$pid"; do
			ask -m 2 -o "$tmp/answer" 2>"$tmp/error" && echo >>"$tmp/answers"
			[ $((asked % 7)) != 0 ] || symbolizers_kill
		done
	) &
	asker=$!
	started+=("$asker")
	finish_program
	wait "$asker"
}

# exec, again and again, always on the same port.
: >"$tmp/answers"
agent_start PPROF_PORT="$(free_port)" -- "$attack" exec 15
ask_to_the_end
is "$status $(cat "$output")" "0 wait -1 No child processes" "a program that execs itself has no children"
in_range "$(wc -l <"$tmp/answers")" 10 100000 "and answers"
ok "nothing is left" wait_until 10 no_symbolizer

# fork, some children outlive it.
: >"$tmp/answers"
agent_start -- "$attack" fork 300
ask_to_the_end
is "$status $(cat "$output")" "0 strangers 0, sockets 0, then -1 No child processes" \
	"a program that forks sees its own children only, which have nothing of ours"
ok "nothing is left, though children of it live" wait_until 10 no_symbolizer
in_range "$(wc -l <"$tmp/answers")" 10 100000 "it answered"
for child in $(pgrep -x attack_symboliz); do
	grep -qs "^Max msgqueue size  *$symbolizer_mark " "/proc/$child/limits" && kill -9 "$child"
done

# PID 1 of a namespace, and under an init.
if unshare -Urpf --mount-proc true 2>/dev/null; then
	space=(unshare -Urpf --mount-proc --kill-child)
	ln -s "$(command -v bash)" "$tmp/tini"
	start "$PROGRAMS/host_wait" count
	finish_program
	plain=$output
	guest -- "${space[@]}" "$PROGRAMS/host_wait" count
	touch "$HOST_GO"
	is "$status" 0 "PID 1 ends well"
	ok "PID 1 sees its own children only" diff "$plain" "$output"
	ok "nothing is left" wait_until 10 no_symbolizer
	guest -- "${space[@]}" "$tmp/tini" -c "'$PROGRAMS/host_wait' wall & wait \$!"
	touch "$HOST_GO"
	ok "under an init not even __WALL shows others" diff "$plain" "$output"
	ok "nothing is left" wait_until 10 no_symbolizer
else
	echo "# no namespaces here: not tested as PID 1"
fi

# Descriptors, threads and children do not grow.
agent_start -- "$attack" burn
census() {
	echo "$(find "/proc/$pid/fd" -type l 2>/dev/null | wc -l) $(find "/proc/$pid/task" -maxdepth 1 | wc -l) $(pgrep -P "$pid" | wc -l)"
}
for ((i = 0; i < 10; i++)); do ask -o /dev/null; done
before=$(census)
for ((i = 0; i < 50; i++)); do
	ask -o /dev/null
	[ $((i % 10)) != 0 ] || symbolizers_kill
done
as_before() {
	[ "$(census)" = "$before" ]
}
ok "after 50 requests it has as many descriptors, threads and children ($before)" wait_until 10 as_before

# 16 requests at once.
pids=()
for ((i = 0; i < 16; i++)); do
	asked=$((1000 + i * 100))
	ask -o "$tmp/at-once$i" &
	pids+=($!)
done
wait "${pids[@]}"
is "$(cat "$tmp"/at-once* | grep -c '^num_symbols: 1$')" 16 "16 at once are all answered"
in_range "$(symbolizers | wc -l)" "$(symbolizers_stay && echo 1 || echo 0)" 1 "by one program"

# Killed in the middle of a request.
for ((i = 0; i < 3; i++)); do ask -m 5 -o /dev/null 2>/dev/null & done
stop "$pid" KILL
ok "nothing is left of a killed process" wait_until 5 no_symbolizer
wait

# Limits: root has none for processes.
nobody=()
[ "$(id -u)" -ne 0 ] || nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
asked=0
rm "$ATTACK_ADDRESS"
agent_start -- "${nobody[@]}" "$attack" burn
fetch /cmdline -o /dev/null # a thread that answers is there from now on
# limit NAME [VALUE]: of the running program; the highest without a value.
limit() {
	local value=${2:-$("${nobody[@]}" prlimit --pid "$pid" "--$1" --output HARD --noheadings --raw)}
	"${nobody[@]}" prlimit --pid "$pid" "--$1=$value:"
}
limit nproc 1
is "$(ask | head -n 1)" "num_symbols: 1" "no more processes: an answer"
ask -o /dev/null
is "$(symbolizers)" "" "without the program"
is "$(grep -c 'profiles have no line numbers now.*EAGAIN' "$agent_log")" 1 "one line in the log"
limit nproc
ask -o /dev/null
if symbolizers_stay; then
	like "$(symbolizers)" '^[0-9]+$' "started when there may be more"
	symbolizers_kill
fi
is "$(grep -c 'profiles have no line numbers' "$agent_log")" 1 "no second line when there may be more"
limit as $(($(awk '/^VmSize/ { print $2 }' "/proc/$pid/status") * 1024))
ask -m 5 -o /dev/null 2>/dev/null
limit as
is "$(ask | head -n 1)" "num_symbols: 1" "no more memory: it lives, and answers later"
agent_stop
ok "nothing is left" wait_until 10 no_symbolizer

# valgrind ends a process for the way in which the program is started.
if command -v valgrind >/dev/null; then
	rm "$ATTACK_ADDRESS"
	agent_start -- valgrind -q "$attack" burn
	is "$(ask | head -n 1)" "num_symbols: 1" "valgrind: an answer"
	is "$(symbolizers) $(grep -c 'no line numbers.*ENOSYS' "$agent_log")" " 1" "valgrind: without the program"
	agent_stop
fi
tap_done
