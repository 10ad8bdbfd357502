# SPDX-License-Identifier: Apache-2.0
"""http_conformance.py PORT MARKER PROGRAM: the table of requests and answers. PROGRAM runs with the
arguments "an argument" and "", and has the function http_host_marker at address MARKER."""
import gzip
import re
import socket
import sys
import threading
import time

from http_client import Closed, Connection, Tap, ask, get, request, timed

PORT, MARKER, PROGRAM = int(sys.argv[1]), int(sys.argv[2], 16), sys.argv[3]
ADDRESS = ("127.0.0.1", PORT)
BASE = "/debug/pprof"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
OCTETS = "application/octet-stream"
tap = Tap()

NOT_FOUND = b"404 page not found\n"
UNKNOWN = b"Unknown profile\n"
# path, status, type, disposition, body (None: not compared), X-Go-Pprof
TABLE = [
    (BASE + "/", 200, HTML, None, None, None),
    (BASE + "/?debug=1", 200, HTML, None, None, None),
    (BASE + "/cmdline", 200, TEXT, None, None, None),
    (BASE + "/cmdl%69ne", 200, TEXT, None, None, None),
    ("/%64ebug/pprof/cmdline", 200, TEXT, None, None, None),
    (BASE + "/symbol", 200, TEXT, None, b"num_symbols: 1\n", None),
    (BASE + "/profile?seconds=1", 200, OCTETS, 'attachment; filename="profile"', None, None),
    (BASE + "/profile?seconds=1&debug=1", 200, OCTETS, 'attachment; filename="profile"', None, None),
    (BASE + "/<script>scripty<script>", 404, TEXT, None, UNKNOWN, "1"),
    (BASE + "/unknown", 404, TEXT, None, UNKNOWN, "1"),
    (BASE + "/unknown?seconds=x", 404, TEXT, None, UNKNOWN, "1"),
    (BASE + "/cmdline/", 404, TEXT, None, UNKNOWN, "1"),
    (BASE + "/profile/x", 404, TEXT, None, UNKNOWN, "1"),
    (BASE + "/%2Fcmdline", 404, TEXT, None, UNKNOWN, "1"),
    ("/", 404, TEXT, None, NOT_FOUND, None),
    ("/debug", 404, TEXT, None, NOT_FOUND, None),
    ("/debug/pprofs", 404, TEXT, None, NOT_FOUND, None),
    ("/debug%2fpprof/", 404, TEXT, None, NOT_FOUND, None),
    (BASE + "/profile?seconds=61", 400, TEXT, None, None, "1"),
]


def check_headers(r, where):
    tap.ok(r["Date"] and re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", r["Date"]),
        f"{where}: Date", r["Date"])
    tap.equal(r["Server"], None, f"{where}: no Server header")
    tap.equal(r["Content-Encoding"], None, f"{where}: no Content-Encoding")
    small = len(r.body) <= 2048
    tap.ok((r["Content-Length"] == str(len(r.body))) if small else r["Transfer-Encoding"] == "chunked",
           f"{where}: framing", r.headers)


def check_table():
    for path, status, kind, disposition, body, pprof in TABLE:
        r = get(ADDRESS, path, headers=["Accept-Encoding: gzip"])
        tap.equal((r.status, r["Content-Type"], r["X-Content-Type-Options"], r["Content-Disposition"],
                   r["X-Go-Pprof"]), (status, kind, "nosniff", disposition, pprof), path)
        if body is not None:
            tap.equal(r.body, body, f"{path}: body")
        check_headers(r, path)


def check_redirects():
    for path, location in [
            (BASE, BASE + "/"),
            (BASE + "?seconds=5&x", BASE + "/?seconds=5&x"),
            ("/debug//pprof/", BASE + "/"),
            ("//debug/pprof/cmdline?a=b", BASE + "/cmdline?a=b"),
            (BASE + "/x/../cmdline", BASE + "/cmdline"),
            (BASE + "/./cmdline", BASE + "/cmdline"),
            (BASE + "/../../..//etc", "/etc"),
            ("//evil.example/..//x", "/x"),
            ("//evil.example", "/evil.example")]:
        r = get(ADDRESS, path)
        tap.equal((r.status, r["Location"], r["Content-Type"], r["X-Content-Type-Options"]),
                  (301, location, HTML, None), f"{path} is elsewhere")
        tap.equal(r.body, b'<a href="%s">Moved Permanently</a>.\n\n' %
                  location.replace("&", "&amp;").encode(), f"{path}: body")
    r = ask(ADDRESS, request("HEAD", BASE), head=True)
    tap.equal((r.status, r["Location"]), (301, BASE + "/"), "HEAD of a redirect")


