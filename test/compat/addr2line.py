#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares profagent-symbolize with addr2line -i -f -C of binutils, address by address.

    addr2line.py SYMBOLIZE COUNT [--show N] [--root DIR] FILE[=DEBUGFILE]...

COUNT addresses of each file are drawn from its function symbols, each byte as likely as any other,
always the same ones. addr2line reads DEBUGFILE, profagent-symbolize FILE. Prints how many answers
are the same, and the others by kind; those kinds that EXPLAINED has a reason for count as agreeing.
Where chains or lines differ, llvm-symbolizer is asked too: if it has exactly our answer, the
difference is addr2line's. Exit status 1 when more than 0.1 % do not agree."""
import collections
import os
import random
import re
import subprocess
import sys

EXPLAINED = {
    "alias": "the outermost name is another symbol of the same address",
    "unqualified": "addr2line prints DW_AT_name, which has no scopes and no parameters",
    "clone": "addr2line prints the symbol: .cold, .part.0, .constprop.0 of a C function",
    "no symbol name": "addr2line has no name for the function, the debug information has",
    "chain, as llvm": "binutils 2.40 knows no DW_FORM_rnglistx in inlined calls (clang, DWARF 5), "
                      "and not all of dwz",
    "mapped directory": "with -ffile-prefix-map the others put the compilation's directory before "
                        "directories that are beside it, or before itself; gdb does not",
    "file, as llvm": "binutils 2.40 takes another directory of a DWARF 5 line table",
    "line, as llvm": "binutils 2.40 chooses among overlapping or repeated rows differently",
    "name, as llvm": "binutils 2.40 gives an inlined call the name of the function it is in",
}


def run(command, addresses):
    text = "".join("%#x\n" % a for a in addresses)
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True,
                          encoding="utf-8", errors="replace").stdout


