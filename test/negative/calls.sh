#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-calls refuses agent objects that call what a guest may not.
. "$(dirname "$0")/../lib.sh"
export BUILD=$tmp
mkdir -p "$tmp/obj/agent/host"
CC=${CC:-gcc}

# object FILE CALL: an object whose function holds that statement.
object() {
	{
		printf '#define _GNU_SOURCE\n'
		printf '#include <%s.h>\n' stdlib stdio string time dlfcn pthread unistd
		printf 'void pa_f(void *p);\nvoid pa_f(void *p) { %s; }\n' "$2"
	} | "$CC" -std=gnu17 -O1 -fno-builtin -w -x c - -c -o "$tmp/obj/$1"
}
refused() {
	object agent/x.o "$1"
	not_ok "refuses $1" "$root/scripts/check-calls.sh" "$tmp/obj/agent/x.o"
}

refused 'free(p)'
refused '*(void **)p = malloc(3)'
refused 'printf("%d", 1)'
refused 'fputs("x", stderr)'
refused 'strerror(3)'
refused 'getenv("X")'
refused 'qsort(p, 1, 1, 0)'
refused 'localtime(p)'
refused 'pthread_mutex_lock(p)'
refused 'abort()'
refused '_exit(1)'
refused 'dlsym(p, "x")'
refused 'dlopen("x", 1)'
refused 'system("x")'
refused 'strtol(p, p, 10)'
object agent/x.o 'memcpy(p, "abc", 3); write(1, p, strlen(p))'
ok "accepts memcpy, strlen, write" "$root/scripts/check-calls.sh" "$tmp/obj/agent/x.o"
object agent/host/real.o 'dlsym(p, "x")'
ok "accepts dlsym in agent/host/real.c" "$root/scripts/check-calls.sh" "$tmp/obj/agent/host/real.o"
not_ok "refuses to check nothing" "$root/scripts/check-calls.sh"
tap_done
