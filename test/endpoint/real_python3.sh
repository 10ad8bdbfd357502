#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# CPython: deep recursion of the interpreter, C extensions, threads, exceptions, a forked pool.
. "$(dirname "$0")/../real.sh"
tap_need python3 curl
python=$(python3 -c 'import sys; print(sys.executable)') # not a script that chooses a version

cat >"$tmp/load.py" <<'EOF'
import hashlib, json, math, os, random, re, sys, threading, time, zlib

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

class Item:
    def __init__(self, x):
        self.x = x
    def __lt__(self, other):
        return self.x < other.x

def work(n, out):
    r, s = random.Random(n), 0
    for i in range(n):
        s += fib(12)
        text = json.dumps([{"a": k, "b": str(k) * 5, "c": [1.5 * k, None, True]} for k in range(200)])
        s += len(json.loads(text)) + len(re.findall(r"\d+(?=,)", text))
        s += zlib.crc32(zlib.compress(text.encode()))
        s += hashlib.sha256(text.encode() * 20).digest()[0]
        items = sorted(Item(r.random()) for _ in range(300))
        s += sum(1 for a, b in zip(items, items[1:]) if a.x <= b.x)
        try:
            raise ValueError(i)
        except ValueError as e:
            s += len(str(e)) + len("%.10f %s" % (math.sin(i) * 1e100, 2 ** 1000))
    out.append(s)

sums = set()
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while not sums or time.monotonic() < end:
    out = []
    threads = [threading.Thread(target=work, args=(25, out)) for _ in range(2)]
    for t in threads:
        t.start()
    work(25, out)
    for t in threads:
        t.join()
    pid = os.fork()
    if not pid:
        work(1, out)
        os._exit(out[-1] % 7)
    sums.update(out)
    sums.add(os.waitpid(pid, 0)[1])
print(*sorted(sums))
sys.exit(3)
EOF
ready() {
	grep -q ready "$output"
}

plain=$("$python" "$tmp/load.py" 0)
plain_status=$?
like "$plain" '[0-9]+ [0-9]+$' "the program prints its sums"
for engine in "${engines[@]}"; do
	engine_start "$engine" -- "$python" "$tmp/load.py" 5
	wait_until 10 ready
	ok "$engine: a profile" take "$pid" "$tmp/python" 3
	check_profile "$engine" "$tmp/python" python3 --names='^_?PyEval_' --names='^(PyObject_Vectorcall|PyObject_Call.*)$' \
		--stack='_?PyEval_.*;(Py_RunMain|Py_BytesMain|main);.*_start$'
	wait "$pid"
	is "$?" "$plain_status" "$engine: the same exit status"
	is "$(cat "$output")" "$plain" "$engine: the same output"
done
tap_done
