#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Code that comes and goes during a profile keeps its names, and two objects that lie at one address
# one after the other are never mixed up. What can be known of a file that is gone depends on
# privileges, so root does all of it again without.
. "$(dirname "$0")/../modules.sh"
tap_need curl python3 "${CC:-gcc}"
cd "$tmp" || exit 1

for name in alpha bravo delta gamma; do
	ok "$name is built" plugin "$name"
done
ok "kappa is built" plugin kappa -Wl,--build-id=none
ok "omega is built" plugin omega -Wl,--build-id=none -DMORE
strip -o stripped.so delta.so
# No shared object: a program that another one loads.
ok "sigma is built" "${CC:-gcc}" -O2 -static-pie -fPIE -nostdlib -nostartfiles -Wl,-e,plugin_burn \
	-DNAME=sigma -o "$tmp/sigma.exe" "$tmp/plugin.c"

taking_turns() {
	window 3 "open:$tmp/alpha.so" burn:300 close "again:$tmp/bravo.so" burn:400 close \
		"again:$tmp/alpha.so" burn:300 close "again:$tmp/bravo.so" burn:300
	check_window "$who, taking turns at one address" alpha=600 bravo=700
	window 3 "open:$tmp/alpha.so" burn:400 close "again:$tmp/bravo.so" burn:300 close jit burn:300 \
		close
	check_window "$who, all of them gone" alpha=400 bravo=300
	like "$(decode --traces "$tmp/profile")" 'unloaded code.;.*main;' \
		"$who, code in the place of both is none of them"
}

# These walk stacks up to 20 ms after they were copied, when another object may lie there: such
# stacks are unknown rather than wrong.
later() {
	good=0.95
	begun=request_runs
	for engine in PPROF_CPU_ENGINE=perf PPROF_UNWINDER=libunwind; do
		agent_env=("$engine")
		window 3 "open:$tmp/alpha.so" burn:400 close "again:$tmp/bravo.so" burn:400 close \
			"again:$tmp/alpha.so" burn:300
		check_window "$who, $engine" alpha=700 bravo=400
	done
	agent_env=()
	good=
	begun=
}

# The usual ways to put a new version in the place of the old one.
replaced() {
	cp alpha.so live.so
	cp bravo.so next.so
	window 3 "open:$tmp/live.so" burn:400 "run:mv $tmp/next.so $tmp/live.so" burn:100 close \
		"again:$tmp/live.so" burn:400
	check_window "$who, replaced and opened again" alpha=500:live.so bravo=400:live.so
	cp kappa.so live.so
	window 3 "open:$tmp/live.so" burn:400 close "run:cat $tmp/omega.so >$tmp/live.so" \
		"again:$tmp/live.so" burn:300 close
	check_window "$who, written over, without build id" kappa=400:live.so omega=300:live.so
	cp alpha.so live.so
	cp bravo.so next.so
	window 2 "open:$tmp/live.so" burn:300 "run:mv $tmp/next.so $tmp/live.so" burn:300
	check_window "$who, replaced while in use" alpha=600:live.so
	cp "$PROGRAMS/modules_host" .
	cp "$PROGRAMS/cpu_shares" next
	program=$tmp/modules_host
	window 2 "run:mv $tmp/next $tmp/modules_host" "open:$tmp/alpha.so" burn:300
	program=$PROGRAMS/modules_host
	check_window "$who, the program itself replaced" alpha=300
	like "$(decode --traces "$tmp/profile")" 'plugin_burn;do_burn;' \
		"$who, static functions of the program have names"
}

# As libraries that are carried in an archive: extracted, opened, and gone from the disk.
unlinked() {
	cp gamma.so seen.so
	cp alpha.so gone.so
	cp bravo.so last.so
	window 3 "open:$tmp/seen.so" burn:300 "run:rm $tmp/seen.so" close \
		"open:$tmp/gone.so" "run:rm $tmp/gone.so" burn:300 close \
		"open:$tmp/last.so" "run:rm $tmp/last.so" burn:300
	check_window "$who, unlinked" gamma=300:seen.so "alpha$local=300:gone.so" \
		"bravo$local=300:last.so"
	window 2 "memfd:$tmp/alpha.so" burn:300 close
	check_window "$who, in memory and closed" "alpha$local=300:memfd"
	window 2 "memfd:$tmp/bravo.so" burn:300
	check_window "$who, in memory" "bravo$local=300:memfd"
}

others() {
	window 3 "map:$tmp/sigma.exe" burn:300 close "open:$tmp/stripped.so" burn:300 close \
		"dlmopen:$tmp/gamma.so" burn:300
	check_window "$who, loaded by hand, stripped, in a namespace" sigma=300:sigma.exe \
		'delta?=300:stripped.so' gamma=300
}

all() {
	taking_turns
	replaced
	unlinked
	others
}

if [ "$(id -u)" -eq 0 ]; then
	who=root local=
	all
	runner=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
# Only root may follow the kernel's links to files that have no name any more; their exported
# functions are in memory.
who=user local='?'
all
later
tap_done
