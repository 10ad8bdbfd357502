# SPDX-License-Identifier: Apache-2.0
"""What a loaded agent costs a program that nobody profiles: start, processes, threads, memory."""
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time

from benchlib import (MODES, PRELOAD, PROGRAMS, QUICK, ROUNDS, Budget, Process, Row, Skip,
                      environment, interleave, need, program, run_cpu, run_json)

WITH_THREAD = ("none", "empty", "thread", "agent")


def _both(name, values, unit, scale, budget):
    """A row for the CPU time, which other programs disturb less, and one for the wall time."""
    for clock in "cpu", "wall":
        row = Row(f"{name}, {clock}", unit, {m: [v[clock + "_ns"] for v in vs] for m, vs in values.items()},
                  budget, scale=scale)
        yield _beside_thread(row)


def _beside_thread(row):
    """`thread`: the empty library with a thread that sleeps, which alone makes libc leave its
    one-thread paths and fork and exec dearer."""
    if row.values.get("thread"):
        row.note = (f"to the empty library with a sleeping thread ({row.number(row.median('thread'))}): "
                    f"{row.ratio(row.ratios('thread'))}")
    return row


def start():
    def measure(mode):
        return run_json([program("process_bench"), "start", "60", PRELOAD[mode]])

    values = interleave(measure, WITH_THREAD, 9 if QUICK else 21)
    yield from _both("start of /bin/true", values, "ms", 1e-6, Budget("added", 0.3, "<= +0.3 ms"))


def fork():
    rounds, count = (ROUNDS, "30") if QUICK else (9, "60")
    for what, mode, budget in (("fork+exec, preloaded again", "exec", Budget("ratio", 1.10, "<= 1.10x")),
                               ("fork+exec, parent only", "exec-bare", Budget("ratio", 1.10, "<= 1.10x")),
                               ("fork+exit", "exit", None)):
        values = interleave(lambda m, mode=mode: run_json([program("process_bench"), mode, count], m),
                            WITH_THREAD, rounds)
        yield from _both(what, values, "us", 1e-3, budget)


def fork_lives():
    """The child outlives the delay (200 ms) after which it gets an agent of its own."""
    values = interleave(lambda m: run_json([program("process_bench"), "live", "8", "300"], m))
    yield Row("fork, child lives 300 ms, cpu", "us", {m: [v["cpu_ns"] for v in vs] for m, vs in values.items()},
              scale=1e-3)


def threads():
    values = interleave(lambda m: run_json([program("thread_bench"), "4000"], m), rounds=9 if QUICK else 21)
    yield from _both("thread create+join", values, "us", 1e-3, Budget("ratio", 1.03, "<= 1.03x"))
    if not QUICK:
        values = {"none": [], "agent": []}
        for _ in range(ROUNDS):
            values["none"].append(run_json([program("thread_bench"), "4000"])["cpu_ns"])
            values["agent"].append(run_json([program("thread_bench"), "4000"], "agent",
                                            PPROF_CPU_ENGINE="perf")["cpu_ns"])
        yield Row("thread create+join, engine perf, cpu", "us", values, scale=1e-3)


