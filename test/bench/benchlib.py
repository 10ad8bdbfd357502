# SPDX-License-Identifier: Apache-2.0
"""For the benchmark rows: processes with and without the agent, interleaved rounds, medians,
results beside their budgets."""
import glob
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
BIN = os.path.join(BUILD, "bench")
PROGRAMS = os.path.join(BUILD, "test", "programs")
QUICK = os.environ.get("QUICK", "") not in ("", "0")
ROUNDS = 7

PRELOAD = {
    "none": "",
    "empty": os.path.join(BIN, "empty.so"),
    "thread": os.path.join(BIN, "empty_thread.so"),
    "agent": os.path.join(BUILD, "libprofagent.so"),
}
MODES = ("none", "empty", "agent")


class Skip(Exception):
    """A row that cannot be measured here, and why."""


def program(name):
    return os.path.join(BIN, name)


def need(*commands):
    """The paths of the commands; skips the row when one is missing."""
    paths = []
    for command in commands:
        found = [p for d in os.get_exec_path() for p in [os.path.join(d, command)] if os.access(p, os.X_OK)]
        # Version managers put scripts of theirs, which run more than the program, in front of it.
        found = [p for p in found if "/shims/" not in p]
        if not found:
            raise Skip(f"{command} is not installed")
        paths.append(found[0])
    return paths[0] if len(paths) == 1 else paths


_settings = re.compile(r"^(PPROF_|CPU_PROFILE_|MEM_PROFILE_|BLOCK_PROFILE_|MUTEX_PROFILE_|LD_|MAKE|MFLAGS|APP_)")


def environment(mode, **extra):
    """What a measured program inherits: nothing that depends on the caller."""
    env = {k: v for k, v in os.environ.items() if not _settings.match(k)}
    env["LC_ALL"] = "C"
    if PRELOAD[mode]:
        env["LD_PRELOAD"] = PRELOAD[mode]
    if mode == "agent":
        env["PPROF_PORT"] = "0"
    env.update(extra)
    return env


