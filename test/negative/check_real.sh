#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test/endpoint/check_real.py refuses profiles that are not whole or not true.
. "$(dirname "$0")/../real.sh"
tap_need python3 curl

engine_start timer -- "$PROGRAMS/cpu_shares_nofp" 60 1
ok "a profile" take "$pid" "$tmp/profile" 1
stop "$pid"
python3 "$real_here/pprof_decode.py" "$tmp/profile" >"$tmp/good.json"

# checks OPTION... FILE
checks() {
	python3 "$real_here/check_real.py" --cpu="$tmp/profile.cpu" --samples=20 "$@" label
}
# refuses NAME TEXT PYTHON: the profile changed by the statement; what it says must hold the text.
refuses() {
	python3 -c 'import json, sys
p = json.load(open(sys.argv[1]))
samples = p["samples"]
'"$3"'
json.dump(p, open(sys.argv[2], "w"))' "$tmp/good.json" "$tmp/bad.json"
	like "$(checks "$tmp/bad.json")" "^not ok .*$2" "$1"
	not_ok "$1: exit status" checks "$tmp/bad.json"
}

ok "a good one passes" checks --names='^leaf_a$' --stack=';main;.*_start$' "$tmp/good.json"
refuses "stacks that end early" '% of the stacks are complete' '
for s in samples[:1 + len(samples) // 50]: s["stack"].pop()'
refuses "stacks that are said to be deep" '% of the stacks are complete' '
for s in samples[:1 + len(samples) // 50]: s["stack"][-1].update(name="[stack truncated]", address=1)'
refuses "callers that called nothing" 'callers stand behind a call' '
for s in samples:
  for f in s["stack"][2:3]: f["address"] -= 9'
refuses "time that was not used" 's of CPU' 'p["totals"]["cpu"] = int(p["totals"]["cpu"] * 1.3)'
refuses "time that is not there" 's of CPU' 'p["totals"]["cpu"] = int(p["totals"]["cpu"] * 0.7)'
refuses "frames of the agent" 'no frame of the agent' '
samples[0]["stack"][0]["mapping"] = "/usr/lib/libprofagent.so"'
refuses "the signal trampoline" 'signal trampoline' 'samples[0]["stack"][0]["name"] = "__restore_rt"'
refuses "few samples" 'enough samples' 'del samples[1:]; p["totals"]["samples"] = 1'
refuses "time without stacks" 'have no stack' '
samples.append({"values": {"samples": 1000}, "stack": [{"mapping": "[profagent]", "name": "[lost samples]", "address": 1}]})
p["totals"]["samples"] += 1000'
like "$(checks --names='^nobody$' "$tmp/good.json")" '^not ok .*nobody' "a name that is missing"
like "$(checks --stack='main;leaf_a' "$tmp/good.json")" '^not ok .*main;leaf_a' "a stack that is missing"
tap_done