def check_methods():
    for method, path, allow in [("POST", "/", "GET, HEAD"), ("PUT", "/cmdline", "GET, HEAD"),
                                ("DELETE", "/profile", "GET, HEAD"), ("OPTIONS", "/x", "GET, HEAD"),
                                ("PATCH", "/symbol", "GET, HEAD, POST"), ("POST", "", "GET, HEAD")]:
        r = ask(ADDRESS, request(method, BASE + path, body=b"debug=1"))
        tap.equal((r.status, r["Allow"], r["Content-Type"], r["X-Content-Type-Options"], r["X-Go-Pprof"],
                   r.body), (405, allow, TEXT, "nosniff", None, b"Method Not Allowed\n"),
                  f"{method} {path}")
    r = ask(ADDRESS, request("POST", "/elsewhere"))
    tap.equal((r.status, r.body), (404, NOT_FOUND), "POST outside")
    r = ask(ADDRESS, request("OPTIONS", "*"))
    tap.equal((r.status, r.body), (200, b""), "OPTIONS *")
    r, took = timed(ask, ADDRESS, request("HEAD", BASE + "/profile?seconds=1"), head=True)
    tap.equal((r.status, r["Content-Type"], r["Content-Disposition"]),
              (200, OCTETS, 'attachment; filename="profile"'), "HEAD of a profile")
    tap.ok(took >= 0.9, "... takes its second", took)
    with Connection(ADDRESS) as c:
        c.send(request("HEAD", BASE + "/cmdline") + request("GET", BASE + "/cmdline"))
        head, full = c.response(head=True), c.response()
        tap.equal(head["Content-Length"], str(len(full.body)), "HEAD names the length and sends nothing")


def profile(query, seconds):
    """Asks for a profile as soon as the one before is over. None: no answer within `seconds`."""
    until = time.monotonic() + 2
    while True:
        with Connection(ADDRESS, timeout=seconds) as c:
            c.send(request("GET", BASE + "/profile" + query))
            try:
                r = c.response()
            except socket.timeout:
                return None
        if r.status != 500 or time.monotonic() > until:
            return r
        time.sleep(0.01)


def check_parameters():
    """contract 1.4: what cannot be read is the default of 30 s, so the client leaves early."""
    for query in ["?seconds=", "?seconds=-1", "?seconds=0.5", "?seconds=+1", "?seconds=1;x=y",
                  "?seconds=30&seconds=1"]:
        r = profile(query, 1.2)
        tap.ok(r is None, f"profile{query} is not over after a second", r and r.line)
    for query in ["?seconds=1&seconds=30", "?x=%zz&%73econds=%2B1&debug=9"]:
        r, took = timed(profile, query, 10)
        tap.ok(r and r.status == 200 and 0.9 < took < 5, f"profile{query} takes a second", (r and r.line, took))


def check_life_cycle():
    with Connection(ADDRESS) as c:
        c.send(request("GET", BASE + "/profile?seconds=2"))
        time.sleep(0.3)
        r, took = timed(get, ADDRESS, BASE + "/profile?seconds=1")
        tap.equal((r.status, r.body, r["X-Go-Pprof"], r["Content-Disposition"], r["Content-Type"]),
                  (500, b"Could not enable CPU profiling: cpu profiling already in use\n", "1", None, TEXT),
                  "one CPU profile at a time")
        tap.ok(took < 0.2, "... and the second does not wait", took)
        worst = max(timed(get, ADDRESS, BASE + "/cmdline")[1] for _ in range(20))
        tap.ok(worst < 0.05, "others are answered within 50 ms while a window runs", worst)
        r = c.response()
        tap.ok(r.status == 200 and gzip.decompress(r.body), "the first one is not disturbed")
    c = Connection(ADDRESS)
    c.send(request("GET", BASE + "/profile?seconds=30"))
    time.sleep(0.4)
    c.sock.close()
    time.sleep(0.3)
    r = get(ADDRESS, BASE + "/profile?seconds=1")
    tap.equal(r.status, 200, "a client that leaves frees the profiler")


def check_cmdline():
    r = get(ADDRESS, BASE + "/cmdline")
    tap.equal(r.body, PROGRAM.encode() + b"\0an argument\0", "arguments joined by NUL, the last one empty")


