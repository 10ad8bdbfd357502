#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Proves what can be proven about code that runs in signal handlers, from its object files:
#   - it calls only functions of other *_sig.o or those in signal-safe.allow (data of other
#     objects is fine; calls through pointers are not seen);
#   - no function needs LIMIT bytes of stack or an amount not known at compile time;
#   - there is no recursion; the deepest chain of direct calls that begins in a collector (its
#     signal handler) stays below LIMIT, any other (logging) below twice that.
#
#	check-sigsafe.sh OBJECT_sig.o...
set -u
here=$(cd "$(dirname "$0")" && pwd)
allow=${ALLOW:-$here/signal-safe.allow}
obj=${OBJ_DIR:-${BUILD:-build}/obj}
limit=1024
[ $# -gt 0 ] || { echo "check-sigsafe: no *_sig.o given" >&2; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

nm -A "$@" | awk '$(NF - 1) != "U" { print $NF }' | sort -u >"$work/defined"
find "$obj" -name '*.o' ! -name '*_sig.o' -exec nm {} + 2>/dev/null |
	awk 'NF == 3 && $2 ~ /^[BDRCVGS]$/ { print $3 }' | sort -u >"$work/data"
for o in "$@"; do
	nm -u "$o" | awk -v o="$o" '{ print $NF, o }'
done | sort >"$work/undefined"

awk -v defined="$work/defined" -v data="$work/data" -v allow="$allow" '
BEGIN {
	while ((getline line < defined) > 0) fine[line] = 1
	while ((getline line < data) > 0) fine[line] = 1
	while ((getline line < allow) > 0) {
		n = split(line, word, /[ \t]+/)
		if (line ~ /^#/ || line == "")
			continue
		if (n < 3) {
			print allow ": " word[1] " has no reason"
			errors++
		}
		allowed[word[1]] = 1
	}
}
$1 == "_GLOBAL_OFFSET_TABLE_" || $1 in fine { next }
$1 in allowed { used[$1] = 1; next }
{ print $2 ": " $1 " is neither signal-path code nor in " allow; errors++ }
END {
	for (name in allowed)
		if (!(name in used)) {
			print allow ": nothing needs " name " any more"
			errors++
		}
	exit errors > 0
}' "$work/undefined" || exit 1

for o in "$@"; do
	su=${o%.o}.su
	[ -e "$su" ] || { echo "$o: no $su beside it (-fstack-usage)" >&2; exit 1; }
	sed "s,^,$o:," "$su"
done >"$work/stack"
awk -F'\t' -v limit=$limit '
{
	n = split($1, part, ":")
	if ($2 >= limit) { print part[n] " (" part[2] "): " $2 " bytes of stack"; errors++ }
	if ($3 == "dynamic") { print part[n] " (" part[2] "): stack of unknown size"; errors++ }
}
END { exit errors > 0 }' "$work/stack" || exit 1

# Calls: relocations against other sections and objects, and direct calls and jumps to symbols.
for o in "$@"; do
	echo "object $o"
	objdump -dr --no-show-raw-insn "$o"
done >"$work/code"
awk -F'\t' -v limit=$limit '
function plain(name) { sub(/\.(constprop|part|isra|cold|lto_priv).*/, "", name); return name }
# The key of a function: with its object where that defines it, else by its name alone.
function key(object, name) {
	name = plain(name)
	if ((object " " name) in bytes)
		return object " " name
	return name in global ? global[name] : ""
}
function depth(f,   i, n, callee, d, best, next_best) {
	if (f in done)
		return done[f]
	if (f in active) {
		print "recursion through " f
		errors++
		return 0
	}
	active[f] = 1
	n = split(calls[f], callee, "\n")
	for (i = 2; i <= n; i++) {
		d = depth(callee[i]) + 8
		if (d > best) { best = d; next_best = callee[i] }
	}
	delete active[f]
	below[f] = next_best
	return done[f] = bytes[f] + best
}
function show(kind, most,   f, name, chain) {
	for (f = top[kind]; f != "" && !errors; f = below[f]) {
		name = f
		sub(/.* /, "", name)
		chain = chain (chain == "" ? "" : " > ") name " " bytes[f]
	}
	if (chain != "")
		print "sigsafe: deepest chain of " kind ": " worst[kind] " bytes of stack: " chain
	if (worst[kind] >= most) {
		print "that is not below " most
		errors++
	}
}
FNR == NR {
	n = split($1, part, ":")
	f = part[1] " " plain(part[n])
	if (!(f in bytes) || $2 > bytes[f])
		bytes[f] = $2 + 0
	global[plain(part[n])] = f
	next
}
/^object / { object = substr($0, 8); current = ""; next }
/^[0-9a-f]+ <.*>:$/ {
	name = $0
	gsub(/^[0-9a-f]+ <|>:$/, "", name)
	current = key(object, name)
	next
}
current == "" { next }
{
	target = ""
	if (match($0, /R_[A-Z0-9_]+[ \t]+[A-Za-z_][A-Za-z0-9_.]*/)) {
		target = substr($0, RSTART, RLENGTH)
		sub(/.*[ \t]/, "", target)
	} else if (match($0, /(call|jmp) +[0-9a-f]+ <[A-Za-z_][A-Za-z0-9_.]*>/)) {
		target = substr($0, RSTART, RLENGTH)
		gsub(/.*<|>/, "", target)
	}
	callee = target == "" ? "" : key(object, target)
	if (callee != "" && callee != current && index(calls[current] "\n", "\n" callee "\n") == 0)
		calls[current] = calls[current] "\n" callee
	if (callee == current && $0 ~ /call/) {
		print "recursion through " current
		errors++
	}
}
END {
	for (f in bytes) {
		kind = f ~ /\/collectors\/[a-z0-9_]*_sig\.o / ? "handlers" : "others"
		if (depth(f) > worst[kind]) { worst[kind] = done[f]; top[kind] = f }
	}
	show("handlers", limit)
	show("others", 2 * limit)
	exit errors > 0
}' "$work/stack" "$work/code" || exit 1
echo "sigsafe: $# objects call nothing unsafe"
