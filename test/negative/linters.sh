#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The wrappers of clang-format, clang-tidy, cppcheck and shellcheck fail on a planted finding. (A
# wrapper that finds no files, or throws the status away, would always pass.)
. "$(dirname "$0")/../lib.sh"
export ROOT=$tmp/tree
mkdir -p "$ROOT"/agent/base "$ROOT"/{collectors,exporters,test,scripts,.ci}
cp "$root/.clang-format" "$root/.clang-tidy" "$ROOT"
source_is() {
	cat >"$ROOT/agent/base/x.c"
}
clean='int pa_x(int n);
int pa_x(int n)
{
	return n + 1;
}'

if command -v clang-format >/dev/null; then
	source_is <<<"$clean"
	ok "clang-format accepts clean code" "$root/scripts/check-format.sh"
	source_is <<<'int  pa_x( int n ) {return n;}'
	not_ok "clang-format refuses another layout" "$root/scripts/check-format.sh"
	"$root/scripts/check-format.sh" --fix
	ok "--fix repairs it" "$root/scripts/check-format.sh"
fi
if command -v clang-tidy >/dev/null; then
	source_is <<<"$clean"
	ok "clang-tidy accepts clean code" "$root/scripts/check-tidy.sh"
	source_is <<'END'
int pa_x(int n);
int pa_x(int n)
{
	int *p = 0;
	if (n == 3)
		return *p;
	return n;
}
END
	not_ok "clang-tidy refuses a null dereference" "$root/scripts/check-tidy.sh"
fi
if command -v cppcheck >/dev/null; then
	source_is <<<"$clean"
	ok "cppcheck accepts clean code" "$root/scripts/check-cppcheck.sh"
	source_is <<'END'
int pa_x(void);
int pa_x(void)
{
	int a[4] = {0};
	return a[4];
}
END
	not_ok "cppcheck refuses an index out of bounds" "$root/scripts/check-cppcheck.sh"
fi
if command -v shellcheck >/dev/null; then
	for file in scripts/a.sh test/run .ci/run; do
		printf '#!/bin/sh\necho ok\n' >"$ROOT/$file"
	done
	ok "shellcheck accepts clean scripts" "$root/scripts/check-shell.sh"
	for file in scripts/a.sh test/run .ci/run; do
		printf '#!/bin/sh\nrm -rf $1/x\n' >"$ROOT/$file"
		not_ok "shellcheck refuses an unquoted argument in $file" "$root/scripts/check-shell.sh"
		printf '#!/bin/sh\necho ok\n' >"$ROOT/$file"
	done
fi
[ "$tap_run" -gt 0 ] || tap_skip_all "no linter is installed"
tap_done
