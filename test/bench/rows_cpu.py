# SPDX-License-Identifier: Apache-2.0
"""What a CPU profile costs the program while it is taken, and how good its stacks are."""
import glob
import os
import re
import statistics
import subprocess
import threading
import time

import pprof_read
from benchlib import (BUILD, PROGRAMS, QUICK, ROUNDS, Budget, Process, Row, Skip, environment,
                      interleave, need, program, run_json)

GUARD_NS = 60_000_000  # at both ends of a window: sampling is being switched on or off
OFF_S = 0.6
LARGE_LIBRARIES = [("clang", "/usr/lib/x86_64-linux-gnu/libclang-cpp.so.*"),
                   ("LLVM", "/usr/lib/x86_64-linux-gnu/libLLVM-*.so*"),
                   ("libc", "/lib/x86_64-linux-gnu/libc.so.6"),
                   ("JVM", "/usr/lib/jvm/java-17-openjdk-*/lib/server/libjvm.so")]


def alternate(take, pairs):
    """[off, on, off, ... on, off]: windows (from, to) of CLOCK_MONOTONIC. take() makes one
    profile, and returns the time that it was for where this is not the time it took."""
    windows = []

    def timed(action):
        start = time.monotonic_ns()
        start, end = action() or (start, time.monotonic_ns())
        windows.append((start + GUARD_NS, end - GUARD_NS))

    timed(lambda: time.sleep(OFF_S))
    for _ in range(pairs):
        timed(take)
        time.sleep(0.1)
        timed(lambda: time.sleep(OFF_S))
    return windows


def lost(process, windows):
    """Per window with a profile, in per cent: by how much a piece of work cost more than in the
    windows before and behind it; and by how much more single events took (windows.h, `excess`)
    than in all windows without, which do not drift."""
    sums = [process.ask(f"{a} {b}") for a, b in windows]
    on, off = sums[1::2], sums[0::2]
    total = [(x["mean_ns"] * 2 / (before["mean_ns"] + behind["mean_ns"]) - 1) * 100
             for before, x, behind in zip(off, on, off[1:])]
    usual = statistics.mean(x["excess"] for x in off)
    return total, [(x["excess"] - usual) * 100 for x in on]


def profile_taker(process, samples, agent_ms):
    """Takes one-second profiles; keeps how many samples came in and the agent's own CPU time."""

    def take():
        start, cpu = time.monotonic_ns(), process.agent_cpu_ns()
        body = process.profile(1)
        agent_ms.append((process.agent_cpu_ns() - cpu) / 1e6)
        samples.append(sum(values[0] for _, values in pprof_read.read(body)))
        return start, start + 1_000_000_000

    return take


def floor_timer(rate, rounds=0):
    """What a CPU-clock timer takes whose handler is empty, or a loop of so many rounds."""
    with Process([program("work_bench"), "1"]) as process:
        def take():
            process.ask(f"tick {rate} {rounds}")
            time.sleep(1)
            process.ask("tick 0")

        time.sleep(0.3)
        return lost(process, alternate(take, ROUNDS))


def record(options, rate):
    """What perf record, attached to the program, takes."""
    data = os.path.join(BUILD, "bench-perf.data")
    with Process([program("work_bench"), "1"]) as process:
        # perf takes a while to attach and to end; what it runs says when it was sampling.
        command = [need("perf"), "record", "-q", "-F", str(rate), *options, "-e", "cpu-clock", "-p",
                   str(process.pid), "-o", data, "--", "sh", "-c", "date +%s%N; sleep 1; date +%s%N"]

        def take():
            to_monotonic = time.monotonic_ns() - time.time_ns()
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            if done.returncode:
                raise Skip(f"perf record: {done.stderr.decode(errors='replace').strip()[:80]}")
            return tuple(int(text) + to_monotonic for text in done.stdout.split()[:2])

        try:
            time.sleep(0.3)
            return lost(process, alternate(take, ROUNDS))
        finally:
            if os.path.exists(data):
                os.unlink(data)


def calibrate():
    """The method on a known truth: handlers of a known cost, at 250 Hz."""
    empty = floor_timer(250)
    for rounds in 8000, 20000:
        with Process([program("work_bench"), "1"]) as process:
            process.ask(f"tick 0 {rounds}")
            truth = statistics.median(process.ask("cost")["ns"] for _ in range(9)) / 1000
        total, events = floor_timer(250, rounds)
        expected = truth * 250 / 1e6 * 100
        for name, i, values in ("", 0, total), (", events", 1, events):
            base = statistics.median(empty[i])
            yield Row(f"check: {truth:.0f} us 250 times a second{name}", "%",
                      {"empty": empty[i], "agent": values},
                      note=f"true: {expected:.2f} % above empty; measured: {statistics.median(values) - base:.2f} %")


def floor(engine, rate):
    """Of each engine: its way of interrupting the program, without doing anything there."""
    if engine == "timer" and not QUICK:
        return floor_timer(rate), "a timer with an empty handler"
    if QUICK or rate != 1000:
        return ([], []), ""
    try:
        return record([], rate), "perf record without stacks"
    except Skip as e:
        return ([], []), str(e)


