# SPDX-License-Identifier: Apache-2.0
"""A client of profagent-symbolize for tests, which speaks agent/symbolize/protocol.h."""
import array
import os
import select
import socket
import struct
import subprocess
import time

MAGIC = 0x50415331
HELLO, FUNCTION, ADDRESS, DONE = 1, 2, 3, 4


class Gone(Exception):
    """The program has hung up."""


class Symbolizer:
    def __init__(self, program, env=None, options=()):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.process = subprocess.Popen([program, *options], stdin=theirs, env=env or {}, cwd="/",
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        theirs.close()
        self.buffer = b""
        self.next_id = 1
        assert self.reply(10) == (HELLO, 0, b"")

    def take(self, size, deadline):
        while len(self.buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError
            try:
                part = self.socket.recv(1 << 20)
            except ConnectionResetError:
                part = b""
            if not part:
                raise Gone
            self.buffer += part
        result, self.buffer = self.buffer[:size], self.buffer[size:]
        return result

    def reply(self, seconds):
        deadline = time.monotonic() + seconds
        magic, kind, number, size = struct.unpack("4I", self.take(16, deadline))
        assert magic == MAGIC and size % 4 == 0
        return kind, number, self.take(size, deadline)

    def send(self, fd, build_id, path, addresses, magic=MAGIC):
        head = struct.pack("6I", magic, self.next_id, len(addresses), len(build_id), len(path), 0)
        message = head + struct.pack("%dQ" % len(addresses), *addresses) + \
            (build_id + path).encode()
        extra = [] if fd is None else \
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.socket.sendmsg([message[:1]], extra)
        try:
            self.socket.sendall(message[1:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def ask(self, file, addresses, build_id="", path=None, seconds=30):
        """{address: [(name, system_name, file, line, column, start_line)]}, innermost first."""
        fd = None if file is None else os.open(file, os.O_RDONLY)
        addresses = sorted(addresses)
        try:
            self.send(fd, build_id, file or "" if path is None else path, addresses)
        finally:
            if fd is not None:
                os.close(fd)
        functions, answer = [], {}
        while True:
            kind, number, body = self.reply(seconds)
            assert number == self.next_id
            if kind == DONE:
                break
            if kind == FUNCTION:
                start, *lengths = struct.unpack("4I", body[:16])
                texts, at = [], 16
                for length in lengths:
                    texts.append(body[at:at + length].decode(errors="replace"))
                    at += length
                assert (at + 3) // 4 * 4 == len(body) and texts[0]
                functions.append((texts[0], texts[1], texts[2], start))
                continue
            assert kind == ADDRESS
            index, count = struct.unpack("2I", body[:8])
            assert addresses[index] not in answer and count and len(body) == 8 + 12 * count
            lines = struct.iter_unpack("3I", body[8:])
            answer[addresses[index]] = [
                (*functions[f][:3], line, column, functions[f][3]) for f, line, column in lines]
        self.next_id += 1
        return answer

    def memory_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith("Vm")}

    def close(self):
        """The exit status, negative for a signal."""
        self.socket.close()
        return self.process.wait(30)
