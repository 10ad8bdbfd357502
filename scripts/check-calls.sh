#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Refuses object files of the agent that call a function of scripts/forbidden.calls.
#
#	check-calls.sh OBJECT...
set -u
here=$(cd "$(dirname "$0")" && pwd)
rules=${RULES:-$here/forbidden.calls}
[ $# -gt 0 ] || { echo "check-calls: no objects given" >&2; exit 1; }

for o in "$@"; do
	nm -u "$o" | awk -v o="${o#"${BUILD:-build}"/obj/}" '{ print o "\t" $NF }'
done | awk -F'\t' -v rules="$rules" '
BEGIN {
	while ((getline line < rules) > 0) {
		if (line ~ /^#/ || line == "")
			continue
		split(line, part, "\t")
		pattern[++n] = "^(" part[1] ")$"
		reason[n] = part[2]
		except[n] = part[3]
		sub(/^\| except /, "", except[n])
	}
	if (!n) {
		print rules ": no rules"
		exit 1
	}
}
function excepted(rule, object,   count, part, i) {
	count = split(except[rule], part, " ")
	for (i = 1; i <= count; i++)
		if (object ~ ("^" part[i] "$"))
			return 1
	return 0
}
{
	name = $2
	sub(/@.*/, "", name)
	for (i = 1; i <= n; i++)
		if (name ~ pattern[i] && !excepted(i, $1)) {
			print $1 ": calls " name ": " reason[i]
			errors++
		}
}
END { exit errors > 0 }' || exit 1
echo "calls: $# objects call nothing that a guest may not"
