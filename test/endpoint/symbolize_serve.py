# SPDX-License-Identifier: Apache-2.0
"""symbolize_serve.py PROGRAM FOLDER: see symbolize_serve.sh. Prints TAP."""
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import time

from symbolize_client import Gone, Symbolizer

program, folder = sys.argv[1:3]
count = failed = 0


def ok(good, name):
    global count, failed
    count += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)


def functions_of(path):
    out = subprocess.run(["nm", "-S", "--defined-only", path], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    parts = [line.split() for line in out.splitlines()]
    return [(int(p[0], 16), int(p[1], 16), p[3]) for p in parts if len(p) == 4 and p[2] in "tTwW"]


def addresses_of(path, each):
    return sorted({start + size * k // each for start, size, _ in functions_of(path)
                   for k in range(each)})


def is_alone(pid):
    """Whether nothing but the socket and /dev/null is open. Only root can see: it keeps others of
    the same user out."""
    if os.getuid():
        return True
    links = [os.readlink("/proc/%d/fd/%s" % (pid, n)) for n in os.listdir("/proc/%d/fd" % pid)]
    return sorted(link.split(":")[0] for link in links) == ["/dev/null", "/dev/null", "socket"]


def test_requests(prog):
    addresses = addresses_of(prog, 4)
    s = Symbolizer(program)
    answer = s.ask(prog, addresses)
    ok(len(answer) > len(addresses) * 0.7, "most addresses are known")
    work = next(start for start, _, name in functions_of(prog) if name == "_ZN2ns4workEi")
    frame = answer[work][-1]
    ok(frame[:3] == ("ns::work(int)", "_ZN2ns4workEi", os.path.realpath(folder) + "/prog.cc"),
       "names and path")
    ok(frame[3] == 7 and frame[5] == 6, "line and first line")
    ok(max(map(len, answer.values())) >= 4, "inlined functions")
    ok(s.ask(prog, addresses) == answer, "the same again")
    ok(s.ask(prog, []) == {}, "no addresses")
    ok(s.ask(prog, list(range(work, work + 4096))).get(work) == answer[work], "4096 addresses")
    ok(s.ask(None, addresses) == {}, "no file and no build id")
    ok(s.ask(prog, addresses, build_id="00" * 20) == {}, "a file of another build is not read")
    ok(s.ask("/dev/null", addresses) == {}, "nor is what is no file")
    ok(is_alone(s.process.pid), "nothing stays open")
    with open("/proc/%d/oom_score_adj" % s.process.pid, encoding="ascii") as f:
        ok(int(f.read()) == 1000, "first to go when memory is short")
    limits = [resource.prlimit(s.process.pid, r)[0]
              for r in (resource.RLIMIT_CORE, resource.RLIMIT_DATA)]
    ok(limits == [0, 512 << 20], "limits")
    ok(os.getpriority(os.PRIO_PROCESS, s.process.pid) >= 5, "it is nice")
    ok(s.close() == 0, "ends when the agent hangs up")


def test_replaced(prog):
    """The cache goes by the file, not by its name."""
    path = os.path.join(folder, "replaced")
    s = Symbolizer(program)
    address = addresses_of(prog, 1)
    first = s.ask(prog, address, path=path)
    other = os.path.join(folder, "prog4")
    ok(first and s.ask(other, addresses_of(other, 1), path=path) and
       s.ask(prog, address, path=path) == first, "two files of one name")
    shutil.copy(prog, path)
    ok(s.ask(path, address), "a copy")
    os.truncate(path, 5000)
    ok(s.ask(path, address) is not None, "a file that is truncated while it is open")
    debug = os.path.join(folder, "apart.debug")
    apart, addresses = os.path.join(folder, "apart"), addresses_of(debug, 4)
    some = s.ask(apart, addresses[:1])
    os.truncate(debug, 0)
    rest = s.ask(apart, addresses)
    ok(some and len(rest) < len(addresses) / 2, "a debug file that loses its pages")
    ok(s.ask(prog, address), "and the next file")
    ok(s.close() == 0, "end nothing")


def test_slow(prog):
    s = Symbolizer(program)
    begin = time.monotonic()
    address = {name: start for start, _, name in functions_of(prog)}
    answer = s.ask(prog, [address["quick"], address["slow"]])
    ok(answer[address["quick"]][0][3] == 4, "a unit too large to be read takes nothing from others")
    ok(answer[address["slow"]][0][0] == "slow", "and its functions have names")
    print("# %.1f s" % (time.monotonic() - begin))
    s.close()


def test_many_files(prog):
    s = Symbolizer(program)
    address = addresses_of(prog, 1)
    expected = s.ask(prog, address)
    same = 0
    for i in range(200):
        path = os.path.join(folder, "copy%d" % i)
        shutil.copy(prog, path)
        same += s.ask(path, address) == expected
        os.unlink(path)
    ok(same == 200, "200 files")
    ok(is_alone(s.process.pid), "none of them is open")
    memory = s.memory_kib()
    ok(memory["VmData"] < 128 << 10, "and memory is bounded (%d KiB)" % memory["VmData"])
    s.close()


def test_manners(prog):
    address = addresses_of(prog, 1)
    s = Symbolizer(program)
    s.send(None, "", "", address, magic=1)
    ok(s.process.wait(30) == 1, "another protocol ends it")
    s = Symbolizer(program)
    s.send(None, "", "", address[::-1])
    ok(s.process.wait(30) == 1, "addresses that do not ascend end it")
    s = Symbolizer(program)
    s.socket.send(b"half a request")
    s.socket.shutdown(socket.SHUT_WR)
    ok(s.process.wait(30) == 1, "half a request ends it")
    s = Symbolizer(program, options=["--idle", "1"])
    ok(s.process.wait(30) == 0, "it does not stay when nobody asks")
    s = Symbolizer(program)
    s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    fd = os.open(prog, os.O_RDONLY)
    everything = addresses_of(prog, 40)[:4096]
    s.send(fd, "", prog, everything)
    os.close(fd)
    time.sleep(0.2)
    kinds = [s.reply(30)[0]]
    while kinds[-1] != 4:
        kinds.append(s.reply(30)[0])
    ok(kinds.count(3) > len(everything) / 2, "an agent that takes its time gets the whole answer")
    s.close()


def sections_of(path):
    out = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    pattern = r"\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+[0-9a-f]+\s+([0-9a-f]+)\s+([0-9a-f]+)"
    found = [re.match(pattern, line) for line in out.splitlines()]
    return [(int(m[2], 16), int(m[3], 16)) for m in found
            if m and (m[1].startswith(".debug") or m[1] in (".symtab", ".strtab", ".shstrtab"))]


def damage(rng, image, sections):
    image = bytearray(image)
    headers = int.from_bytes(image[40:48], "little")
    what = rng.randrange(10)
    if what == 0:
        return image[:rng.randrange(len(image))]
    if what == 1:
        for _ in range(rng.randrange(1, 10)):
            image[rng.choice([rng.randrange(64), rng.randrange(headers, len(image))])] = \
                rng.randrange(256)
        return image
    start, size = rng.choice(sections)
    for _ in range(rng.choice([1, 3, 10, 100, 1000])):
        image[start + rng.randrange(size)] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return image


def test_damaged(prog, rounds):
    """An answer or an end, soon, with bounded memory."""
    with open(prog, "rb") as f:
        image = f.read()
    sections, addresses = sections_of(prog), addresses_of(prog, 3)
    s, ends, frames, slowest, peak = None, 0, 0, 0, 0
    for i in range(rounds):
        path = os.path.join(folder, "damaged%d" % i)
        with open(path, "wb") as f:
            f.write(damage(random.Random("%s %d" % (os.path.basename(prog), i)), image, sections))
        s = s or Symbolizer(program)
        start = time.monotonic()
        try:
            frames += sum(map(len, s.ask(path, addresses, seconds=25).values()))
            peak = max(peak, s.memory_kib()["VmPeak"])
        except Gone:
            ends += 1
            s = None
        slowest = max(slowest, time.monotonic() - start)
        os.unlink(path)
    print("# %s: %d damaged files, %d ended it, %d frames, slowest %.2f s, at most %d KiB" %
          (os.path.basename(prog), rounds, ends, frames, slowest, peak))
    ok(slowest < 22, "each answer or end comes within the limit")
    ok(peak < 700 << 10, "memory is bounded")
    ok(frames > 0, "some of it can be read")
    ok(ends <= rounds / 50, "it seldom ends")
    if s:
        s.close()


prog = os.path.join(folder, "prog5")
test_requests(prog)
test_replaced(prog)
test_many_files(prog)
test_manners(prog)
test_slow(os.path.join(folder, "slow"))
test_damaged(prog, 300)
test_damaged(os.path.join(folder, "prog4"), 300)
print("1..%d" % count)
sys.exit(failed > 0)
