#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The README's table of environment variables is the one that the code prints.
#
#	check-env.sh [--fix] ENV_TABLE_PROGRAM README
set -u
fix=0
if [ "$1" = --fix ]; then
	fix=1
	shift
fi
program=$1
readme=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

"$program" >"$work/code" || { echo "check-env: $program failed"; exit 1; }
[ -s "$work/code" ] || { echo "check-env: $program printed nothing"; exit 1; }
begin='<!-- environment: begin -->'
end='<!-- environment: end -->'
sed -n "/^$begin\$/,/^$end\$/p" "$readme" | sed '1d;$d' >"$work/readme"
if [ $fix -eq 1 ]; then
	awk -v begin="$begin" -v end="$end" -v table="$work/code" '
	$0 == end { skip = 0 }
	!skip { print }
	$0 == begin { skip = 1; while ((getline line < table) > 0) print line }' "$readme" >"$work/new" &&
		cat "$work/new" >"$readme"
	exit
fi
if ! diff -u --label "$readme" --label "$program" "$work/readme" "$work/code"; then
	echo "$readme: its table of variables is not that of the code: scripts/check-env.sh --fix $program $readme"
	exit 1
fi
echo "env: $(grep -c '^| *.[A-Z]' "$work/code") rows agree with $readme"
