#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Batch programs of all kinds write the same files, the same output and the same errors, and end
# with the same status, without the agent, with it, and with it while profiles of them are taken.
. "$(dirname "$0")/../lib.sh"
tap_need curl python3
export SOURCE_DATE_EPOCH=1000000000 TZ=UTC PYTHONDONTWRITEBYTECODE=1 GIT_CONFIG_NOSYSTEM=1
export GIT_CONFIG_GLOBAL=/dev/null PYTHONHASHSEED=1 DEBUGINFOD_URLS=

input=$tmp/input
mkdir "$input"
for i in {1..200}; do
	echo "int f$i(int x) { for (int i = 0; i < x; i++) x ^= i * $i; return x; }"
done >"$input/long.c"
cp "$root"/agent/base/*.[ch] "$input"
printf '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n' >"$input/main.c"
printf 'int broken( { return 1; }\n' >"$input/broken.c"
cat >"$input/Makefile" <<'EOF'
all: a.txt b.txt c.txt d.txt
	cat $^ >all
%.txt:
	echo $@ | sha256sum >$@
EOF
cat >"$input/pipes.sh" <<'EOF'
set -o pipefail
count=0
while read -r line; do count=$((count + ${#line})); done < <(sort -r long.c | uniq | head -n 100)
x=$(echo "$(echo "$count" | (read -r n; echo $((n * 2))))")
for i in 1 2 3 4 5; do (exit "$i") || echo "subshell $i: $?"; done
sleep 0.1 & wait $!
echo "background: $?"
trap 'echo trapped' USR1; kill -USR1 $BASHPID
seq 1000 | xargs -n 50 -P 4 echo | wc -w
yes | head -n 3; echo "${PIPESTATUS[*]}"
ulimit -n; umask; echo "$x" >&2
exec bash -c 'echo last $0; kill -TERM $$' word
EOF

# run NAME COMMAND...: in a copy of the input, as $mode says. The results are in $results/NAME.
run() {
	local name=$1 dir=$results/$1 env=() status
	shift
	rm -rf "$tmp/work"
	cp -r "$input" "$tmp/work"
	mkdir -p "$dir"
	[ "$mode" = plain ] || env=(LD_PRELOAD="$AGENT" PPROF_PORT=0 PPROF_LOG_FILE="$tmp/agent.log")
	[ "$mode" != profiled ] || env+=(PPROF_LOG=info CPU_PROFILE_RATE=250)
	# The shell's own word about a killed program goes elsewhere.
	{
		(cd "$tmp/work" && exec env "${env[@]}" "$@") >"$dir/out" 2>"$dir/err" </dev/null
		status=$?
	} 2>/dev/null
	echo $status >"$dir/status"
	# What it has written, archives and objects included
	(cd "$tmp/work" && find . -type f ! -path './.git/*' -exec sha256sum {} + | sort -k2) >"$dir/files"
}

# maybe PROGRAM NAME COMMAND...: where it is installed
maybe() {
	if command -v "$1" >/dev/null; then
		run "${@:2}"
	else
		echo "# $1 is not installed"
	fi
}

all() {
	maybe gcc compile gcc -O2 -c long.c -o long.o
	maybe gcc link sh -c 'gcc -O1 main.c -o main && ./main && strip main'
	maybe gcc refuse gcc -c broken.c
	maybe g++ warn sh -c 'echo "int f(int x) { int y; return x; }" | g++ -x c++ -Wall -Wextra -S - -o -'
	maybe make make make -s -j2
	maybe make fail make -s nothing
	run bash bash pipes.sh
	maybe dash dash dash -c 'for i in 1 2 3; do echo $i | cat; done; cat nothing; exit 5'
	maybe perl perl perl -e 'open my $p, "-|", "sort -n long.c | tail -n 3" or die; print while <$p>; close $p;
		my $pid = fork; exit 3 unless $pid; waitpid $pid, 0; print $? >> 8, "\n"; print sprintf("%.15g", atan2(1, 2)), "\n"; my %h; $h{$_ % 1009} .= $_ for 1 .. 1500000; print length $h{7}, "\n"; die "end\n"'
	run python3 python3 -c 'import subprocess, sys, os, threading, hashlib, zlib, select, signal
data = open("long.c", "rb").read()
print(hashlib.sha256(zlib.compress(data * 50)).hexdigest())
print(subprocess.run(["wc", "-l"], input=data, capture_output=True).stdout)
print(subprocess.run("exit 9", shell=True).returncode, os.system("kill -9 $$"))
t = [threading.Thread(target=print, args=(i,)) for i in range(3)]
for x in t: x.start(); x.join()
r, w = os.pipe(); print(r, w)
print(signal.getsignal(signal.SIGPROF), signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count())
print(sum(len(str(i * i)) for i in range(1500000)))
sys.exit(4)'
	maybe sqlite3 sqlite3 sqlite3 file.db 'create table t(a primary key, b); with recursive c(x) as (select 1
		union all select x + 1 from c where x < 300000) insert into t select x, hex(x * x) from c;
		select count(*), sum(length(b)), max(b) from t; select * from nothing'
	maybe git git sh -c 'git init -q . && git -c user.name=a -c user.email=a@b add . &&
		GIT_AUTHOR_DATE="1 +0000" GIT_COMMITTER_DATE="1 +0000" git -c user.name=a -c user.email=a@b commit -qm first &&
		git log --stat -p | cat && git gc -q && git fsck --full && git show HEAD:nothing'
	maybe xz archive sh -c 'tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - *.c *.h | tee >(sha256sum >&2) |
		xz -T2 -9 >a.tar.xz; gzip -9nk long.c; xz -dc a.tar.xz | tar -tf - | wc -l; gzip -dc long.c.gz | md5sum;
		gzip -t long.c' || true
	maybe openssl openssl sh -c 'cat *.c | openssl dgst -sha256 -r; openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k x -in long.c |
		openssl dgst -sha512; openssl dgst -nothing 2>&1 | sed "s/^[0-9A-F]*:error/error/"'
	run coreutils sh -c 'find . -name "*.c" -print0 | sort -z | xargs -0 -n 3 md5sum; ls -l nothing; seq 100000 | sort -R --random-source=long.c |
		sort -n --parallel=2 -S 1M | md5sum; od -An -tx1 -N 16 /proc/self/attr/nothing; cat /proc/self/limits | grep "open files"'
	maybe gdb gdb sh -c 'gcc -g -O0 main.c -o main && gdb -nx -batch -ex "break main" -ex run -ex bt -ex "p 1 + 2" ./main 2>&1 |
		sed "s/0x[0-9a-f]*/ADDRESS/g; s/process [0-9]*/process/; s/^Thread .* hit B/B/" |
		grep -v "libthread_db\|^.New Thread"'
	run curl curl --version
	run curl-fails curl -sS --noproxy '*' http://127.0.0.1:1/
	maybe node node node -e 'console.log(process.argv.length, [1, 2, 3].map(x => x ** 2), JSON.stringify({ a: "b" }));
		require("zlib").gzip("x".repeat(100000), (e, b) => console.log(b.length)); process.exitCode = 6; setTimeout(() => nothing, 50)'
	maybe timeout timeout timeout 0.2 sleep 5
	maybe awk awk awk 'BEGIN { while (("ls" | getline x) > 0) n++; print n; system("exit 3"); exit 7 }'
	run killed sh -c 'kill -SEGV $$'
	run aborted python3 -c 'import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()'
	maybe java java java -version
	maybe tclsh tclsh sh -c 'echo "puts [exec ls long.c]; after 20 {puts timer; exit 2}; vwait x" | tclsh'
}

