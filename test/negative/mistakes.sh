#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-mistakes finds each mistake it knows, and nothing in clean files.
. "$(dirname "$0")/../lib.sh"
export ROOT=$tmp/tree
mkdir -p "$ROOT"/agent/base "$ROOT"/{collectors,exporters,doc}
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

# source LINE...: a C file with these lines.
source_is() {
	printf '%s\n' "$spdx" "$@" >"$ROOT/agent/base/x.c"
}
refused() {
	source_is "$2"
	not_ok "refuses $1" "$root/scripts/check-mistakes.sh"
}
accepted() {
	source_is "$2"
	ok "accepts $1" "$root/scripts/check-mistakes.sh"
}

accepted "a plain line" 'int pa_x;'
refused "assert" '	assert(x);'
refused "abort" '	abort();'
refused "exit" '	if (x) exit(1);'
accepted "a member called exit" '	table.exit(t); p->free(x); pa_map_free(m);'
accepted "a comment on exit()" '/* what exit() and malloc() do */'
accepted "two comments in a line" '/* exit() */ int x; /* malloc() */'
refused "code between comments" '/* a */ exit(1); /* b */'
refused "code behind a comment" '/* a */ exit(1);'
refused "malloc" '	p = malloc(3);'
refused "free" '	free(p);'
refused "printf" '	printf("%d", 1);'
refused "stderr" '	f(stderr);'
accepted "the printf attribute" '#define P __attribute__((format(printf, 1, 2)))'
refused "getenv" '	s = getenv("X");'
refused "qsort" '	qsort(a, b, c, d);'
refused "a mutex" '	pthread_mutex_lock(&m);'
refused "alloca" '	p = alloca(n);'
refused "strcpy" '	strcpy(a, b);'
refused "dl_iterate_phdr" '	dl_iterate_phdr(f, 0);'
refused "a descriptor that a child inherits" '	fd = open(path, O_RDONLY);'
accepted "a close-on-exec descriptor" '	fd = open(path, O_RDONLY | O_CLOEXEC);'
source_is '	fd = openat(dir, path,' '		    O_RDONLY | O_CLOEXEC);'
ok "accepts it over two lines" "$root/scripts/check-mistakes.sh"
source_is '	fd = openat(dir, path,' '		    O_RDONLY);'
not_ok "refuses an open over two lines" "$root/scripts/check-mistakes.sh"
refused "a raw system call that opens" '	fd = pa_sys(SYS_openat, AT_FDCWD, path, O_RDONLY);'
accepted "a call with a reason" '	free(p); /* lint: allow(malloc) it was the host that allocated it */'
refused "a call with no reason" '	free(p); /* lint: allow(malloc)*/'
refused "a reason for something else" '	free(p); /* lint: allow(assert) because */'
refused "a reminder" '/* TO''DO: later */'
refused "blanks at the end" 'int x; '
refused "two semicolons" '	f();;'
refused "a path of one machine" '/* see /ro''ot/x */'
refused "a merge marker" '<<<<<''<< HEAD'

source_is '' 'int x;'
ok "accepts one empty line" "$root/scripts/check-mistakes.sh"
source_is '' '' 'int x;'
not_ok "refuses two empty lines" "$root/scripts/check-mistakes.sh"
source_is 'int x;' ''
not_ok "refuses an empty line at the end" "$root/scripts/check-mistakes.sh"
printf '%s\nint x;' "$spdx" >"$ROOT/agent/base/x.c"
not_ok "refuses a last line without its newline" "$root/scripts/check-mistakes.sh"
echo 'int x;' >"$ROOT/agent/base/x.c"
not_ok "refuses a source without its licence" "$root/scripts/check-mistakes.sh"
source_is 'int x;'
printf 'text \n' >"$ROOT/doc/page.md"
not_ok "looks into documents too" "$root/scripts/check-mistakes.sh"
tap_done