def check_symbol():
    name = b"http_host_marker"
    line = b"0x%x %s\n" % (MARKER, name)
    first = b"num_symbols: 1\n"
    for words, want in [("0x%x" % MARKER, line),
                        ("0X%X" % MARKER, line),
                        ("%d" % MARKER, line),
                        ("0%o" % MARKER, line),
                        ("0o%o" % MARKER, line),
                        ("0b" + format(MARKER, "b"), line),
                        ("0x%x" % (MARKER + 1), b"0x%x %s\n" % (MARKER + 1, name)),
                        ("0x_%x" % MARKER, line),
                        ("0x%x+0x%x" % (MARKER, MARKER), line + line),
                        ("+0x1++0x%x+zz+" % MARKER, line),
                        ("0x%x,0x%x" % (MARKER, MARKER), b""),
                        ("0x%x%%2B0x%x" % (MARKER, MARKER), b""),
                        (" 0x%x" % MARKER, b""),
                        ("0x%xg" % MARKER, b""),
                        ("0x%x_" % MARKER, b""),
                        ("%x" % MARKER, b"" if re.search("[a-f]", "%x" % MARKER) else None),
                        ("0x10000000000000000", b""),
                        ("0x1+0x2+0", b"")]:
        if want is None:
            continue
        r = ask(ADDRESS, request("POST", BASE + "/symbol", body=words.encode() or b"+"))
        tap.equal((r.status, r["Content-Type"], r.body), (200, TEXT, first + want), f"symbol POST {words}")
        if " " not in words:
            r = get(ADDRESS, BASE + "/symbol?" + words)
            tap.equal(r.body, first + want, f"symbol GET {words}")
    full = b"reading request: bufio: buffer full\n"
    address = b"0x%x" % MARKER
    for size, want in [(4095, line), (4096, line + full), (4097, None)]:
        long_word = b"0x" + (b"%x" % MARKER).rjust(size - 2, b"0")
        r = ask(ADDRESS, request("POST", BASE + "/symbol", body=long_word + b"+" + address))
        if want is None:
            tap.ok(r.body.endswith(full) and line not in r.body[len(first):], f"a word of {size} bytes", r.body)
        else:
            tap.equal(r.body, first + want + (line if size < 4096 else b""), f"a word of {size} bytes")
    body = b"+".join([b"0x%x" % (MARKER + i % 4) for i in range(100000)])
    r, took = timed(ask, ADDRESS, request("POST", BASE + "/symbol", body=body))
    tap.equal(r.body.count(b"\n"), 100001, "100000 addresses")
    tap.ok(took < 2, "... within two seconds", took)
    print(f"# 100000 addresses took {took * 1000:.0f} ms")
    body = b"0x1+" * (2 << 20)
    r, took = timed(ask, ADDRESS, request("POST", BASE + "/symbol", body=body))
    tap.equal((r.status, r.body), (200, first), "8 MiB of addresses")
    print(f"# 8 MiB took {took * 1000:.0f} ms")
    r = ask(ADDRESS, request("POST", BASE + "/symbol", ["Content-Length: 8388609"]))
    tap.equal(r.status, 413, "more than 8 MiB")


def check_index():
    r = get(ADDRESS, BASE + "/")
    page = r.body.decode()
    rows = re.findall(r"<tr><td>(\d+)</td><td><a href='([^']*)'>([^<]*)</a></td></tr>\n", page)
    names = [name for _, _, name in rows]
    tap.ok("Types of profiles available:" in page, "index: the text that tests look for")
    tap.ok("<title>/debug/pprof/</title>" in page and "<thead><td>Count</td><td>Profile</td></thead>" in page,
           "index: structure")
    tap.ok({"cmdline", "profile", "symbol"} <= set(names), "index: rows", names)
    tap.equal(names, sorted(names), "index: rows sorted by name")
    tap.ok(all(href == name + "?debug=1" for _, href, name in rows), "index: links", rows)
    described = dict(re.findall(r"<li><div class=profile-name>([^:]*): </div> ([^\n]+)</li>\n", page))
    tap.equal(sorted(described), names, "index: every row has a description")
    for _, href, name in rows:
        if name != "profile":
            r = get(ADDRESS, BASE + "/" + href)
            tap.equal(r.status, 200, f"index: the link to {name} works")


def check_versions():
    for version, keep, path in [("1.0", False, "/cmdline"), ("1.0", False, "/symbol?" + symbols(200)),
                                ("1.1", True, "/cmdline"), ("1.1", True, "/symbol?" + symbols(200))]:
        with Connection(ADDRESS) as c:
            c.send(request("GET", BASE + path, version=version))
            r = c.response()
            tap.ok(r.line.startswith(f"HTTP/{version} 200"), f"{version}: status line", r.line)
            large = path.startswith("/symbol")
            tap.equal((r["Transfer-Encoding"], bool(r["Content-Length"])),
                      ("chunked" if large and version == "1.1" else None, not large),
                      f"{version}: framing of a {'large' if large else 'small'} body")
            if keep:
                c.send(request("GET", BASE + "/cmdline"))
                tap.equal(c.response().status, 200, f"{version}: the connection goes on")
            else:
                tap.ok(c.ended(), f"{version}: the connection ends")
    with Connection(ADDRESS) as c:
        c.send(request("GET", BASE + "/cmdline") * 50)
        got = [c.response().status for _ in range(50)]
        tap.equal(got, [200] * 50, "50 pipelined requests")


