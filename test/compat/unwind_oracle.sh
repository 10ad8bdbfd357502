#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Stacks of real programs, walked by our tables and by libunwind in the same signal handler
# (test/programs/unwind_oracle.c). Prints for each program how many are equal and what a frame
# costs, cold. Programs that are not installed are left out. KEEP=DIR keeps the reports.
. "$(dirname "$0")/../lib.sh"
oracle=$PROGRAMS/unwind_oracle
PATH=$PATH:/sbin ldconfig -p 2>/dev/null | grep -q 'libunwind\.so\.8' ||
	tap_skip_all "libunwind is not installed"

# A program behind no version manager's script.
real() {
	local p
	for p in $(type -ap "$1"); do
		case $p in */shims/*) ;; *) echo "$p" && return ;; esac
	done
	return 1
}

under_oracle() {
	local name=$1
	shift
	UNWIND_ORACLE=$tmp/$name LD_PRELOAD=$oracle "$@"
}

# The sum of a value over all processes of a program.
total() {
	cat "$tmp/$1".[0-9]* 2>/dev/null | awk -v key="$2" '$1 == key { n += $2 } END { print n + 0 }'
}

# report NAME PERCENT: at least that share is equal, or complete where libunwind is not.
report() {
	local name=$1 samples compared good
	samples=$(total "$name" samples)
	compared=$((samples - $(total "$name" no_table) - $(total "$name" unknown_stack)))
	good=$(($(total "$name" equal) + $(total "$name" longer)))
	echo "# $name: $samples samples, $compared compared: $(total "$name" equal) equal," \
		"$(total "$name" longer) longer, $(total "$name" shorter) shorter," \
		"$(total "$name" differ) different; $(total "$name" complete) complete"
	grep -h -E '^(our|their)_ns_frame' "$tmp/$name".[0-9]* 2>/dev/null | sort -u | tr '\n' ' ' |
		sed 's/^/#   /; s/$/\n/'
	ok "$name: enough samples" test "$compared" -ge 100
	ok "$name: at least $2 per 1000 equal libunwind's or go further" \
		test $((good * 1000)) -ge $((compared * $2))
	[ $((good * 1000)) -ge $((compared * $2)) ] ||
		grep -h -A 14 '^# ours' "$tmp/$name".[0-9]* | head -60
	[ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp "$tmp/$name".[0-9]* "$KEEP/"; }
}

if openssl=$(real openssl); then
	for what in "sha256 sha512 md5 rsa2048 ecdsap256" "-evp aes-256-gcm" "-evp chacha20-poly1305"; do
		# shellcheck disable=SC2086 # words
		under_oracle openssl "$openssl" speed -seconds 1 -bytes 16384 $what >"$tmp/out" 2>&1
	done
	report openssl 999
fi

if perl=$(real perl); then
	# shellcheck disable=SC2016 # perl's variables
	under_oracle perl "$perl" -e 'my %h; for my $i (1..800000) { $h{"k$i"} = [$i, "x" x ($i % 7)];
		$s .= join ",", @{$h{"k$i"}}; $s =~ s/x+,//g if $i % 1000 == 0; $t += sprintf "%.9g", $i / 7 }
		print length $s, " ", scalar(sort { $a cmp $b } keys %h), "\n"' >"$tmp/out"
	report perl 995
fi

if python=$(real python3); then
	under_oracle python3 "$python" -c 'import json, re
for _ in range(2):
    d = {str(i): [i] * 3 for i in range(200000)}
    e = json.loads(json.dumps(d))
    print(len(re.sub("[0-9]+,", "x", json.dumps(e))), len(sorted(e.values(), key=lambda v: -v[0])))' >"$tmp/out"
	report python3 995
fi

if node=$(real node); then
	under_oracle node "$node" -e 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) }
		const crypto = require("crypto"), zlib = require("zlib"); let s = 0;
		for (let k = 0; k < 8; k++) { s += f(30); const a = [];
			for (let i = 0; i < 200000; i++) a.push({x: i % 97, y: "q" + i});
			a.sort((p, q) => p.x - q.x); s += JSON.stringify(a).length;
			s += a.map(x => x.y).join("").replace(/q1/g, "zz").length;
			for (let i = 0; i < 400; i++) crypto.createHash("sha512").update(Buffer.alloc(20000)).digest();
			s += zlib.deflateSync(JSON.stringify(a)).length }
		console.log(s)' >"$tmp/out"
	report node 990
fi

cat >"$tmp/t.cc" <<'END'
#include <map>
#include <regex>
#include <iostream>
int main()
{
	std::regex r("a(b|c)*d");
	std::map<int, std::string> m;
	for (int i = 0; i < 9; i++)
		m[i] = "x";
	std::cout << std::regex_match("abcd", r) << m.size();
}
END
for compiler in g++ clang++; do
	if path=$(real $compiler); then
		under_oracle $compiler "$path" -O2 -c -o "$tmp/t.o" "$tmp/t.cc"
		report $compiler 995
	fi
done

if server=$(real redis-server) && client=$(real redis-benchmark); then
	port=$(free_port)
	start env UNWIND_ORACLE="$tmp/redis" LD_PRELOAD="$oracle" "$server" --port "$port" --save '' --appendonly no
	server_pid=$pid
	wait_until 10 port_answers "$port"
	"$client" -p "$port" -n 100000 -c 20 -P 8 -q -t set,get,lpush,lrange_100,zadd,sadd \
		>"$tmp/out" 2>&1
	stop "$server_pid"
	report redis 995
fi
tap_done
