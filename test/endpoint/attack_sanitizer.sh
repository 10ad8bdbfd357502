#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# A program built with ThreadSanitizer runs as without the agent, which says why it stays away.
. "$(dirname "$0")/../lib.sh"

cat >"$tmp/program.c" <<'C'
#include <pthread.h>
#include <stdio.h>

static void *run(void *arg)
{
	return arg;
}

int main(void)
{
	pthread_t thread;
	int works = !pthread_create(&thread, NULL, run, NULL) && !pthread_join(thread, NULL);

	puts(works ? "works" : "fails");
	return 0;
}
C
tried=0
for compiler in gcc clang; do
	"$compiler" -fsanitize=thread -pthread -o "$tmp/$compiler" "$tmp/program.c" 2>/dev/null || continue
	# It cannot run everywhere (it wants the address space laid out in a certain way).
	[ "$("$tmp/$compiler" 2>/dev/null)" = works ] || continue
	tried=1
	output=$(LD_PRELOAD=$AGENT PPROF_PORT=0 "$tmp/$compiler" 2>&1)
	is "$?" 0 "$compiler: exit status"
	like "$output" '^works$' "$compiler: the program works"
	like "$output" 'not started: .*ThreadSanitizer' "$compiler: the agent says why it does not"
done
[ "$tried" -eq 1 ] || tap_skip_all "no compiler with ThreadSanitizer"
tap_done