def work_lost_at(engine, rate, limit):
    samples, agent_ms = [], []
    with Process([program("work_bench"), "1"], "agent", PPROF_CPU_ENGINE=engine,
                 CPU_PROFILE_RATE=str(rate)) as process:
        time.sleep(0.3)
        cpu = process.cpu_ns()
        windows = alternate(profile_taker(process, samples, agent_ms), ROUNDS)
        cpu = (process.cpu_ns() - cpu) / (windows[-1][1] - windows[0][0])
        total, events = lost(process, windows)
    (floor_total, floor_events), what = floor(engine, rate)
    # What `calibrate` showed on a busy machine with 2 CPUs: errors of 0.8 % and 0.23 %.
    plain, budget = [Budget("agent", limit, f"<= {limit} %", resolution=r) if limit else None
                     for r in (1.0, 0.3)]
    name = f"work lost, {engine} {rate} Hz"
    yield Row(name, "%", {"empty": floor_total, "agent": total}, plain)
    note = (f"{statistics.median(events) / 100 / rate * 1e6:.1f} us a sample; "
            f"{statistics.median(samples):.0f} samples/s of a thread that got {cpu:.2f} CPUs")
    yield Row(name + ", events", "%", {"empty": floor_events, "agent": events}, budget,
              note + (f"; empty: {what}" if what else ""))
    yield Row(f"agent's own threads, {engine} {rate} Hz", "% of a CPU", {"agent": [a / 10 for a in agent_ms]})


def work_lost():
    rates = [("timer", 100, 0.2), ("timer", 250, None), ("perf", 100, 0.2), ("perf", 1000, 1.5),
             ("perf", 10000, None)]
    if QUICK:
        rates = [("timer", 100, 0.2), ("perf", 1000, 1.5)]
    for engine, rate, limit in rates:
        yield from work_lost_at(engine, rate, limit)


def work_lost_perf():
    """The peer: perf record attached to the same program."""
    for options, rate in (["-g"], 100), (["--call-graph", "dwarf"], 1000):
        total, events = record(options, rate)
        name = f"peer: perf record {' '.join(options)} {rate} Hz"
        yield Row(name, "%", {"peer": total})
        yield Row(name + ", events", "%", {"peer": events},
                  note=f"{statistics.median(events) / 100 / rate * 1e6:.1f} us a sample")


def idle_agent_threads():
    """Two busy threads, no profile: nothing may be left of the agent but its sleeping thread."""
    values = interleave(lambda mode: run_json([program("work_bench"), "2", "10000"], mode)["cpu_ns"],
                        rounds=ROUNDS)
    yield Row("two busy threads, no profile", "CPU ms", values, scale=1e-6)


def complete(names):
    """Whether a stack of cpu_shares has its root and every level between."""
    if not any(n in ("main", "thread_start") for n in names[-6:]):
        return False
    # .cold: the part of a function that handles its exceptions
    levels = [int(m[1]) for n in names for m in [re.fullmatch(r"level_(\d\d)(?:\.cold)?", n)] if m]
    if levels != list(range(len(levels), 0, -1)):
        return False
    return len(levels) == 40 or not any(n.startswith("leaf_") or n == "run_leaf" for n in names)


def stacks():
    programs = ["cpu_shares_nofp", "cpu_shares_cc"] if QUICK else [
        "cpu_shares_fp", "cpu_shares_nofp", "cpu_shares_qsort", "cpu_shares_cc"]
    for name in programs:
        path = os.path.join(PROGRAMS, name)
        for engine, rate in ("timer", 250), ("perf", 2000):
            with Process([path, "30", "2"], "agent", PPROF_CPU_ENGINE=engine,
                         CPU_PROFILE_RATE=str(rate)) as process:
                samples = pprof_read.read(process.profile(2))
            if not samples:
                raise RuntimeError(f"{name}: an empty profile")
            total = sum(values[0] for _, values in samples)
            walked = [s for s in samples if not s[0][0].startswith("[")]
            stacks_count = sum(values[0] for _, values in walked)
            bad = [s for s in walked if not complete(s[0])]
            good = stacks_count - sum(values[0] for _, values in bad)
            note = f"{good} of {stacks_count} samples"
            if bad:
                note += "; not: " + " < ".join(bad[0][0][:4] + ["..."] + bad[0][0][-3:])
            budget = Budget("agent", 99.5, ">= 99.5 %", at_least=True)
            yield Row(f"stacks complete, {name[11:]}, {engine}", "%",
                      {"agent": [100 * good / max(stacks_count, 1)]}, budget, note)
            pseudo = {}
            for names, values in samples:
                if names[0].startswith("["):
                    pseudo[names[0]] = pseudo.get(names[0], 0) + values[0]
            # Stricter: time that is shown without any stack counts as not complete.
            yield Row(f"  of all CPU time, {name[11:]}, {engine}", "%", {"agent": [100 * good / total]}, budget,
                      ", ".join(f"{k} {v} of {total}" for k, v in pseudo.items()))


