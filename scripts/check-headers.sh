#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header compiles on its own, as C and without a warning, and has its include guard.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
cc=${CC:-gcc}
flags=${CHECK_CFLAGS:--std=gnu17 -D_GNU_SOURCE -I. -Wall -Wextra}
errors=0
count=0
for h in $(find agent collectors exporters -name '*.h' | sort); do
	count=$((count + 1))
	# shellcheck disable=SC2086 # flags are words
	printf '#include "%s"\n' "$h" | $cc $flags -Werror -fsyntax-only -x c - || {
		echo "$h: does not stand alone"
		errors=1
	}
	guard=PA_$(echo "$h" | sed 's,^agent/,,' | tr 'a-z/.' 'A-Z__')
	if ! grep -qx "#ifndef $guard" "$h" || ! grep -qx "#define $guard" "$h"; then
		echo "$h: include guard is not $guard"
		errors=1
	fi
done
[ $errors -eq 0 ] || exit 1
echo "headers: $count stand alone"