# Takes a profile of each process that gets an agent, longer than it lives.
profile_all() {
	local seen=' ' line
	trap - EXIT
	while [ -e "$tmp/go" ]; do
		while read -r line; do
			case $seen in *" $line "*) continue ;; esac
			seen="$seen$line "
			(
				curl -s --noproxy '*' -m 30 -o "$tmp/profile" \
					"http://127.0.0.1:$line/debug/pprof/profile?seconds=30"
				echo "$?" >>"$tmp/profiles"
			) &
		done < <(sed -n 's|.*listening on http://[^ ]*:\([0-9]*\)/.*|\1|p' "$tmp/agent.log")
		sleep 0.05
	done
	wait
}

mode=plain results=$tmp/plain
all
mode=agent results=$tmp/agent
all
ok "the agent is silent" test ! -s "$tmp/agent.log" || cat "$tmp/agent.log"
: >"$tmp/agent.log"
chmod 666 "$tmp/agent.log"
touch "$tmp/go"
start profile_all
profiler=$pid
mode=profiled results=$tmp/profiled
all
rm "$tmp/go"
wait "$profiler"

for plain in "$tmp/plain"/*; do
	name=${plain##*/}
	for mode in agent profiled; do
		ok "$name, $mode" diff -r "$plain" "$tmp/$mode/$name"
	done
done
# 52: connected, and the program ended before the profile did
in_range "$(grep -c '^52$' "$tmp/profiles")" 5 1000 "programs ended while a profile of them was taken"
tap_done
