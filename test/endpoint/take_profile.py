#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches a CPU profile and writes down what the kernel says meanwhile.

    take_profile.py PID URL FILE

FILE gets the body; FILE.cpu lines "REAL_NS CPU_NS": the time, and the CPU time that the process has
used until then, without the agent's own thread, which encodes the profile. Exit status 1 when the
answer is not 200.
"""
import os
import sys
import threading
import time
import urllib.error
import urllib.request

INTERVAL = 0.01
TICK_NS = 1000000000 // os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def agent_tasks(pid):
    try:
        tasks = os.listdir("/proc/%s/task" % pid)
    except OSError:
        return []
    return [t for t in tasks if read("/proc/%s/task/%s/comm" % (pid, t)) == "profagent\n"]


def cpu_ns(pid, agents):
    stat = read("/proc/%s/stat" % pid).rpartition(")")[2].split()
    if not stat:
        return None
    total = (int(stat[11]) + int(stat[12])) * TICK_NS
    for task in agents:
        schedstat = read("/proc/%s/task/%s/schedstat" % (pid, task)).split()
        total -= int(schedstat[0]) if schedstat else 0
    return total


def watch(pid, out, done):
    agents = agent_tasks(pid)
    while not done.is_set():
        used = cpu_ns(pid, agents)
        if used is None:
            return
        out.append((time.time_ns(), used))
        done.wait(INTERVAL)


def main():
    pid, url, path = sys.argv[1:]
    cpu, done = [], threading.Event()
    watcher = threading.Thread(target=watch, args=(pid, cpu, done))
    watcher.start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=60) as answer, open(path, "wb") as f:
            f.write(answer.read())
        status = 0
    except (urllib.error.URLError, OSError) as e:
        print("%s: %s" % (url, e), file=sys.stderr)
        if isinstance(e, urllib.error.HTTPError):
            print(e.read().decode(errors="replace"), file=sys.stderr)
        status = 1
    done.set()
    watcher.join()
    with open(path + ".cpu", "w") as f:
        for at, used in cpu:
            print(at, used, file=f)
    return status


sys.exit(main())
