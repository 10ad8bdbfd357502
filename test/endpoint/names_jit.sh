#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Code compiled at run time: names from the perf map in a mapping of its own, names of kinds of
# memory where there is none, and no question to /symbol.
. "$(dirname "$0")/../lib.sh"
tap_need curl python3
cd "$tmp" || exit 1 # node leaves a log where it runs
decode=$root/test/endpoint/pprof_decode.py

# top FILE: "SHARE NAME" of each function in percent of all, by flat samples.
top() {
	"$decode" --type=samples --top "$1" | awk -F'\t' '
		{ flat[$3] = $1; all += $1 }
		END { for (name in flat) printf "%d %s\n", 100 * flat[name] / all, name }'
}
share() {
	top "$1" | sed -n "s/^\([0-9]*\) $2\$/\1/p"
}
# frames FILE NAME KEY: the values of that key in frames of a function.
frames() {
	"$decode" "$1" | python3 -c '
import json, sys
profile, name, key = json.load(sys.stdin), sys.argv[1], sys.argv[2]
found = {f[key] for s in profile["samples"] for f in s["stack"] if f["name"] == name}
print(",".join(sorted(str(v) for v in found)))' "$2" "$3"
}
posts() {
	grep -c 'POST /debug/pprof/symbol' "$agent_log"
}
is_ready() {
	grep -q '^ready' "$output"
}

agent_start CPU_PROFILE_RATE=250 -- "$PROGRAMS/jit_map" 300
jit=$pid
wait_until 10 is_ready
ok "a profile" profile "$tmp/jit" 3
ok "which keeps every rule" "$decode" --check "$tmp/jit"
hot='JS:*jit_hot /srv/app/hot loop.js:12:3'
in_range "$(share "$tmp/jit" 'JS:\*jit_hot .*')" 15 35 "a quarter in what the map names"
in_range "$(share "$tmp/jit" jit_again)" 15 35 "one in what has taken the memory of another"
is "$(share "$tmp/jit" jit_stale)" "" "which is there no more"
in_range "$(share "$tmp/jit" '\[anonymous code\]')" 15 35 "one in code without a name"
in_range "$(share "$tmp/jit" '\[memfd:jitmapper\]')" 15 35 "one in that of a memfd"
is "$(frames "$tmp/jit" "$hot" mapping)" "[perf-$jit.map]" "a mapping for the map"
is "$(frames "$tmp/jit" jit_again mapping)" "[perf-$jit.map]" "one for all of it"
is "$(frames "$tmp/jit" "$hot" file)" "/srv/app/hot loop.js" "the source file"
is "$(frames "$tmp/jit" "$hot" line)" 12 "and its line"
is "$(frames "$tmp/jit" '[anonymous code]' mapping)" //anon "anonymous memory"
is "$(frames "$tmp/jit" '[memfd:jitmapper]' mapping)" /memfd:jitmapper "and the memfd"
like "$("$decode" --traces "$tmp/jit")" 'jit_again;run;main' "whole stacks"
fetch "/symbol" -d "$("$decode" "$tmp/jit" | python3 -c '
import json, sys
print("+".join(sorted({hex(f["address"]) for s in json.load(sys.stdin)["samples"]
                       for f in s["stack"] if "jit" in f["name"]})))')" >"$tmp/symbol"
like "$(cat "$tmp/symbol")" 'jit_again$' "/symbol knows them too"

if command -v go >/dev/null; then
	before=$(posts)
	go_pprof -top "$url/profile?seconds=1" >"$tmp/top" 2>"$tmp/error"
	is "$?" 0 "go tool pprof"
	like "$(cat "$tmp/top")" '%  jit_again$' "shows it"
	unlike "$(cat "$tmp/error")" 'binary filenames not available|failed' "without a warning"
	is "$(posts)" "$before" "and does not ask for names"
fi
rm -f "/tmp/perf-$jit.map"
agent_stop "$jit"

if command -v node >/dev/null; then
	cat >"$tmp/loop.js" <<'JS'
function spinner(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s; }
class Task { get value() { return spinner(20000); } }
const end = Date.now() + 60000;
let sum = 0;
(function outermost() {
  for (let n = 0; Date.now() < end; n++) {
    sum += new Task().value;
    if (n === 2000) console.log('ready');
  }
})();
JS
	agent_start CPU_PROFILE_RATE=250 -- node --perf-basic-prof --no-turbo-inlining "$tmp/loop.js"
	js=$pid
	wait_until 20 is_ready
	ok "node: a profile" profile "$tmp/node" 3
	name=$(top "$tmp/node" | sort -rn | sed -n 's/^[0-9]* \(JS:\*spinner .*\)/\1/p' | head -n 1)
	is "$name" "JS:*spinner $tmp/loop.js:1:17" "node: the hot function"
	in_range "$(share "$tmp/node" 'JS:\*spinner .*')" 60 100 "node: is hot"
	is "$(frames "$tmp/node" "$name" mapping)" "[perf-$js.map]" "node: in the mapping of the map"
	is "$(frames "$tmp/node" "$name" file)" "$tmp/loop.js" "node: with its file"
	"$decode" --traces "$tmp/node" >"$tmp/traces"
	ok "node: and its callers, down to C++" grep -qE \
		'JS:.spinner [^;]*;(JS:[^;]*;|Builtins_[^;]*;)*JS:.outermost [^;]*;.*;node::Start' \
		"$tmp/traces"
	rm -f "/tmp/perf-$js.map"
	stop "$js" KILL
fi
tap_done
