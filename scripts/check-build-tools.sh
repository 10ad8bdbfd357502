#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whether the compiler, protoc-c, headers and static libraries of the build are there. Called by
# the Makefile with CC and STATIC_LIBS.
set -u
cc=${CC:-gcc}
missing=

need() { missing="$missing\n  $1"; }

if ! command -v "${cc%% *}" >/dev/null; then
	need "the C compiler '$cc'"
else
	work=$(mktemp -d) || exit 1
	trap 'rm -rf "$work"' EXIT
	has_header() {
		echo "#include <$1>" >"$work/t.c"
		$cc -fsyntax-only "$work/t.c" 2>/dev/null || need "<$1>"
	}
	has_header stdio.h
	has_header protobuf-c/protobuf-c.h
	has_header zlib.h
	has_header libiberty/demangle.h
	has_header elfutils/libdw.h
	has_header libelf.h
	has_header libdeflate.h
	has_header lzma.h
	has_header zstd.h
	echo 'int f(void) { return 0; }' >"$work/t.c"
	for lib in ${STATIC_LIBS:-}; do
		$cc -shared -fPIC -o "$work/t.so" "$work/t.c" "$lib" 2>/dev/null || need "${lib#-l:}"
	done
fi
command -v protoc-c >/dev/null || need "protoc-c"
[ -n "$missing" ] || exit 0
printf 'The build needs these, which are not installed:'
# shellcheck disable=SC2059 # the \n are meant
printf "$missing\n"
echo "On Debian and Ubuntu: scripts/install-deps.sh build"
exit 1
