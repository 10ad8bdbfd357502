#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Refuses includes that break the layering in scripts/deps.rules.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
rules=$here/deps.rules

files=$(find agent collectors exporters -name '*.[ch]' 2>/dev/null | sort)
[ -n "$files" ] || { echo "check-deps: no sources below $PWD" >&2; exit 1; }
# shellcheck disable=SC2086 # one word a file
awk '
function starts(text, prefix) { return substr(text, 1, length(prefix)) == prefix }
function covers(pattern, name) {
	if (pattern == "*")
		return 1
	if (substr(pattern, length(pattern)) == "/")
		return starts(name, pattern)
	return name == pattern
}
function folder(name) { sub(/[^\/]*$/, "", name); return name }
function stem(name) { sub(/.*\//, "", name); sub(/[_.].*/, "", name); return name }
function bad(text) { print FILENAME ":" FNR ": " text; errors++ }

function quoted(name,   i, n, parts, own) {
	for (i = 1; i <= rules && !covers(left[i], FILENAME); i++)
		;
	if (i > rules) {
		bad("no line of deps.rules covers this file")
		return
	}
	own = folder(name) == folder(FILENAME)
	n = split(right[i], parts, " ")
	if (own && parts[1] == "=stem" && stem(name) != stem(FILENAME)) {
		bad("includes \"" name "\", which belongs to another one of " folder(FILENAME))
		return
	}
	if (own)
		return
	for (i = 1; i <= n; i++)
		if (covers(parts[i], name))
			return
	bad("may not include \"" name "\"")
}

function bracketed(name,   i, j, n, parts) {
	for (i = 1; i <= systems; i++) {
		if (system_name[i] != name && !(system_name[i] ~ /\*$/ &&
		    starts(name, substr(system_name[i], 1, length(system_name[i]) - 1))))
			continue
		n = split(system_users[i], parts, " ")
		for (j = 1; j <= n; j++)
			if (covers(parts[j], FILENAME))
				return
		bad("may not include <" name ">")
	}
}

FILENAME == rulefile {
	if ($0 ~ /^[ \t]*(#|$)/)
		next
	value = $0
	sub(/^[^:]*:[ \t]*/, "", value)
	name = $0
	sub(/:.*/, "", name)
	if (name ~ /^</) {
		system_name[++systems] = substr(name, 2, length(name) - 2)
		system_users[systems] = value
	} else {
		left[++rules] = name
		right[rules] = value
	}
	next
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, parts, "\"")
	quoted(parts[2])
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/.*</, "", name)
	sub(/>.*/, "", name)
	bracketed(name)
}
END { exit errors > 0 }
' rulefile="$rules" "$rules" $files || exit 1
echo "deps: $(echo "$files" | wc -l) files keep to deps.rules"
