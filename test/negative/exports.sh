#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-exports refuses libraries that would disturb their host's loader.
. "$(dirname "$0")/../lib.sh"
cd "$tmp" || exit 1
CC=${CC:-gcc}
good='-Wl,-z,now,-z,relro,-z,initfirst -Wl,-soname,libprofagent.so -Wl,--as-needed'

echo '{ global: profagent_*; sigaction; local: *; };' >map
cat >good.c <<'END'
int sigaction(int s, const void *a, void *b) { return s + !a + !b; }
int profagent_version(void) { return 1; }
__attribute__((constructor)) static void start(void) { write(2, "", 0); }
END
# link FLAGS...: from lib.c
link() {
	# shellcheck disable=SC2086 # flags are words
	"$CC" -shared -fPIC -O1 -w -o lib.so lib.c "$@"
}
check() {
	"$root/scripts/check-exports.sh" lib.so map
}
# refused WHAT PATTERN
refused() {
	local output
	not_ok "refuses $1" check
	output=$(check 2>&1)
	like "$output" "$2" "and says why"
}

cp good.c lib.c
# shellcheck disable=SC2086
{
	link $good -Wl,--version-script=map
	ok "accepts the right one" check
	link $good
	ok "accepts it without a version script when the names are right" check

	{ cat good.c && echo 'int stray(void) { return 2; }'; } >lib.c
	link $good
	refused "another exported name" "exports stray"
	cp good.c lib.c
	sed -i '/sigaction/d' lib.c
	link $good -Wl,--version-script=map
	refused "a name of the map that is not there" "does not export sigaction"

	{ cat good.c && echo 'double sin(double); double profagent_s(double x) { return sin(x); }'; } >lib.c
	link $good -lm
	refused "a second library" "needs libm"
	cp good.c lib.c
	link -Wl,-z,lazy,-z,relro,-z,initfirst -Wl,-soname,libprofagent.so
	refused "lazy binding" "z now"
	link -Wl,-z,now,-z,relro -Wl,-soname,libprofagent.so
	refused "a place in the middle of the constructors" "initfirst"
	link $good -Wl,-rpath,/opt/lib
	refused "a search path" "search path"
	link $good -Wl,-z,execstack
	refused "an executable stack" "executable stack"
	{ cat good.c && echo '__thread char big[4000]; char *profagent_b(void) { return big; }'; } >lib.c
	link $good -Wl,--version-script=map -ftls-model=initial-exec
	refused "much static TLS" "static TLS"
	{ cat good.c && echo '__attribute__((constructor)) static void second(void) { write(2, "", 0); }'; } >lib.c
	link $good -Wl,--version-script=map
	refused "a second constructor" "constructors"
	{
		cat good.c
		echo 'static int f(void) { return 1; } static void *pick(void) { return f; }'
		echo 'int profagent_i(void) __attribute__((ifunc("pick")));'
	} >lib.c
	link $good -Wl,--version-script=map
	refused "an IFUNC" "IFUNC"
}

# The floor of the benchmarks is one only while both interpose the same.
interposed() {
	nm -D --defined-only "$1" | awk '$3 !~ /^profagent_/ { sub(/@.*/, "", $3); print $3 }' | sort -u
}
ok "the benchmarks' empty library" "$CC" -D_GNU_SOURCE -shared -fPIC -o empty.so "$root/test/bench/empty_interposer.c"
is "$(interposed empty.so)" "$(interposed "$AGENT")" "interposes what the agent does"
tap_done
