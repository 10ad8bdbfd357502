#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a CPU profile of a program that nobody prepared for it.

    check_real.py [OPTION...] PROFILE_JSON LABEL

PROFILE_JSON comes from pprof_decode.py. Prints TAP lines without a plan.

    --cpu=FILE        what take_profile.py wrote beside the profile: CPU time must agree
    --names=REGEX     a function whose name matches is in the profile; may be repeated
    --stack=REGEX     a stack, written leaf;caller;...;root, matches; may be repeated
    --samples=N       at least so many (50)
    --complete=SHARE  so many stacks reach the outermost frame (0.995)

That each caller is one is read from the files: a call instruction stands before the return address.
The outermost frame is known independently of the agent and of symbols, which stripped programs do
not have: it lies in the code at the ELF entry point of an executable or of the dynamic linker, or
behind the clone3 or clone system call in libc, where a thread begins.
"""
import argparse
import collections
import json
import os
import re
import struct
import sys

CPU_TOLERANCE = 0.10
CPU_SLACK_NS = 20e6  # clock ticks of /proc
ENTRY_SIZE = 64  # _start: 38 bytes in glibc 2.36
CLONE_SIZE = 64  # from the system call to the call of the thread's routine
# mov $nr, %eax; syscall
CLONES = [b"\xb8\xb3\x01\x00\x00\x0f\x05", b"\xb8\x38\x00\x00\x00\x0f\x05"]
# A virtual machine whose host is busy loses timer interrupts; what they missed is shown as such.
PSEUDO = 0.15
DEPTH = 256  # PA_STACK_DEPTH
# Signal handlers were not called by what they interrupted.
CALLERS = 0.998

failed = 0


def check(good, text, *details):
    global failed
    print(("ok - " if good else "not ok - ") + text)
    if not good:
        failed += 1
        for line in details:
            print("#   " + line)


def roots_of(path):
    """File offsets [(from, to)] in which a return address is that of an outermost frame."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError:
        return []
    if data[:5] != b"\x7fELF\x02":
        return []
    entry, phoff = struct.unpack_from("<QQ", data, 24)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    roots = []
    for i in range(phnum):
        kind, flags, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", data, phoff + i * phentsize)
        if kind != 1 or not flags & 1:
            continue
        if vaddr <= entry < vaddr + filesz:
            start = entry - vaddr + offset
            roots.append((start, start + ENTRY_SIZE))
        if re.search(r"/(libc|libpthread)[.-][^/]*$", path):
            for code in CLONES:
                at = data.find(code, offset, offset + filesz)
                while at >= 0:
                    roots.append((at, at + CLONE_SIZE))
                    at = data.find(code, at + 1, offset + filesz)
    return roots


def is_behind_call(data, at):
    """Whether the instruction that ends at `at` can be a call: e8 rel32, or ff /2 with its forms of
    2 to 7 bytes, perhaps with prefixes."""
    if at < 8 or at > len(data):
        return False
    if data[at - 5] == 0xE8:
        return True
    for size in range(2, 8):
        if data[at - size] != 0xFF or data[at - size + 1] >> 3 & 7 != 2:
            continue
        mod, rm = data[at - size + 1] >> 6, data[at - size + 1] & 7
        sib = mod != 3 and rm == 4
        disp = {0: 4 if rm == 5 or sib and data[at - size + 2] & 7 == 5 else 0, 1: 1, 2: 4, 3: 0}[mod]
        if size == 2 + sib + disp:
            return True
    return False


class Code:
    """The files that addresses are mapped from."""

    def __init__(self, mappings):
        self.mappings = [m for m in mappings if m["file"].startswith("/")]
        self.roots, self.data = {}, {}

    def place(self, address):
        for m in self.mappings:
            if m["start"] <= address < m["limit"]:
                return m["file"], address - m["start"] + m["offset"]
        return None, 0

    def is_root(self, address):
        path, at = self.place(address)
        if path and path not in self.roots:
            self.roots[path] = roots_of(path)
        return bool(path) and any(lo <= at < hi for lo, hi in self.roots[path])

    def is_caller(self, address):
        """None: no file has it. Callers are shown one byte before the return address."""
        path, at = self.place(address)
        if not path or not os.path.isfile(path):
            return None
        if path not in self.data:
            with open(path, "rb") as f:
                self.data[path] = f.read()
        return is_behind_call(self.data[path], at + 1)


def is_pseudo(stack):
    """Time without a stack: a frame like [lost samples], perhaps below it the start routine of its
    thread."""
    return stack[0]["mapping"] == "[profagent]" and len(stack) <= 2


