#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_shares.py refuses profiles that are wrong in one point each.
. "$(dirname "$0")/../lib.sh"
tap_need python3
cd "$tmp" || exit 1

# make_profile CHANGE: profile.json and truth.json of a made-up run, changed by a line of Python.
make_profile() {
	python3 - "$1" <<'END'
import json
import sys

HZ, SECONDS = 1000, 2
SHARES = {"leaf_a": 1000, "leaf_b": 600, "leaf_c": 300, "leaf_d": 100}
levels = ["level_%02d" % n for n in range(40, 0, -1)]


def frame(name, mapping="/usr/bin/program"):
    return {"address": 1, "mapping": mapping, "name": name, "system_name": name, "file": "", "line": 0,
            "inlined": []}


def sample(names, count):
    return {"values": {"samples": count, "cpu": count * 10**9 // HZ}, "labels": {},
            "stack": [frame(n) for n in names]}


main_root = ["thread_start", "main_work", "main", "__libc_start_main", "_start"]
thread_root = ["thread_start", "start_thread", "clone"]
samples = []
for leaf, count in SHARES.items():
    samples.append(sample([leaf, "run_leaf"] + levels + main_root, count // 2))
    samples.append(sample([leaf, "run_leaf"] + levels + thread_root, count - count // 2))
truth = {"seconds": SECONDS, "threads": 1, "cpu_ns": 2 * 10**9, "leaf_a_ns": 1.0e9, "leaf_b_ns": 0.6e9,
         "leaf_c_ns": 0.3e9, "leaf_d_ns": 0.1e9}
exec(sys.argv[1])
profile = {"samples": samples, "duration_nanos": SECONDS * 10**9,
           "totals": {"samples": sum(s["values"]["samples"] for s in samples),
                      "cpu": sum(s["values"]["cpu"] for s in samples)}}
json.dump(profile, open("profile.json", "w"))
json.dump(truth, open("truth.json", "w"))
END
}
check() {
	"$root/test/endpoint/check_shares.py" test truth.json profile.json 1000000000
}
# refused NAME CHANGE PATTERN
refused() {
	local output
	make_profile "$2"
	not_ok "refuses $1" check
	output=$(check 2>&1)
	like "$output" "^not ok - test: .*$3" "and only for that"
	is "$(grep -c '^not ok' <<<"$output")" "${4:-1}" "once"
}

make_profile pass
ok "accepts the right one" check
refused "other shares" 'truth["leaf_a_ns"], truth["leaf_c_ns"] = 0.7e9, 0.6e9' 'leaf_[ac] has' 2
refused "a level that is missing" 'del samples[0]["stack"][20]' 'stacks are whole'
refused "a level twice" 'samples[0]["stack"].insert(20, samples[0]["stack"][20])' 'stacks are whole'
refused "levels out of order" 's = samples[0]["stack"]; s[9], s[8] = s[8], s[9]' 'stacks are whole'
refused "a stack cut off" 'samples[0]["stack"] = samples[0]["stack"][:20]' 'stacks are whole'
refused "a frame in between" 'samples[0]["stack"].insert(42, frame("other"))' 'stacks are whole'
refused "no main below" 'del samples[0]["stack"][44]' 'stacks are whole'
refused "a leaf without its caller" 'del samples[0]["stack"][1]' 'stacks are whole'
refused "a frame of the agent" 'samples[0]["stack"].insert(0, frame("pa_cpu_timer_handler"))' 'no frame of the agent'
refused "a signal trampoline" 'samples[0]["stack"].insert(0, frame("__restore_rt", "/lib/libc.so.6"))' 'no frame of the agent'
refused "a frame in the agent's library" 'samples[0]["stack"].insert(0, frame("f", "/x/libprofagent.so"))' 'no frame of the agent'
refused "too little CPU time" 'SECONDS = 3' 's of CPU'
refused "too much CPU time" 'SECONDS = 1' 's of CPU'
refused "much time without a stack" 's = sample(["[lost samples]"], 400); s["stack"][0]["mapping"] = "[profagent]"
samples.append(s); SECONDS = 2.4' 'have no stack'
refused "few samples" 'for s in samples: s["values"]["samples"] //= 20; s["values"]["cpu"] //= 20
SECONDS = 0.1' 'enough samples'
make_profile 'samples = []'
not_ok "refuses an empty profile" check
tap_done
