#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# Many copies of one library, and thousands of times the same one; and what pprof is told when it
# asks for names itself.
. "$(dirname "$0")/../modules.sh"
tap_need curl python3 "${CC:-gcc}"
cd "$tmp" || exit 1
ok "alpha is built" plugin alpha
ok "bravo is built" plugin bravo

steps=()
for i in $(seq 10 41); do
	cp alpha.so "copy$i.so"
	steps+=("open:$tmp/copy$i.so" burn:40)
done
window 5 "${steps[@]}"
is "$(tail -n 1 "$output")" "done" "32 copies are opened and used"
decode "$tmp/profile" >"$tmp/profile.json"
cat >copies.py <<'END'
import json, os, sys
profile = json.load(open(sys.argv[1]))
cpu, wrong = {}, 0
for sample in profile["samples"]:
    own = [f for f in sample["stack"] if "/copy" in (f["mapping"] or "")]
    files = {os.path.basename(f["mapping"]) for f in own}
    if not own:
        continue
    ns = sample["values"]["cpu"]
    if len(files) > 1 or [f["name"] for f in own] != ["alpha_local", "alpha_shared", "plugin_burn"][3 - len(own):]:
        wrong += ns
    for file in files:
        cpu[file] = cpu.get(file, 0) + ns
print(len(cpu), wrong * 100 // max(sum(cpu.values()), 1), min(cpu.values()) // 1000000, max(cpu.values()) // 1000000)
END
read -r files wrong least most < <(python3 copies.py profile.json)
is "$files" 32 "each is in the profile"
in_range "$wrong" 0 1 "percent of the time under wrong names"
in_range "$least" 20 60 "ms in the one with least, of 40"
in_range "$most" 20 60 "ms in the one with most"

# Three thousand rounds take as much memory as three hundred.
resident() {
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"
}
window 2 "storm:$tmp/alpha.so:300"
first=$(resident)
window 4 "storm:$tmp/alpha.so:5000"
is "$(tail -n 1 "$output")" "done" "it is opened and closed 5000 times"
in_range "$(resident)" 0 $((first + 600)) "kB of memory"
unlike "$(decode --traces "$tmp/profile")" 'bravo' "no other names come up"

# Names asked for later, by the addresses in a profile that has none.
agent_query='symbolize=none'
window 2 "open:$tmp/alpha.so" burn:300 close "again:$tmp/bravo.so" burn:300
if [ -z "$skip" ]; then
	decode "$tmp/profile" >"$tmp/profile.json"
	cat >addresses.py <<'END'
import json, sys
profile = json.load(open(sys.argv[1]))
for sample in profile["samples"]:
    for frame in sample["stack"]:
        if "/%s.so" % sys.argv[2] in (frame["mapping"] or ""):
            print("%#x" % frame["address"])
END
	for name in alpha bravo; do
		asked=$(python3 addresses.py profile.json "$name" | sort -u)
		names=$(fetch /symbol --data-binary "$(tr '\n' '+' <<<"$asked")0" | sed 1d | awk '{ print $2 }' | sort -u)
		is "$(tr '\n' ' ' <<<"$names")" "${name}_local ${name}_shared plugin_burn " \
			"/symbol knows the addresses of $name"
	done
	ok "go tool pprof reads it" go_pprof -top "$tmp/profile"
fi
stop_host
tap_done