def symbols(n):
    return "+".join(["0x%x" % MARKER] * n)


def check_malformed():
    for data, status, body in [
            (b"GET / HTTP/1.1\r\n\r\n", 400, b"400 Bad Request: missing required Host header"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, b"400 Bad Request"),
            (b"\x00\x01\x02\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \x00\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET relative HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, b"400 Bad Request"),
            (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505,
             b"505 HTTP Version Not Supported: unsupported protocol version"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501, None),
            (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
             400, b"400 Bad Request"),
            (b"GET /" + b"a" * 20000, 414, None),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 20000, 431,
             b"431 Request Header Fields Too Large"),
            (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, None)]:
        with Connection(ADDRESS) as c:
            c.send(data)
            r = c.response()
            tap.equal((r.status, r["Content-Type"]), (status, TEXT), f"{data[:60]!r}")
            if body is not None:
                tap.equal(r.body, body, "... body")
            if status != 403:
                tap.ok(r["Connection"] == "close" and c.ended(), "... and the connection ends")
    r = ask(ADDRESS, b"GET /debug/pprof/cmdline HTTP/1.1\nHost: localhost\n\n")
    tap.equal(r.status, 200, "bare LF, as Go accepts it")
    r = ask(ADDRESS, b"GET http://localhost/debug/pprof/cmdline HTTP/1.1\r\nHost: ignored\r\n\r\n")
    tap.equal(r.status, 200, "absolute form")


class Attack(threading.Thread):
    """Runs act() until told to stop."""

    def __init__(self, act):
        super().__init__(daemon=True)
        self.act, self.over = act, threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                self.act()
            except (OSError, Closed, ValueError):
                pass

    def end(self):
        self.over.set()
        self.join()


def latency(n=20):
    took = []
    for _ in range(n):
        r, t = timed(get, ADDRESS, BASE + "/cmdline")
        took.append(t if r.status == 200 else 99)
    return sorted(took)[-2]  # one of them may have met another process on the CPU


class Drip(threading.Thread):
    """A head that comes byte by byte and never ends; runs beside the other checks."""

    def __init__(self):
        super().__init__(daemon=True)
        self.line, self.took = None, 0
        self.start()

    def run(self):
        start = time.monotonic()
        with Connection(ADDRESS, timeout=0.2) as c:
            c.send(b"GET / HTTP/1.1\r\n")
            while time.monotonic() - start < 15 and not self.line:
                try:
                    c.send(b"X")
                    self.line = c.response().line
                except socket.timeout:
                    pass
                except (OSError, Closed, ValueError) as e:
                    self.line = repr(e)
        self.took = time.monotonic() - start

    def check(self):
        self.join()
        tap.ok(self.line and " 408 " in self.line and 9 < self.took < 12,
               "a head that drips is cut after 10 s", (self.line, self.took))


def check_hostile():
    garbage = [b"\r\n" * 100, b"GET", b"\xff" * 5000, b"GET / HTTP/1.1\r\nHost: localhost\r\nA\r\n\r\n",
               b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n"]

    def malformed():
        for data in garbage:
            with Connection(ADDRESS, timeout=1) as c:
                c.send(data)
                c.sock.shutdown(socket.SHUT_WR)
                c.rest()

    attackers = [Attack(malformed) for _ in range(2)]
    worst = latency()
    for a in attackers:
        a.end()
    tap.ok(worst < 0.1, "a flood of malformed requests holds nobody up", worst)

    idle = [Connection(ADDRESS) for _ in range(500)]
    worst = latency()
    tap.ok(worst < 0.05, "500 idle connections hold nobody up", worst)
    for c in idle:
        c.sock.close()

    slow = [Connection(ADDRESS, rcvbuf=4096) for _ in range(8)]
    body = symbols(100000).encode()
    for c in slow:
        c.send(request("POST", BASE + "/symbol", body=body))
    time.sleep(0.3)
    worst = latency()
    tap.ok(worst < 0.05, "eight readers that do not read hold nobody up", worst)
    for c in slow:
        c.sock.close()

    tap.ok(latency() < 0.05, "the server is well after all that")


drip = Drip()
check_table()
check_redirects()
check_methods()
check_cmdline()
check_symbol()
check_index()
check_versions()
check_malformed()
check_life_cycle()
check_parameters()
drip.check()
check_hostile()
tap.done()
