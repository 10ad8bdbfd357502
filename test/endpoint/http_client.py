# SPDX-License-Identifier: Apache-2.0
"""Raw HTTP for tests: bytes out, bytes in, and TAP. Nothing here is cleverer than the server."""
import socket
import sys
import time


class Tap:
    """The verbs of tap.sh."""

    def __init__(self):
        self.run = self.failed = 0

    def ok(self, good, name, note=""):
        self.run += 1
        print(f"{'ok' if good else 'not ok'} {self.run} - {name}")
        if not good:
            self.failed += 1
            for line in str(note).splitlines():
                print("# " + line)
        sys.stdout.flush()
        return good

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got  {got!r}\nwant {want!r}")

    def done(self):
        print(f"1..{self.run}")
        sys.exit(1 if self.failed or not self.run else 0)


class Closed(Exception):
    """The other side ended the connection in the middle of something."""


class Response:
    def __init__(self, status, headers, body, line, raw_headers):
        self.status = status
        self.headers = headers  # lower-case name -> value
        self.body = body
        self.line = line
        self.raw_headers = raw_headers

    def __getitem__(self, name):
        return self.headers.get(name.lower())


class Connection:
    def __init__(self, address, rcvbuf=None, timeout=30):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.buffer[:200])
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def rest(self):
        try:
            while True:
                self.more()
        except Closed:
            data, self.buffer = self.buffer, b""
            return data

    def chunks(self):
        body = b""
        while True:
            size = int(self.line().split(";")[0], 16)
            if size == 0:
                break
            body += self.take(size)
            if self.take(2) != b"\r\n":
                raise ValueError("a chunk without its end")
        while self.line():
            pass
        return body

    def response(self, head=False):
        line = self.line()
        headers, raw = {}, []
        while True:
            field = self.line()
            if not field:
                break
            name, value = field.split(":", 1)
            if name.lower() in headers:
                raise ValueError("header twice: " + name)
            headers[name.lower()] = value.strip()
            raw.append(name)
        status = int(line.split(" ")[1])
        if head or status == 100:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self.chunks()
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            body = self.rest()
        return Response(status, headers, body, line, raw)

    def ended(self, seconds=5):
        """Whether the other side closes without another byte."""
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and not self.sock.recv(1)
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False


def request(method, path, headers=(), version="1.1", body=b""):
    lines = [f"{method} {path} HTTP/{version}"]
    if version != "1.0":
        lines.append("Host: localhost")
    lines += list(headers)
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def ask(address, data, head=False):
    with Connection(address) as c:
        c.send(data)
        return c.response(head)


def get(address, path, **more):
    return ask(address, request("GET", path, **more))


def timed(call, *args, **more):
    start = time.monotonic()
    result = call(*args, **more)
    return result, time.monotonic() - start