def kernel_cpu(path, start, duration):
    """CPU time used between start and start + duration, in between linear."""
    with open(path) as f:
        points = [tuple(map(int, line.split())) for line in f]

    def at(when):
        before = max((p for p in points if p[0] <= when), default=points[0])
        after = min((p for p in points if p[0] >= when), default=points[-1])
        if after[0] <= before[0]:
            return before[1]
        return before[1] + (after[1] - before[1]) * (when - before[0]) / (after[0] - before[0])

    return at(start + duration) - at(start)


def shown(stack):
    """Leaf first; long ones from both ends."""
    frames = ["%s (0x%x)" % (f["name"] or "?", f["address"]) for f in stack]
    if len(frames) > 14:
        frames[7:-7] = ["..."]
    return " < ".join(frames)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--cpu")
    parser.add_argument("--names", action="append", default=[])
    parser.add_argument("--stack", action="append", default=[])
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--complete", type=float, default=0.995)
    parser.add_argument("profile")
    parser.add_argument("label")
    args = parser.parse_args()
    profile = json.load(open(args.profile))
    label = args.label
    code = Code(profile["mappings"])

    pseudo, stacks = [], []
    for sample in profile["samples"]:
        n = sample["values"]["samples"]
        (pseudo if is_pseudo(sample["stack"]) else stacks).append((n, sample["stack"]))
    total = profile["totals"]["samples"]
    pseudo_count = sum(n for n, _ in pseudo)
    # What an unprivileged perf event may not see: system time, as much of it as the load makes.
    kernel_count = sum(n for n, stack in pseudo if stack[0]["name"] == "[kernel]")
    count = total - pseudo_count
    check(count + kernel_count >= args.samples,
          "%s: enough samples (%d, and %d under pseudo frames)" % (label, count, pseudo_count))
    if not count:
        return
    check(pseudo_count - kernel_count <= PSEUDO * total, "%s: few samples have no stack" % label)
    for n, stack in pseudo:
        print("#   %d x %s" % (n, shown(stack)))

    # Recursion beyond the depth limit (gcc's garbage collector) says so in its outermost frame.
    deep = [s for _, s in stacks if s[-1]["name"] == "[stack truncated]" and len(s) == DEPTH + 1]
    if deep:
        print("#   %d stacks are deeper than the limit" % len(deep))
    cut = [(n, s) for n, s in stacks if not code.is_root(s[-1]["address"]) and s not in deep]
    complete = 1 - sum(n for n, _ in cut) / count
    check(complete >= args.complete, "%s: %.2f %% of the stacks are complete" % (label, 100 * complete))
    for n, stack in sorted(cut, key=lambda c: -c[0])[:8]:
        print("#   %d x %s" % (n, shown(stack)))

    # Kernel frames stand before the leaf of the program's own.
    callers = checked = 0
    odd = collections.Counter()
    for n, stack in stacks:
        own = [i for i, f in enumerate(stack) if f["address"] < 1 << 47]
        for f, below in zip([stack[i] for i in own[1:]], [stack[i] for i in own]):
            good = code.is_caller(f["address"])
            if good is None:
                continue
            checked += n
            callers += n * good
            if not good:
                odd["%s (0x%x) called %s (0x%x)" % (f["name"], f["address"], below["name"],
                                                   below["address"])] += n
    check(checked and callers >= CALLERS * checked,
          "%s: %.3f %% of %d callers stand behind a call" % (label, 100 * callers / max(checked, 1),
                                                             checked))
    for text, n in odd.most_common(8):
        print("#   %d x %s" % (n, text))

    foreign = sorted({f["name"] for _, s in stacks for f in s
                      if "libprofagent" in (f["mapping"] or "") or
                      f["name"] == "__restore_rt"})
    check(not foreign, "%s: no frame of the agent, no signal trampoline" % label, *foreign)

    names = {f["name"] for _, s in stacks for f in s}
    for want in args.names:
        check(any(re.search(want, n or "") for n in names), "%s: %s is there" % (label, want))
    texts = [";".join(f["name"] or "?" for f in s) for _, s in stacks]
    for want in args.stack:
        check(any(re.search(want, t) for t in texts), "%s: a stack like %s" % (label, want))

    if args.cpu:
        got = profile["totals"]["cpu"]
        want = kernel_cpu(args.cpu, profile["time_nanos"], profile["duration_nanos"])
        check(abs(got - want) <= CPU_TOLERANCE * want + CPU_SLACK_NS,
              "%s: %.2f s of CPU (the kernel says %.2f)" % (label, got / 1e9, want / 1e9))


main()
sys.exit(1 if failed else 0)
