#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# scripts/profile_cpu.sh: options, environment, names of files, and what it says when it cannot.
. "$(dirname "$0")/../lib.sh"
tap_need curl
script=$root/scripts/profile_cpu.sh
mkdir "$tmp/dir" && cd "$tmp/dir" || exit 1
unset PPROF_USER PPROF_PASSWORD PPROF_TOKEN PPROF_PREFIX

# run ARGUMENT...: sets $out, $err, $status.
run() {
	out=$("$script" "$@" 2>"$tmp/err")
	status=$?
	err=$(cat "$tmp/err")
}
# refused PATTERN NAME: the last run failed with one clear line and left no file.
refused() {
	like "$err" "$1" "$2"
	is "$status $(ls)" "1 " "and fails without a file"
}

agent_start -- "$PROGRAMS/cpu_shares_fp" 60 1
busy=$pid busy_port=$port

run -h 127.0.0.1 -p "$busy_port" -d 1
is "$status" 0 "takes a profile"
like "$(ls)" '^cpu_20[0-9]{6}_[0-9]{6}\.prof$' "names it after the time"
like "$err" "CPU profile of 127.0.0.1:$busy_port" "says what it waits for"
like "$out" "saved: $(ls)" "says where it is"
if command -v go >/dev/null; then
	like "$out" 'leaf_a' "prints the top functions"
fi
first=$(ls)
is "$(head -c 2 "$first" | od -An -tx1)" " 1f 8b" "the file is the profile"

# The clock stands still: the name is taken.
mkdir "$tmp/bin"
printf '#!/bin/sh\necho 20240102_030405\n' >"$tmp/bin/date"
chmod +x "$tmp/bin/date"
rm -f ./*
echo mine >cpu_20240102_030405.prof
PATH=$tmp/bin:$PATH run -p "$busy_port" -d 1
is "$(ls)" "cpu_20240102_030405.prof
cpu_20240102_030405_2.prof" "takes another name where one is taken"
is "$(cat cpu_20240102_030405.prof)" mine "and overwrites nothing"
rm -f ./*

APP_HOST=127.0.0.1 APP_PORT=$busy_port PROFILE_DURATION=1 run -o named.prof
is "$status $(ls)" "0 named.prof" "APP_HOST, APP_PORT, PROFILE_DURATION and -o"
before=$(cksum named.prof)
run -p "$busy_port" -d 1 -o named.prof
like "$err" "named.prof exists already" "-o does not overwrite"
is "$status $(cksum named.prof)" "1 $before" "and fails before it measures"
rm -f ./*

# Without go there is a hint in place of the table.
mkdir "$tmp/nogo"
for program in sh curl gzip od awk date mktemp sed cat rm head tr sleep; do
	ln -s "$(command -v $program)" "$tmp/nogo/$program"
done
sh=$(command -v sh)
out=$(PATH=$tmp/nogo "$sh" "$script" -p "$busy_port" -d 1 2>&1)
like "$out" 'go tool pprof -http' "says how to look at it without go"
rm -f ./*

# Whether somebody has a connection to that port.
is_connected() {
	grep -qi "0100007F:$(printf %04X "$1") 01 " /proc/net/tcp
}
"$script" -h 127.0.0.1 -p "$busy_port" -d 30 -o long.prof >/dev/null 2>&1 &
long=$!
started+=("$long")
wait_until 10 is_connected "$busy_port"
run -p "$busy_port" -d 1 -o second.prof
refused 'another CPU profile' "busy: one at a time"
kill "$long"
wait "$long"
is "$?" 143 "ends at once on SIGTERM"
first_again() {
	run -p "$busy_port" -d 1 -o again.prof
	[ "$status" -eq 0 ]
}
ok "and the next one can run" wait_until 10 first_again
is "$(ls)" again.prof "an interrupted one leaves no file"
rm -f ./*
is "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'profile_cpu.*' -newer "$agent_log" -user "$(id -un)" | wc -l)" 0 \
	"nor a temporary one"

# A service that ends while it is measured.
agent_start -- "$PROGRAMS/cpu_shares_fp" 60 1
"$script" -h 127.0.0.1 -p "$port" -d 30 >"$tmp/cut.out" 2>"$tmp/cut.err" &
cut=$!
started+=("$cut")
wait_until 10 is_connected "$port"
stop "$pid"
wait "$cut"
is "$?" 1 "a service that ends makes it fail"
like "$(cat "$tmp/cut.err")" 'did the service end' "and it says so"

agent_start -- sleep 60
run -p "$port" -d 1
refused 'no CPU was used in 1 s: put the service under load' "an idle service"

agent_start PPROF_USER=me 'PPROF_PASSWORD=se"cr\et x' -- "$PROGRAMS/cpu_shares_fp" 60 1
run -p "$port" -d 1
refused '401: .* wants credentials: set PPROF_USER' "401 says what to set"
PPROF_USER=me PPROF_PASSWORD=wrong run -p "$port" -d 1
refused '401: .* refuses these credentials' "wrong ones are refused"
PPROF_USER=me PPROF_PASSWORD='se"cr\et x' run -p "$port" -d 1
is "$status" 0 "the right ones are taken, quotes and backslashes included"
rm -f ./*
# What ps would show of everything that the script starts.
PPROF_USER=me PPROF_PASSWORD='se"cr\et x' "$script" -p "$port" -d 2 >/dev/null 2>&1 &
visible=$!
started+=("$visible")
seen=
while kill -0 "$visible" 2>/dev/null && ! has_ended "$visible"; do
	for p in $(pgrep -P "$visible") "$visible"; do
		seen=$seen$(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline")
	done
	sleep 0.1
done
wait "$visible"
like "$seen" 'curl' "(curl was seen running)"
unlike "$seen" 'se"cr' "the password is in nobody's arguments"
rm -f ./*

agent_start PPROF_TOKEN=t0ken -- "$PROGRAMS/cpu_shares_fp" 60 1
PPROF_TOKEN=t0ken run -p "$port" -d 1
is "$status" 0 "a token"
rm -f ./*
agent_start PPROF_PREFIX=/other -- "$PROGRAMS/cpu_shares_fp" 60 1
PPROF_PREFIX=/other run -p "$port" -d 1
is "$status" 0 "another prefix"
rm -f ./*
run -p "$port" -d 1
refused '404: .*/debug/pprof/profile' "404 names the path"

run -p "$(free_port)" -d 1
refused 'nobody listens on localhost:[0-9]+.*LD_PRELOAD' "nobody listens"
run -h no-such-host.invalid -d 1
refused 'no-such-host.invalid' "an unknown host"
for bad in "-p 0" "-p 70000" "-p x" "-d 0" "-d -1" "-d 1.5" "-d ''" "-x" "stray"; do
	eval "run $bad"
	is "$status $(ls)" "1 " "refuses $bad"
done
PROFILE_DURATION=soon run
like "$err" "'soon' is not a whole number" "a bad PROFILE_DURATION is named"
run --help
like "$out" '-o FILE' "--help explains the options"

stop "$busy"
tap_done
