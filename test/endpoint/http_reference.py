# SPDX-License-Identifier: Apache-2.0
"""http_reference.py OURS GO: the same bytes to the agent and to Go's net/http/pprof; the answers must
agree in status, headers, framing, body and what becomes of the connection."""
import re
import sys

from http_client import Closed, Connection, Tap

OURS, GO = (("127.0.0.1", int(p)) for p in sys.argv[1:3])
BASE = b"/debug/pprof"
HOST = b"Host: localhost\r\n"
tap = Tap()

# Path and query of GET and HEAD; bodies of the second list differ by nature.
SAME_BODY = [
    b"/", b"/x", b"/debug", b"/debug/", b"/debug/pprofs", BASE + b"/unknown", BASE + b"/unknown?seconds=x",
    BASE + b"/unknown?debug=1", BASE + b"/cmdline/", BASE + b"/cmdline/x", BASE + b"/symbol/",
    BASE + b"/<script>scripty<script>", BASE + b"/heap/", BASE + b"/heap/foo", BASE + b"/%2Fcmdline",
    BASE + b"/%2e%2e/x", BASE + b"/%20", BASE + b"/a%25b", b"/debug%2Fpprof/", b"/debug/pprof%2F",
    BASE + b"/symbol", BASE + b"/symbol?", BASE + b"/symbol?0x1", BASE + b"/symbol?0x1+0x2",
    BASE + b"/symbol?0x1,0x2", BASE + b"/symbol?zz&q=%zz", BASE + b"/symbol?" + b"1" * 4095,
    BASE + b"/symbol?" + b"1" * 4096, BASE + b"/symbol?" + b"1" * 4097 + b"+0x1", BASE + b"/symbol?0x",
    BASE, BASE + b"?", BASE + b"?a=b&c", b"//", b"//debug/pprof/", b"/debug//pprof/cmdline?x=y",
    b"/debug/./pprof/", BASE + b"/../x", BASE + b"/a/../symbol?0x1", b"/../../etc/", b"/a/b/../", b"/a/.",
    b"//a//?q",
]
OTHER_BODY = [
    BASE + b"/", BASE + b"/?debug=1", BASE + b"/?a;b", BASE + b"/cmdline", BASE + b"/cmdline?debug=1", BASE + b"/cmdl%69ne",
    b"/%64ebug/pprof/cmdline", BASE + b"/profile?seconds=1", BASE + b"/profile?seconds=1&debug=1",
]
RAW = [
    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("bad host", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("one word", b"GET\r\n\r\n"),
    ("two words", b"GET /\r\n\r\n"),
    ("empty line first", b"\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("bad method", b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("version", b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    ("version text", b"GET / http/1.1\r\nHost: localhost\r\n\r\n"),
    ("version length", b"GET / HTTP/1.10\r\nHost: localhost\r\n\r\n"),
    ("later version", b"GET / HTTP/1.5\r\nHost: localhost\r\n\r\n"),
    ("relative", b"GET x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("star", b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("options star", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("bad escape", b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("half escape", b"GET /%4 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("control in target", b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("header without colon", b"GET / HTTP/1.1\r\nHost: localhost\r\nA\r\n\r\n"),
    ("space before colon", b"GET / HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n"),
    ("first line folded", b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    ("NUL in header", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n"),
    ("CR in header", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n"),
    ("bytes above ASCII", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \xc3\xa9\r\n\r\n"),
    ("bare LF", b"GET /debug/pprof/x HTTP/1.1\nHost: localhost\n\n"),
    ("absolute", b"GET http://localhost/debug/pprof/x HTTP/1.1\r\nHost: other\r\n\r\n"),
    ("length not a number", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"),
    ("length with plus", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n"),
    ("length empty", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length:\r\n\r\n"),
    ("lengths differ", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    ("lengths agree", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    ("encoding", b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("encodings", b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    ("chunked", b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ("expectation", b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx"),
    ("expect, not wanted", b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
    ("GET with a body", b"GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
    ("POST outside", b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
    ("1.0", b"GET /x HTTP/1.0\r\n\r\n"),
    ("1.0 keep-alive", b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ("1.0 HEAD keep-alive", b"HEAD /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ("close", b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ("close among others", b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: a, Close\r\n\r\n"),
    ("HEAD of a redirect", b"HEAD /debug/pprof HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("1.0 redirect", b"GET /debug/pprof HTTP/1.0\r\n\r\n"),
    ("POST of a redirect", b"POST //x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
]
METHODS = [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"X"]
COMPARED = ["Content-Type", "Content-Disposition", "X-Content-Type-Options", "X-Go-Pprof", "Location",
            "Connection", "Allow", "Content-Encoding", "Server"]


# Refusals whose wording is ours; status and end of the connection must agree.
OWN_WORDS = {"star", "space before colon", "encoding", "encodings", "expectation"}


def answer(address, data, same_body, own_words=False):
    """What can be compared of an answer, as a list of lines."""
    with Connection(address, timeout=10) as c:
        c.send(data)
        try:
            r = c.response(head=data.startswith(b"HEAD"))
        except Closed:
            return ["closed without an answer"]
        # Go 1.26 redirects with 307 what other versions redirect with 301.
        line = re.sub(" 307 Temporary Redirect", " 301 Moved Permanently", r.line)
        if own_words:
            return [str(r.status), goes_on(c)]
        got = [line] + [f"{name}: {r[name]}" for name in COMPARED if r[name] is not None]
        body = r.body.replace(b"Temporary Redirect", b"Moved Permanently")
        refused = r.line.split(" ")[1] in ("400", "505", "431")
        if not refused:  # Go writes these without Date and length
            got.append("Date: " + str(bool(r["Date"])))
            if same_body:
                sized = re.sub("^" + str(len(r.body)) + "$", "the body's", str(r["Content-Length"]))
                got.append(f"length: {sized}, encoding: {r['Transfer-Encoding']}")
        if same_body:
            got.append(repr(body[:300]))
        return got + [goes_on(c)]


def goes_on(connection):
    try:
        connection.send(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return f"then goes on: {connection.response().status}"
    except (Closed, OSError):
        return "then closes"


def compare(name, data, same_body=True):
    ours, go = (answer(address, data, same_body, name in OWN_WORDS) for address in (OURS, GO))
    tap.ok(ours == go, name, "".join(f"{'  ' if a == b else '! '}{a}   | Go: {b}\n"
                                     for a, b in zip(ours + [""] * 9, go + [""] * 9) if a or b))


for path in SAME_BODY:
    for method in (b"GET", b"HEAD"):
        compare(f"{method.decode()} {path[:60].decode()}", method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
for path in OTHER_BODY:
    for method in (b"GET", b"HEAD"):
        compare(f"{method.decode()} {path.decode()}", method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n", False)
for name, data in RAW:
    compare(name, data)
for method in METHODS:
    for path in (b"/", BASE, BASE + b"/", BASE + b"/cmdline", BASE + b"/unknown", b"/a/../b"):
        compare(f"{method.decode()} {path.decode()}", method + b" " + path + b" HTTP/1.1\r\n" + HOST +
                b"Content-Length: 7\r\n\r\ndebug=1")
tap.done()
