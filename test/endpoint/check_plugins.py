#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a CPU profile of modules_host with what the program was told to do.

    check_plugins.py [--good=SHARE] LABEL PROFILE_JSON NAME=MS[:FILE]...

Each plugin NAME has used MS of CPU time in NAME_local, called by NAME_shared, plugin_burn and main,
all in one mapping whose file begins with FILE, or NAME. "NAME?=MS" where the symbol of the static
function NAME_local cannot be had: then the file and an offset are its name, one for all of it.
PROFILE_JSON is what pprof_decode.py made of it. SHARE of the stacks have to be whole, 0.99 without
it. Prints TAP lines without a plan.
"""
import json
import os
import sys

TOLERANCE = 0.1 # of the time, and SLACK: the first samples are taken before the agent has rows
SLACK_NS = 60000000

failed = 0


def check(good, text, *details):
    global failed
    print("ok - " + text if good else "not ok - " + text)
    if not good:
        failed += 1
        for line in details:
            print("#   " + line)


def base(frame):
    return os.path.basename(frame["mapping"] or "")


def main():
    args = sys.argv[1:]
    good = float(args.pop(0)[len("--good="):]) if args[0].startswith("--good=") else 0.99
    label, path = args[:2]
    profile = json.load(open(path))
    wanted = {}
    for arg in args[2:]:
        name, _, rest = arg.partition("=")
        ms, _, file = rest.partition(":")
        wanted[name.rstrip("?")] = (int(ms) * 1000000, file or name.rstrip("?"), name.endswith("?"))
    cpu = dict.fromkeys(wanted, 0)
    total, bad, mixed, places = 0, {}, {}, {}
    for sample in profile["samples"]:
        stack, count = sample["stack"], sample["values"]["samples"]
        names = [f["name"] or "?" for f in stack]
        if not any(base(f) == "modules_host" for f in stack) and "plugin_burn" not in names:
            if len(stack) > 1 or stack[0]["mapping"]:
                continue # the agent's pseudo frames, libc's own threads
        named = {(n, base(f).startswith(wanted[n][1])) for n in wanted for f in stack
                 if (f["name"] or "").startswith(n + "_")}
        seen = {n for n, _ in named} or \
            {n for n in wanted for f in stack if base(f).startswith(wanted[n][1])}
        text = " < ".join("%s@%s" % (f["name"], base(f)) for f in stack[:5])
        if not seen:
            if "plugin_burn" in names or not stack[0]["mapping"]:
                total += count
                bad[text] = bad.get(text, 0) + count
            continue
        total += count
        if len(seen) > 1 or any(not right for _, right in named):
            mixed[text] = mixed.get(text, 0) + count
            continue
        name = seen.pop()
        ns, file, nameless = wanted[name]
        cpu[name] += sample["values"]["cpu"]
        at = next((i for i, f in enumerate(stack) if base(f).startswith(file)), 0)
        own = [f for f in stack[at:] if base(f).startswith(file)]
        chain = ["%s_local" % name, "%s_shared" % name, "plugin_burn"]
        got = [f["name"] for f in own]
        if nameless and len(got) == 3:
            places.setdefault(name, set()).add(got[0])
            if "+0x" in got[0]:
                got[0] = chain[0]
        # A sample may be taken while a function is entered or left, or in the loader.
        if not got or got != chain[len(chain) - len(got):] or names[at + len(own)] != "main":
            if "dl_" not in text and "ld-linux" not in text:
                bad[text] = bad.get(text, 0) + count
    worst = sorted(bad.items(), key=lambda b: -b[1])[:6]
    mapped = {base(m) for m in ({"mapping": m["file"]} for m in profile["mappings"])}
    check(not mixed, "%s: no frame has the name or the file of another plugin" % label, *mixed)
    check(total and sum(bad.values()) <= (1 - good) * total + 2,
          "%s: %d of %d stacks are whole and named" % (label, total - sum(bad.values()), total),
          *["%d x %s" % (n, text) for text, n in worst])
    for name, (ns, file, _) in wanted.items():
        check(abs(cpu[name] - ns) <= TOLERANCE * ns + SLACK_NS,
              "%s: %s has %d ms of %d" % (label, name, cpu[name] // 1000000, ns // 1000000))
        check(any(m.startswith(file) for m in mapped), "%s: %s has a mapping" % (label, name),
              *sorted(mapped))
        check(len(places.get(name, [])) <= 1, "%s: %s is one function" % (label, name),
              *sorted(places.get(name, [])))


main()
sys.exit(1 if failed else 0)
