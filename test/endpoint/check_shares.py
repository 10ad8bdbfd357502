#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a CPU profile of a cpu_shares program with what the program measured itself.

    check_shares.py LABEL PROGRAM_JSON { PROFILE_JSON CPU_NS_PER_S }...

PROGRAM_JSON is what the program printed, PROFILE_JSON what pprof_decode.py made of one profile, and
CPU_NS_PER_S the CPU time that the program used a second while it was taken. Several profiles are
added up. Prints TAP lines without a plan.
"""
import json
import math
import os
import re
import sys

LEAVES = ["leaf_a", "leaf_b", "leaf_c", "leaf_d"]
COMPLETE = 0.995
SIGMAS = 4
# Samples of perf's software clock come by wall time while a thread runs: what the hypervisor takes
# away meanwhile counts.
CPU_TOLERANCE = {"timer": 0.1, "perf": 0.15}
# A virtual machine whose host is busy loses timer interrupts; what they missed is shown as such.
PSEUDO = 0.15
# The program's truth is over its whole life, the profile over a part: leaves are drawn at random.
DRAW = 0.01

failed = 0


def check(good, text, *details):
    global failed
    print("ok - " + text if good else "not ok - " + text)
    if not good:
        failed += 1
        for line in details:
            print("#   " + line)


def plain(name):
    """C++ names come with their parameters, parts of a function with a suffix."""
    name = re.sub(r"\(.*", "", name.replace("(anonymous namespace)", "anonymous"))
    return re.sub(r"\.(cold|part|isra|constprop)\b.*", "", name)


def is_pseudo(stack):
    """Time without a stack: a frame like [lost samples], perhaps below it the start routine of its
    thread."""
    return stack[0]["mapping"] == "[profagent]" and len(stack) <= 2


def complaint(names):
    """Why a stack is not whole, None when it is. Leaf first."""
    if "thread_start" not in names:
        return None if "main" in names else "neither main nor thread_start"
    levels = [int(n[6:]) for n in names if re.fullmatch(r"level_\d\d", n)]
    if levels != list(range(len(levels), 0, -1)):
        return "levels are " + " ".join(map(str, levels))
    if any(leaf in names for leaf in LEAVES):
        if len(levels) != 40:
            return "a leaf above %d levels" % len(levels)
        leaf = next(i for i, n in enumerate(names) if n in LEAVES)
        if names[leaf + 1] != "run_leaf":
            return "leaf called by " + names[leaf + 1]
    at = names.index("thread_start")
    if levels and names[at - 1] != "level_01":
        return names[at - 1] + " between level_01 and thread_start"
    if "main_work" in names:
        if names[at + 1] != "main_work" or names[at + 2] != "main":
            return "thread_start called by " + " < ".join(names[at + 1:at + 3])
    elif len(names) < at + 2:
        return "nothing below thread_start"
    return None


def main():
    label = sys.argv[1]
    truth = json.load(open(sys.argv[2]))
    stacks, cpu_got, cpu_want, seconds = [], 0.0, 0.0, 0.0
    for path, rate in zip(sys.argv[3::2], sys.argv[4::2]):
        profile = json.load(open(path))
        cpu_got += profile["totals"]["cpu"] / 1e9
        cpu_want += profile["duration_nanos"] / 1e9 * float(rate) / 1e9
        seconds += profile["duration_nanos"] / 1e9
        for sample in profile["samples"]:
            names = [plain(f["name"] or "?") for f in sample["stack"]]
            stacks.append((names, sample["values"]["samples"], sample["stack"]))
    # Where others use the processors, or the host of a virtual machine takes them away, ticks come
    # late and several fall on one stack: fewer independent samples than the count says.
    wanted_cpus = min(truth["threads"], os.cpu_count())
    spread = max(1.0, wanted_cpus * seconds / max(cpu_want, 0.001))
    total = sum(n for names, n, _ in stacks)
    pseudo = [(n, names[0]) for names, n, stack in stacks if is_pseudo(stack)]
    pseudo_count = sum(n for n, _ in pseudo)
    real = [(names, n) for names, n, stack in stacks if not is_pseudo(stack)]
    count = sum(n for _, n in real)
    check(count >= 200, "%s: enough samples (%d, and %d under pseudo frames)" % (label, count, pseudo_count))
    if not count:
        return

    leaf_count = dict.fromkeys(LEAVES, 0)
    for names, n in real:
        for name in names:
            if name in leaf_count:
                leaf_count[name] += n
                break
    leaf_total = sum(leaf_count.values())
    leaf_ns = {leaf: truth[leaf + "_ns"] for leaf in LEAVES}
    for leaf in LEAVES:
        want = leaf_ns[leaf] / sum(leaf_ns.values())
        got = leaf_count[leaf] / max(leaf_total, 1)
        allowed = SIGMAS * math.sqrt(spread * want * (1 - want) / max(leaf_total, 1)) + DRAW
        check(abs(got - want) <= allowed, "%s: %s has %.1f %% (truth %.1f, allowed +-%.1f)" %
              (label, leaf, 100 * got, 100 * want, 100 * allowed))

    bad = [(n, complaint(names), names) for names, n in real if complaint(names)]
    whole = 1 - sum(n for n, _, _ in bad) / count
    check(whole >= COMPLETE, "%s: %.2f %% of the stacks are whole" % (label, 100 * whole),
          *["%d x %s: %s" % (n, why, " < ".join(names)) for n, why, names in
            sorted(bad, key=lambda b: -b[0])[:4]])

    foreign = set()
    for _, _, stack in stacks:
        for frame in stack:
            if "libprofagent" in (frame["mapping"] or "") or \
                    re.match(r"pa_|profagent_|__restore_rt$", frame["name"] or ""):
                foreign.add(frame["name"])
    check(not foreign, "%s: no frame of the agent, no signal trampoline" % label, *sorted(foreign))

    tolerance = CPU_TOLERANCE["perf" if label.startswith("perf ") else "timer"]
    check(abs(cpu_got - cpu_want) <= tolerance * cpu_want,
          "%s: %.2f s of CPU in %.2f s (the kernel says %.2f)" % (label, cpu_got, seconds, cpu_want))
    check(pseudo_count <= PSEUDO * total, "%s: %d of %d samples have no stack" % (label, pseudo_count, total),
          *["%d x %s" % p for p in pseudo])


main()
sys.exit(1 if failed else 0)
