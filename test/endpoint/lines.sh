#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Files, lines and inlined functions in a CPU profile, for pprof and as addr2line has them.
. "$(dirname "$0")/../lib.sh"
tap_need go curl python3 addr2line
decode=$root/test/endpoint/pprof_decode.py
source_file=$root/test/programs/lines.cc

mark() {
	grep -n "// mark: $1\$" "$source_file" | cut -d: -f1
}

agent_start CPU_PROFILE_RATE=250 -- "$PROGRAMS/lines"
profile "$tmp/profile" 3
ok "the profile keeps every rule" "$decode" --header --check "$tmp/profile"
"$decode" "$tmp/profile" >"$tmp/profile.json"

# chain NAME: chains of the leaf locations whose innermost function has that name, by weight.
cat >"$tmp/chains.py" <<'PY'
import collections, json, sys
p = json.load(open(sys.argv[1]))
chains = collections.Counter()
for s in p["samples"]:
    lines = s["stack"][0]["lines"]
    if lines[0]["name"].startswith(sys.argv[2]):
        chains[" < ".join("%s:%d" % (l["name"].split("(")[0], l["line"]) for l in lines)] += s["values"]["samples"]
print(chains.most_common(1)[0][0] if chains else "none")
PY
chain() {
	python3 "$tmp/chains.py" "$tmp/profile.json" "$1"
}
is "$(chain innermost)" \
	"innermost:$(mark innermost) < middle:$(mark middle) < outermost:$(mark outermost) < three_deep:$(mark three_deep)" \
	"functions inlined three deep"
is "$(chain 'shapes::Box<unsigned long, 7>::hot')" \
	"shapes::Box<unsigned long, 7>::hot:$(mark template)" "a member of a template"
is "$(chain 'shapes::Box<unsigned long, 7>::operator+')" \
	"shapes::Box<unsigned long, 7>::operator+:$(mark operator)" "an operator"
like "$(chain 'main::{lambda')" "^main::\{lambda.*:$(mark lambda) < .*call.*:$(mark call)\$" \
	"a lambda in a template"
is "$(python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
found = {(l["file"], l["start_line"], l["system_name"]) for s in p["samples"] for f in s["stack"]
         for l in f["lines"] if l["name"].startswith("three_deep")}
print(*sorted("%s %d %s" % f for f in found), sep="\n")' "$tmp/profile.json")" \
	"$source_file $(($(mark three_deep_start) - 1)) _ZL10three_deepm" \
	"source file, start of the function, linkage name"

# What pprof makes of it.
go_pprof -top "$tmp/profile" >"$tmp/top" 2>"$tmp/err"
is "$(cat "$tmp/err")" "" "pprof has no complaint"
like "$(cat "$tmp/top")" ' innermost \(inline\)' "pprof shows what is inlined"
go_pprof -list 'three_deep' "$tmp/profile" >"$tmp/list" 2>"$tmp/err"
like "$(cat "$tmp/list")" "$(mark three_deep):.*outermost\(n\); // mark: three_deep" "pprof lists the source"
go_pprof -top -lines "$url/profile?seconds=1" >"$tmp/top" 2>"$tmp/err"
like "$(cat "$tmp/top")" "lines.cc:$(mark template)" "lines over HTTP"
is "$(grep -c 'POST /debug/pprof/symbol' "$agent_log")" 0 "/symbol was not asked"

# Every location of the program, as addr2line has it.
cat >"$tmp/compare.py" <<'PY'
import json, subprocess, sys
p, program = json.load(open(sys.argv[1])), sys.argv[2]
main = p["mappings"][0]
first = next(line.split() for line in subprocess.run(
    ["readelf", "-lW", program], capture_output=True, text=True, check=True).stdout.splitlines()
    if line.split()[:1] == ["LOAD"] and " E " in line)
bias = main["start"] - int(first[2], 16) // 4096 * 4096
bad = count = 0
for f in {f["address"]: f for s in p["samples"] for f in s["stack"]
          if main["start"] <= f["address"] < main["limit"]}.values():
    out = subprocess.run(["addr2line", "-i", "-f", "-C", "-e", program, hex(f["address"] - bias)],
                         capture_output=True, text=True, check=True).stdout.splitlines()
    want = [(n.split("(")[0], l.split(" ")[0]) for n, l in zip(out[::2], out[1::2])]
    got = [(l["name"].split("(")[0], "%s:%d" % (l["file"], l["line"]) if l["line"] else "??:0")
           for l in f["lines"]]
    count += 1
    if [g[1].replace("??:0", "??:?") for g in got] != [w[1].replace("??:0", "??:?") for w in want]:
        bad += 1
        print("0x%x: %s, addr2line: %s" % (f["address"] - bias, got, want))
print(count, "compared", bad, "differ")
PY
python3 "$tmp/compare.py" "$tmp/profile.json" "$PROGRAMS/lines" >"$tmp/compared"
like "$(tail -n 1 "$tmp/compared")" '^[1-9][0-9]+ compared 0 differ$' "all locations as addr2line has them"
sed 's/^/# /' "$tmp/compared" | head -n 5

fetch "/profile?seconds=1&symbolize=names" -o "$tmp/names"
"$decode" "$tmp/names" | python3 -c '
import json, sys
p = json.load(sys.stdin)
sys.exit(any(f["line"] or f["inlined"] for s in p["samples"] for f in s["stack"]))'
is $? 0 "symbolize=names: nothing of that"
address=$(python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
print(next(hex(s["stack"][0]["address"]) for s in p["samples"] if s["stack"][0]["lines"][0]["name"] == "innermost"))' "$tmp/profile.json")
is "$(fetch "/symbol?$address" | tail -n 1)" "$address innermost" "/symbol has the same names"
agent_stop
tap_done