def symbols(path):
    """Sized functions: (start, size, name)."""
    out = subprocess.run(["nm", "-S", "--defined-only", path], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace").stdout
    result = []
    for line in out.splitlines():
        part = line.split(None, 3)
        if len(part) == 4 and part[2] in "tTwWi":
            result.append((int(part[0], 16), int(part[1], 16), part[3]))
    return result


def draw(functions, count):
    rng = random.Random(1)
    picked = rng.choices(functions, weights=[f[1] for f in functions], k=count)
    return sorted({start + rng.randrange(size) for start, size, _ in picked})


def normal(path):
    return os.path.normpath(path) if path not in ("", "??") else "??"


def read_ours(command, addresses):
    """An address without frames is one empty line, so blocks are split by hand."""
    result, frames = [], []
    for line in run(command, addresses).split("\n"):
        if not line:
            result.append(frames)
            frames = []
            continue
        name, _, place, _ = line.split("\t")
        path, number, _ = place.rsplit(":", 2)
        frames.append((name, normal(path), int(number)))
    return result[:len(addresses)]


def read_theirs(command, addresses):
    """What addr2line and llvm-symbolizer print with -a -i -f."""
    result = []
    lines = run(command, addresses).split("\n")
    i = 0
    while i < len(lines) and lines[i]:
        if re.fullmatch("0x[0-9a-f]+", lines[i]):
            result.append([])
            i += 1
            continue
        place = re.sub(r" \(discriminator \d+\)$", "", lines[i + 1])
        file, number = place.rsplit(":", 1)
        name = re.sub(r"@@?[A-Z].*", "", lines[i])
        result[-1].append((name, normal(file), int(number) if number.isdigit() else 0))
        i += 2
    return result


def base(name):
    """The last component, without parameters and template arguments."""
    name = re.sub(r"\(anonymous namespace\)|\(anonymous\)", "{anon}", name)
    name = re.sub(r" ?\[(clone|abi:)[^]]*\]", "", name)
    previous = None
    name = name.replace("operator()", "operator{}").replace("operator<<", "operator{ll}") \
        .replace("operator<", "operator{l}").replace("operator->", "operator{p}")
    while previous != name:
        previous = name
        name = re.sub(r"<[^<>]*>|\([^()]*\)", "", name)
    name = re.sub(r" (const|volatile|&&?)$", "", name).strip()
    return name.split("::")[-1].split(" ")[-1]


def names_differ(mine, other, outermost, aliases):
    """The kind of a difference in names, or None."""
    if mine.replace(" ", "") == other.replace(" ", ""):
        return None
    if other.startswith(mine + ".") or \
            re.sub(r" \[clone [^]]*\]| \(\.[a-z0-9.]+\)$", "", other) == mine:
        return "clone"
    if base(other) == base(mine):
        return "unqualified"
    if outermost and other == "??":
        return "no symbol name"
    if outermost and {mine, other} <= aliases:
        return "alias"
    return "other name"


def same_file(mine, other):
    return other[1] == mine[1] or mine[1][0] != "/" and other[1].endswith("/" + mine[1])


def compare_names(mine, other, aliases):
    kinds = [names_differ(a[0], b[0], i == len(mine) - 1, aliases)
             for i, (a, b) in enumerate(zip(mine, other))]
    kinds = [k for k in kinds if k]
    bad = [k for k in kinds if k not in EXPLAINED]
    return (bad + kinds + ["same"])[0]


def compare(mine, other, aliases):
    if mine == other:
        return "same"
    if not mine:
        return "same" if all(f[:2] == ("??", "??") for f in other) else "we know nothing"
    if len(mine) != len(other):
        return "chain"
    if [f[2] for f in mine] != [f[2] for f in other]:
        return "line"
    if not all(map(same_file, mine, other)):
        return "file"
    kind = compare_names(mine, other, aliases)
    if kind == "same" and [f[1] for f in mine] != [f[1] for f in other]:
        return "mapped directory"
    return kind


def judge(kind, mine, other, third, aliases):
    """Whether a third reader has our answer. It does not know the names that dwz has moved, and
    takes the outermost one from symbols, where addr2line's will do."""
    if kind in EXPLAINED or kind == "same" or len(mine) != len(third):
        return kind
    named = [m if t[0] == "??" else t for m, t in zip(mine, third)]
    if other[-1][0] == mine[-1][0]:
        named[-1] = mine[-1]
    if [f[2] for f in mine] != [f[2] for f in third] or \
            not all(map(same_file, mine, third)) or \
            compare_names(mine, named, aliases) not in list(EXPLAINED) + ["same"]:
        return kind
    return ("name" if kind == "other name" else kind) + ", as llvm"


def names_around(functions, addresses):
    """For each address, ascending, the names of the symbols around it."""
    functions = sorted(functions)
    i = 0
    for address in addresses:
        while i < len(functions) and functions[i][0] <= address:
            i += 1
        yield {re.sub("@.*", "", name) for start, size, name in functions[max(0, i - 40):i]
               if address < start + size}


def show_frames(kind, address, file, *answers):
    print("#   %s at %#x of %s" % (kind, address, file))
    for label, frames in zip(("ours", "addr2line", "llvm"), answers):
        for frame in frames:
            print("#     %-9s %s %s:%d" % ((label,) + frame))


def compare_file(symbolize, count, file, debug, show):
    functions = symbols(debug)
    addresses = draw(functions, count)
    mine = read_ours(symbolize + ["-e", file], addresses)
    other = read_theirs(["addr2line", "-a", "-i", "-f", "-C", "-e", debug], addresses)
    third = read_theirs(["llvm-symbolizer", "-a", "-i", "-f", "-C", "--output-style=GNU", "-e", debug], addresses)
    assert len(mine) == len(other) == len(third) == len(addresses)
    kinds = collections.Counter()
    for address, aliases, a, b, c in zip(addresses, names_around(functions, addresses), mine,
                                         other, third):
        kind = judge(compare(a, b, aliases), a, b, c, aliases)
        kinds[kind] += 1
        if kind != "same" and kinds[kind] <= show:
            show_frames(kind, address, file, a, b, c)
    print("# %s: %d addresses, %s" % (file, len(addresses),
                                     ", ".join("%s %d" % k for k in kinds.most_common())))
    return kinds


def main():
    symbolize, count, show, args = [sys.argv[1]], int(sys.argv[2]), 1, sys.argv[3:]
    while args[0].startswith("--"):
        if args[0] == "--show":
            show = int(args[1])
        else:
            symbolize += ["--debug-root", args[1]]
        args = args[2:]
    total = collections.Counter()
    for arg in args:
        file, _, debug = arg.partition("=")
        total += compare_file(symbolize, count, file, debug or file, show)
    good = sum(n for kind, n in total.items() if kind == "same" or kind in EXPLAINED)
    everything = sum(total.values())
    print("# all: %s" % ", ".join("%s %d" % k for k in total.most_common()))
    for kind in sorted(set(total) & set(EXPLAINED)):
        print("#   %s: %s" % (kind, EXPLAINED[kind]))
    print("%d of %d agree" % (good, everything))
    sys.exit(0 if everything and everything - good <= everything / 1000 else 1)


main()
