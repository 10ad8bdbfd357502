#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-sigsafe refuses objects that are not async-signal-safe.
. "$(dirname "$0")/../lib.sh"
export OBJ_DIR=$tmp/obj ALLOW=$tmp/allow
mkdir -p "$OBJ_DIR/collectors"
CC=${CC:-gcc}

# compile NAME < C: as the Makefile compiles signal-path code.
compile() {
	"$CC" -std=gnu17 -O2 -g -fPIC -fno-stack-protector -fstack-usage -w -x c - -c -o "$OBJ_DIR/collectors/$1.o" &&
		if [ ! -e "$OBJ_DIR/collectors/$1.su" ]; then
			mv ./*.su "$OBJ_DIR/collectors/$1.su"
		fi
}
cd "$tmp" || exit 1
check() {
	"$root/scripts/check-sigsafe.sh" "$OBJ_DIR"/collectors/*_sig.o
}
begin() {
	rm -f "$OBJ_DIR"/collectors/*
	: >"$ALLOW"
}
# refused WHAT PATTERN
refused() {
	local output
	not_ok "refuses $1" check
	output=$(check 2>&1)
	like "$output" "$2" "and says why"
}

begin
compile good_sig <<<'int pa_leaf(int x) { return x * 3; }'
compile other_sig <<<'int pa_leaf(int); int pa_outer(int x) { return pa_leaf(x) + 1; }'
ok "accepts calls among signal-path objects" check

begin
compile bad_sig <<<'#include <stdlib.h>
void *pa_get(void) { return malloc(8); }'
refused "malloc" "malloc is neither"
echo 'malloc' >"$ALLOW"
refused "an exception without a reason" "malloc has no reason"
echo 'malloc	because this is a test' >"$ALLOW"
ok "accepts an exception with a reason" check
printf 'malloc	because\nfree	because\n' >"$ALLOW"
refused "an exception that nothing needs" "nothing needs free"

begin
compile plain <<<'int pa_locked(void) { return 1; }'
compile bad_sig <<<'int pa_locked(void); int pa_get(void) { return pa_locked(); }'
refused "a function of an object that is not signal-path code" "pa_locked is neither"

begin
compile plain <<<'int pa_data[4] = {1};'
compile bad_sig <<<'extern int pa_data[4]; int pa_get(void) { return pa_data[1]; }'
ok "accepts data of another object" check

begin
compile bad_sig <<<'extern __thread int pa_tls; int pa_get(void) { return pa_tls; }'
refused "thread-local storage that calls __tls_get_addr" "pa_tls|__tls_get_addr"

begin
compile bad_sig <<<'void pa_use(char *p); int pa_get(int n) { volatile char b[1300]; b[n] = 1; return b[n / 2]; }'
refused "1300 bytes of stack" "bytes of stack"

begin
compile bad_sig <<<'int pa_get(int n) { volatile char b[n]; b[n - 1] = 1; return b[n / 2]; }'
refused "stack of unknown size" "unknown size"

begin
compile bad_sig <<<'int pa_sink; __attribute__((noinline)) int pa_walk(int n) { volatile int x = n; return n ? pa_walk(n - 1) * 3 + x : pa_sink; }'
refused "recursion" "recursion"

begin
compile a_sig <<<'int pa_two(int); int pa_one(int n) { volatile int x = n; return n > 3 ? pa_two(n) + x : 1; }'
compile b_sig <<<'int pa_one(int); int pa_two(int n) { volatile int x = n; return n > 3 ? pa_one(n) + x : 1; }'
refused "recursion through two objects" "recursion"

begin
compile a_sig <<<'int pa_two(int); int pa_one(int n) { volatile char b[600]; b[n] = 1; return pa_two(n) + b[0]; }'
compile b_sig <<<'int pa_two(int n) { volatile char b[600]; b[n] = 1; return b[n / 2]; }'
refused "a chain of 1200 bytes" "not below 1024"

begin
compile a_sig <<<'int pa_one(int n) { return n; }'
rm "$OBJ_DIR/collectors/a_sig.su"
refused "an object without stack sizes" "fstack-usage"
not_ok "refuses to check nothing" "$root/scripts/check-sigsafe.sh"
tap_done