class Process:
    """A running program; as a context it is killed at the end."""

    def __init__(self, argv, mode="none", wait=True, **extra):
        self.log = tempfile.NamedTemporaryFile(mode="r", prefix="profagent-bench.")
        if mode == "agent":
            extra = {"PPROF_LOG": "info", "PPROF_LOG_FILE": self.log.name, **extra}
        self.popen = subprocess.Popen(argv, env=environment(mode, **extra), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.pid = self.popen.pid
        self.port = self._port() if mode == "agent" and wait else None

    def _port(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with open(self.log.name, errors="replace") as f:
                found = re.findall(r"listening on http://[^ ]*:(\d+)/", f.read())
            if found:
                return int(found[-1])
            if self.popen.poll() is not None:
                break
            time.sleep(0.01)
        with open(self.log.name, errors="replace") as f:
            text = f.read()
        self.kill()
        raise RuntimeError(f"the agent does not listen in {self.popen.args}: {text or 'no log'}")

    def ask(self, line):
        """One line in, one JSON object out."""
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def get(self, path, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"GET {path}: {response.status} {body[:200]!r}")
        return body

    def profile(self, seconds=1):
        return self.get(f"/debug/pprof/profile?seconds={seconds}")

    def cpu_ns(self):
        """CPU time of all its threads: clock_getcpuclockid(3), which Python lacks."""
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def agent_cpu_ns(self):
        """CPU time of the agent's threads that live now."""
        total = 0
        for task in glob.glob(f"/proc/{self.pid}/task/*"):
            try:
                with open(task + "/comm") as f:
                    if f.read().startswith("profagent"):
                        with open(task + "/schedstat") as stat:
                            total += int(stat.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total

    def kill(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        for f in (self.popen.stdin, self.popen.stdout):
            try:
                f.close()
            except BrokenPipeError:
                pass
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def run_json(argv, mode="none", **extra):
    """Runs a program that prints one JSON object."""
    done = subprocess.run(argv, env=environment(mode, **extra), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


def run_cpu(argv, mode="none", stdin=None, **extra):
    """User and system time of a program, in seconds."""
    with open(stdin or os.devnull, "rb") as source:
        popen = subprocess.Popen(argv, env=environment(mode, **extra), stdin=source,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(popen.pid, 0)
    popen.returncode = os.waitstatus_to_exitcode(status)
    if popen.returncode:
        raise RuntimeError(f"{argv[0]} under '{mode}': exit status {popen.returncode}")
    return usage.ru_utime + usage.ru_stime


def interleave(measure, modes=MODES, rounds=ROUNDS):
    """{mode: [a value of each round]}; the order changes from round to round."""
    values = {mode: [] for mode in modes}
    for i in range(rounds):
        for j in range(len(modes)):
            mode = modes[(i + j) % len(modes)]
            values[mode].append(measure(mode))
    return values


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


class Budget:
    """What design.md allows: of "agent", of "added" (agent - none) or of the "ratio" to none."""

    def __init__(self, what, limit, text, at_least=False, resolution=0):
        self.what, self.limit, self.text, self.at_least = what, limit, text, at_least
        self.resolution = resolution  # nearer to the limit than this, nothing is decided

    def verdict(self, low, middle, high):
        met = middle >= self.limit if self.at_least else middle <= self.limit
        sure = not low <= self.limit <= high or low == high
        sure = sure and abs(middle - self.limit) >= self.resolution
        return ("ok" if met else "over") + ("" if sure else "?")


class Row:
    """One line of the table. values: {mode: [one of each round]}."""

    def __init__(self, name, unit, values, budget=None, note="", scale=1.0):
        self.name, self.unit, self.budget, self.note = name, unit, budget, note
        self.values = {m: [v * scale for v in vs] for m, vs in values.items() if vs}

    def median(self, mode):
        return statistics.median(self.values[mode]) if self.values.get(mode) else None

    def ratios(self, base):
        if self.unit.startswith("%") or base not in self.values or "agent" not in self.values:
            return []
        return [a / b for a, b in zip(self.values["agent"], self.values[base]) if b]

    def judged(self):
        if self.budget.what == "ratio":
            return self.ratios("none")
        if self.budget.what == "added":
            return [a - b for a, b in zip(self.values["agent"], self.values["none"])]
        return self.values["agent"]

    def verdict(self):
        return self.budget.verdict(*quartiles(self.judged())) if self.budget else ""

    def json(self):
        result = {"row": self.name, "unit": self.unit, "rounds": max(map(len, self.values.values()))}
        for mode, values in self.values.items():
            result[mode] = [round(q, 6) for q in quartiles(values)]
        for base in ("none", "empty", "thread"):
            if self.ratios(base):
                result["vs_" + base] = [round(q, 6) for q in quartiles(self.ratios(base))]
        if self.budget:
            result.update(budget=self.budget.text, verdict=self.verdict())
        if self.note:
            result["note"] = self.note
        return result

    @staticmethod
    def number(value):
        if value is None:
            return "-"
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    @staticmethod
    def ratio(values):
        if not values:
            return "-"
        low, middle, high = quartiles(values)
        return f"{middle:.3f} ({low:.3f}..{high:.3f})"

    def line(self):
        """Cells of the table."""
        ours = "peer" if "peer" in self.values else "agent"
        agent = self.number(self.median(ours))
        if "none" not in self.values and len(self.values[ours]) > 1:
            low, _, high = quartiles(self.values[ours])
            agent += f" ({self.number(low)}..{self.number(high)})"
        return [self.name, self.unit, self.number(self.median("none")),
                self.number(self.median("empty")), agent, self.ratio(self.ratios("none")),
                self.ratio(self.ratios("empty")), self.budget.text if self.budget else "",
                self.verdict()]