def instructions():
    """User instructions of /bin/true, dynamic linking included; exact but for the kernel."""
    valgrind = need("valgrind")
    values = {}
    with tempfile.TemporaryDirectory(prefix="profagent-bench.") as directory:
        for name, argv in (("/bin/true", ["/bin/true"]),
                           ("process_bench, 9 x fork+exec", [program("process_bench"), "exec-bare", "1"])):
            for mode in MODES:
                done = subprocess.run(
                    [valgrind, "--tool=callgrind", f"--callgrind-out-file={directory}/out", *argv],
                    env=environment(mode), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
                found = re.findall(rb"Collected : (\d+)", done.stderr)
                if done.returncode or not found:
                    raise Skip(f"valgrind: {done.stderr.decode(errors='replace')[-100:]}")
                values.setdefault(name, {})[mode] = [int(found[-1]) / 1000]
    for name, counts in values.items():
        yield Row(f"instructions of {name}", "thousand", counts, note="callgrind, user mode")


def _rollup(pid):
    """KiB by name, from /proc/PID/smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+): +(\d+) kB", f.read(), re.M)}


def memory():
    """Added by the agent: resident, and of that its own (Pss counts shared pages in parts)."""
    samples = {"Rss": {}, "Pss": {}, "cpu": {}}

    def measure(mode):
        with Process([program("process_bench"), "idle"], mode) as process:
            process.popen.stdout.readline()
            time.sleep(0.3)
            return {**_rollup(process.pid), "cpu": process.cpu_ns() / 1e6}

    values = interleave(measure)
    for key in samples:
        samples[key] = {m: [v[key] for v in vs] for m, vs in values.items()}
    budget = Budget("added", 2048, "<= +2 MiB")
    yield Row("memory, idle, resident", "KiB", samples["Rss"], budget)
    yield Row("memory, idle, proportional (Pss)", "KiB", samples["Pss"], budget)
    yield Row("life of an idle process, cpu", "ms", samples["cpu"], note="start of agent and server included")
    if not QUICK:
        yield from _memory_of_profile("cpu_shares", [os.path.join(PROGRAMS, "cpu_shares_fp"), "30", "2"])
        yield from _memory_of_profile("python3", [sys.executable, "-c", "while True: sum(range(1000))"])


def _memory_of_profile(name, argv):
    during, after = {"none": [], "agent": []}, {"none": [], "agent": []}
    for _ in range(ROUNDS):
        with Process(argv) as plain, Process(argv, "agent") as process:
            sampler = subprocess.Popen(["sleep", "0.7"])
            connection = _begin_profile(process)
            sampler.wait()
            for values, wait in (during, False), (after, True):
                if wait:
                    connection.getresponse().read()
                    connection.close()
                    time.sleep(0.3)
                values["none"].append(_rollup(plain.pid)["Rss"])
                values["agent"].append(_rollup(process.pid)["Rss"])
    yield Row(f"memory, {name}, during a profile", "KiB", during)
    yield Row(f"memory, {name}, after a profile", "KiB", after)


def _begin_profile(process):
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=30)
    connection.request("GET", "/debug/pprof/profile?seconds=1")
    return connection


CC_SOURCE = """#include <algorithm>
#include <map>
#include <string>
#include <vector>
std::map<std::string, std::vector<int>> m;
int main() { for (auto &x : m) std::sort(x.second.begin(), x.second.end()); return (int)m.size(); }
"""
SQL = """CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO t SELECT i, printf('row %d', i * 7919 % 150000), i / 3.0 FROM n;
CREATE INDEX x ON t(b);
SELECT count(*), sum(length(b)), avg(c) FROM t WHERE b LIKE '%9%';
SELECT substr(b, 1, 6), count(*) FROM t GROUP BY 1 ORDER BY 2 DESC LIMIT 5;
"""
PERL = r"""my (%h, $n); for my $i (1 .. 180000) { my $s = "key " . ($i * 7919 % 50021);
$h{$s} .= chr(65 + $i % 26); $n += () = $s =~ /(\d)/g; } print scalar(keys %h), " $n\n";"""


def _compiler(directory):
    """The C++ compiler proper on a file that is preprocessed already."""
    cxx = need("g++")
    cc1plus = subprocess.run([cxx, "-print-prog-name=cc1plus"], stdout=subprocess.PIPE, check=True)
    source, output = os.path.join(directory, "x.cc"), os.path.join(directory, "x.ii")
    with open(source, "w") as f:
        f.write(CC_SOURCE)
    subprocess.run([cxx, "-E", "-o", output, source], check=True, env=environment("none"))
    return [cc1plus.stdout.decode().strip(), "-quiet", "-fpreprocessed", "-O0", "-o", os.devnull, output], None


def _sqlite(directory):
    path = os.path.join(directory, "x.sql")
    with open(path, "w") as f:
        f.write(SQL)
    return [need("sqlite3"), ":memory:"], path


def one_thread():
    """CPU time of programs that have one thread, as long as no agent is there."""
    budget = Budget("ratio", 1.01, "<= 1.01x")
    cases = (("cc1plus", _compiler, budget),
             ("sqlite3", _sqlite, budget),
             ("perl", lambda _: ([need("perl"), "-e", PERL], None), budget),
             ("getc+malloc loop", lambda _: ([program("one_thread"), "20000000", "/bin/true"], None), None))
    with tempfile.TemporaryDirectory(prefix="profagent-bench.") as directory:
        for name, prepare, limit in cases[2:] if QUICK else cases:
            try:
                argv, stdin = prepare(directory)
            except Skip as e:
                yield f"one thread: {name}: {e}"
                continue
            values = interleave(lambda m, argv=argv, stdin=stdin: run_cpu(argv, m, stdin),
                                WITH_THREAD, ROUNDS if QUICK else 9)
            yield _beside_thread(Row(f"one thread: {name}, cpu", "ms", values, limit, scale=1000))