def threads_during_profile():
    """CPU time of the process for one pthread_create and join, in windows with and without a
    profile; the agent's own threads are in it."""
    for engine, rate in ("timer", 100), ("perf", 1000):
        with Process([program("thread_bench")], "agent", PPROF_CPU_ENGINE=engine,
                     CPU_PROFILE_RATE=str(rate)) as process:
            time.sleep(0.3)
            windows = alternate(profile_taker(process, [], []), ROUNDS)
            sums = [process.ask(f"{a} {b}")["mean_ns"] / 1000 for a, b in windows]
        on = sums[1::2]
        off = [(a + b) / 2 for a, b in zip(sums[0::2], sums[2::2])]
        yield Row(f"thread create+join during {engine} {rate} Hz", "us", {"none": off, "agent": on},
                  note="none: the same process, no profile")


def http():
    """Latency of /cmdline, a new connection each: at rest, during a window, while encoding."""
    count = 100 if QUICK else 300
    with Process([program("work_bench"), "2"], "agent") as process:
        def latencies():
            values = []
            for _ in range(count):
                start = time.monotonic_ns()
                process.get("/debug/pprof/cmdline")
                values.append((time.monotonic_ns() - start) / 1e6)
                time.sleep(0.005)
            return values

        def during_windows():
            taken = []
            thread = threading.Thread(target=lambda: taken.append(process.profile(3)))
            thread.start()
            time.sleep(0.2)
            values = latencies()
            thread.join()
            if not taken:
                raise RuntimeError("no profile")
            return values

        time.sleep(0.2)
        rest, window = latencies(), during_windows()
        tails = []
        for _ in range(3 if QUICK else ROUNDS):
            start = time.monotonic_ns()
            process.profile(1)
            tails.append((time.monotonic_ns() - start) / 1e6 - 1000)
    note = "2 busy threads on all CPUs"
    yield Row("/cmdline during a window, median", "ms", {"none": [statistics.median(rest)],
              "agent": [statistics.median(window)]}, note=note + "; none: no window")
    yield Row("/cmdline during a window, slowest", "ms", {"none": [max(rest)], "agent": [max(window)]},
              Budget("agent", 50, "<= 50 ms"), f"of {count}")
    yield Row("profile: answer behind the window's end", "ms", {"agent": tails})



def lines_of(name, arguments=()):
    """(what, value, unit, the rest) of each line that a program of figures prints."""
    if not os.path.exists(program(name)):
        raise Skip(f"{name} is not built")
    done = subprocess.run([program(name), *arguments], stdout=subprocess.PIPE, check=True, timeout=120,
                          env=environment("none"))
    for line in done.stdout.decode().splitlines():
        found = re.match(r"(\S.*?) {2,}([0-9.]+) (ns a frame|[A-Za-z]+) *(.*)", line)
        if found:
            yield re.sub(" +", " ", found[1]), float(found[2]), found[3], found[4]


def unwind():
    """Nanoseconds a frame, hot, beside libunwind and glibc; building the tables."""
    figures = list(lines_of("unwind_bench"))
    cached = {what.split()[1]: value for what, value, _, _ in figures if "unw_backtrace" in what}
    for what, value, unit, rest in figures:
        table = re.fullmatch(r"depth (\d+) table", what)
        if table and cached.get(table[1]):
            rest = f"{value / cached[table[1]]:.2f}x unw_backtrace, which is not signal-safe"
        yield Row("unwind, " + what, unit, {"agent": [value]},
                  Budget("agent", 13, "<= 13 ns") if table else None, rest)


def symbols():
    """5000 addresses of large libraries: names, and lines where there is debug information (the JVM,
    with openjdk-17-dbg: 370 MB compressed, which no budget was set for)."""
    budgets = {"cold": Budget("agent", 1000, "<= 1 s"), "warm": Budget("agent", 150, "<= 150 ms"),
               "resident memory added": Budget("agent", 16, "<= 16 MiB")}
    paths = {label: (glob.glob(pattern) or [None])[0] for label, pattern in LARGE_LIBRARIES}
    if not any(paths.values()):
        raise Skip("none of the large libraries is installed")
    for label, path in paths.items():
        rounds = [list(lines_of("symbols_bench", [path, "5000"])) for _ in range(ROUNDS if path else 0)]
        for each in zip(*rounds):
            what, _, unit, rest = each[0]
            yield Row(f"{label}: {what}", unit, {"agent": [value for _, value, _, _ in each]},
                      budgets.get(what) if label != "JVM" else None, rest)


def encode():
    """100 000 distinct stacks with symbols."""
    for what, value, unit, rest in lines_of("encode_bench", [str(ROUNDS)]):
        budget = Budget("agent", 300, "<= 300 ms") if "warm" in what else None
        name = re.sub(r" *\(budget.*?\)", "", what)
        yield Row("100k stacks: " + name, unit, {"agent": [value]}, budget, rest)
