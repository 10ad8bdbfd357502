#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a pprof file without any pprof or protobuf library, checks it and prints it.

    pprof_decode.py [OPTION...] [FILE]      "-" or nothing: standard input

Without an option, the whole profile as one JSON object:

    sample_types, period_type   [{"type", "unit"}], {"type", "unit"}
    period, time_nanos, duration_nanos, default_sample_type, comments
    totals                      {type: sum over all samples}
    mappings                    [{"id", "start", "limit", "offset", "file", "build_id",
                                  "has_functions", "has_filenames", "has_line_numbers",
                                  "has_inline_frames"}]
    samples                     [{"values": {type: n}, "labels": {key: [value]},
                                  "stack": [frame, leaf first]}]
    frame                       {"address", "mapping": file or null, "name", "system_name",
                                 "file", "line", "inlined": [names of inlined functions]}

    --top       instead: lines "FLAT TAB CUM TAB NAME", largest first
    --traces    instead: lines "VALUE TAB leaf;caller;...;root"
    --type=TYPE for these: the sample type; without it the one that pprof would show
    --check     instead: nothing
    --foreign   not written by our agent: only the rules that every reader enforces
    --header    also insists on Go's gzip header (fastest level)

Exit status: 0 fine, 1 the profile breaks a rule (said on stderr), 2 wrong usage.
"""
import argparse
import collections
import json
import os
import sys
import zlib

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GO_HEADER = bytes.fromhex("1f8b080000000000" "04ff")


class Bad(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Bad(text)


# --- wire format -----------------------------------------------------------------------------

def varint(data, pos, end):
    value = shift = 0
    while True:
        need(pos < end, "varint cut off")
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            need(value < 1 << 64, "varint of more than 64 bits")
            return value, pos
        shift += 7
        need(shift < 70, "varint of more than 10 bytes")


def fields(data, pos, end, what):
    """Yields (number, wire type, value or (start, end))."""
    while pos < end:
        tag, pos = varint(data, pos, end)
        number, wire = tag >> 3, tag & 7
        need(number > 0, "field number 0 in " + what)
        if wire == VARINT:
            value, pos = varint(data, pos, end)
            yield number, wire, value
        elif wire == BYTES:
            size, pos = varint(data, pos, end)
            need(size <= end - pos, "field %d of %s is longer than its message" % (number, what))
            yield number, wire, (pos, pos + size)
            pos += size
        else:
            raise Bad("wire type %d in %s" % (wire, what))


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


class Message:
    """One message: scalars and sub-messages by name, as its class says."""

    FIELDS = {}  # number: (name, kind); kinds: uint int bool string [uint] [int] [Message] Message

    def __init__(self, data, start, end):
        for name, kind in self.FIELDS.values():
            if isinstance(kind, list):
                setattr(self, name, [])
            elif isinstance(kind, type):
                setattr(self, name, None)
            else:
                setattr(self, name, False if kind == "bool" else 0)
        what = type(self).__name__
        for number, wire, value in fields(data, start, end, what):
            need(number in self.FIELDS, "unknown field %d in %s" % (number, what))
            name, kind = self.FIELDS[number]
            if isinstance(kind, list):
                self.repeated(data, getattr(self, name), kind[0], wire, value, what + "." + name)
            elif isinstance(kind, type):
                need(wire == BYTES, "%s.%s is no message" % (what, name))
                setattr(self, name, kind(data, *value))
            else:
                need(wire == VARINT, "%s.%s is no number" % (what, name))
                setattr(self, name, scalar(kind, value, what + "." + name))

    @staticmethod
    def repeated(data, out, kind, wire, value, what):
        if kind in ("uint", "int"):
            if wire == VARINT:
                out.append(scalar(kind, value, what))
                return
            need(wire == BYTES, what + " is no number")
            pos, end = value
            while pos < end:
                number, pos = varint(data, pos, end)
                out.append(scalar(kind, number, what))
            return
        need(wire == BYTES, what + " is no message")
        if kind == "string":
            try:
                out.append(data[value[0]:value[1]].decode("utf-8"))
            except UnicodeDecodeError:
                raise Bad("a string is not UTF-8: %r" % data[value[0]:value[1]]) from None
        else:
            out.append(kind(data, *value))


def scalar(kind, value, what):
    if kind == "bool":
        need(value <= 1, what + " is neither true nor false")
        return bool(value)
    return signed(value) if kind == "int" else value


class ValueType(Message):
    FIELDS = {1: ("type", "int"), 2: ("unit", "int")}


class Label(Message):
    FIELDS = {1: ("key", "int"), 2: ("str", "int"), 3: ("num", "int"), 4: ("num_unit", "int")}


class Sample(Message):
    FIELDS = {1: ("location_id", ["uint"]), 2: ("value", ["int"]), 3: ("label", [Label])}


class Mapping(Message):
    FIELDS = {1: ("id", "uint"), 2: ("memory_start", "uint"), 3: ("memory_limit", "uint"),
              4: ("file_offset", "uint"), 5: ("filename", "int"), 6: ("build_id", "int"),
              7: ("has_functions", "bool"), 8: ("has_filenames", "bool"),
              9: ("has_line_numbers", "bool"), 10: ("has_inline_frames", "bool")}


class Line(Message):
    FIELDS = {1: ("function_id", "uint"), 2: ("line", "int"), 3: ("column", "int")}


class Location(Message):
    FIELDS = {1: ("id", "uint"), 2: ("mapping_id", "uint"), 3: ("address", "uint"),
              4: ("line", [Line]), 5: ("is_folded", "bool")}


class Function(Message):
    FIELDS = {1: ("id", "uint"), 2: ("name", "int"), 3: ("system_name", "int"),
              4: ("filename", "int"), 5: ("start_line", "int")}


class Profile(Message):
    FIELDS = {1: ("sample_type", [ValueType]), 2: ("sample", [Sample]), 3: ("mapping", [Mapping]),
              4: ("location", [Location]), 5: ("function", [Function]),
              6: ("string_table", ["string"]), 7: ("drop_frames", "int"),
              8: ("keep_frames", "int"), 9: ("time_nanos", "int"), 10: ("duration_nanos", "int"),
              11: ("period_type", ValueType), 12: ("period", "int"), 13: ("comment", ["int"]),
              14: ("default_sample_type", "int"), 15: ("doc_url", "int")}


# --- rules -----------------------------------------------------------------------------------

def by_id(items, what):
    table = {}
    for item in items:
        need(item.id != 0, what + " with id 0")
        need(item.id not in table, "%s id %d twice" % (what, item.id))
        table[item.id] = item
    return table


def check_string_indexes(p):
    """string_table[0] is "" and every index is one of its numbers."""
    count = len(p.string_table)
    need(count > 0 and p.string_table[0] == "", "string_table[0] is not empty")

    def check(index, what):
        need(0 <= index < count, "%s: no string %d" % (what, index))

    for t in p.sample_type + ([p.period_type] if p.period_type else []):
        check(t.type, "value type")
        check(t.unit, "value unit")
    for s in p.sample:
        for l in s.label:
            for index in (l.key, l.str, l.num_unit):
                check(index, "label")
    for m in p.mapping:
        check(m.filename, "mapping file name")
        check(m.build_id, "mapping build id")
    for f in p.function:
        for index in (f.name, f.system_name, f.filename):
            check(index, "function")
    for index in p.comment:
        check(index, "comment")
    for name in ("drop_frames", "keep_frames", "default_sample_type", "doc_url"):
        check(getattr(p, name), name)


def check(p):
    """What readers enforce (google/pprof's CheckValid, Go's internal/profile)."""
    check_string_indexes(p)
    need(p.sample_type, "no sample type")
    mappings, functions = by_id(p.mapping, "mapping"), by_id(p.function, "function")
    locations = by_id(p.location, "location")
    for s in p.sample:
        need(len(s.value) == len(p.sample_type),
             "a sample has %d values for %d types" % (len(s.value), len(p.sample_type)))
        for i in s.location_id:
            need(i in locations, "a sample refers to location %d, which is not there" % i)
    for l in p.location:
        need(l.mapping_id == 0 or l.mapping_id in mappings,
             "location %d refers to mapping %d, which is not there" % (l.id, l.mapping_id))
        for line in l.line:
            need(line.function_id, "location %d has a line without function" % l.id)
            need(line.function_id in functions,
                 "location %d refers to function %d, which is not there" % (l.id, line.function_id))


def check_agent(p):
    """What our files promise beyond that, so that no reader loses names or mixes frames up."""
    strings = p.string_table
    need(len(set(strings)) == len(strings), "a string is in the table twice")
    for s in strings:
        need(all(c >= " " and c != "\x7f" for c in s), "control character in %r" % s)
    need(p.mapping, "no mapping")
    need([m.id for m in p.mapping] == list(range(1, len(p.mapping) + 1)), "mapping ids have gaps")
    if p.default_sample_type:
        need(p.default_sample_type in [t.type for t in p.sample_type],
             "the default sample type is none")
    need(p.period_type and strings[p.period_type.type] and p.period > 0, "no period")
    functions = collections.Counter((f.name, f.system_name, f.filename, f.start_line)
                                    for f in p.function)
    need(all(n == 1 for n in functions.values()), "a function is listed twice")
    for f in p.function:
        need(strings[f.name] and strings[f.system_name], "function %d has no name" % f.id)
    check_agent_locations(p)


FLAGS = ("has_functions", "has_filenames", "has_line_numbers", "has_inline_frames")


def known_of(l, functions):
    """The flags that a location gives its mapping."""
    found = (bool(l.line), any(functions[line.function_id].filename for line in l.line),
             any(line.line for line in l.line), len(l.line) > 1)
    return [flag for flag, is_there in zip(FLAGS, found) if is_there]


def check_agent_locations(p):
    mappings = {m.id: m for m in p.mapping}
    functions = {f.id: f for f in p.function}
    addresses, known, used = set(), set(), set()
    for s in p.sample:
        need(s.location_id, "a sample without a stack")
        used.update(s.location_id)
    for l in p.location:
        need(l.address not in addresses, "two locations at 0x%x" % l.address)
        addresses.add(l.address)
        need(l.id in used, "location %d is in no sample" % l.id)
        m = mappings.get(l.mapping_id)
        known.update((l.mapping_id, flag) for flag in known_of(l, functions))
        if m:
            need(m.memory_start <= l.address < m.memory_limit,
                 "0x%x lies outside of its mapping %d" % (l.address, m.id))
    for m in p.mapping:
        for flag in FLAGS:
            need(getattr(m, flag) == ((m.id, flag) in known),
                 "%s of mapping %d (%s) is wrong" % (flag, m.id, p.string_table[m.filename]))
        need(m.memory_start < m.memory_limit or len(p.mapping) == 1, "mapping %d is empty" % m.id)


# --- output ----------------------------------------------------------------------------------

class View:
    def __init__(self, p):
        self.p, self.strings = p, p.string_table
        self.types = [self.strings[t.type] for t in p.sample_type]
        self.functions = {f.id: f for f in p.function}
        self.mappings = {m.id: m for m in p.mapping}
        self.frames = {l.id: self.frame(l) for l in p.location}

    def frame(self, l):
        m = self.mappings.get(l.mapping_id)
        outer = self.functions[l.line[-1].function_id] if l.line else None
        lines = [self.line(line) for line in l.line]
        names = [line["name"] for line in lines]
        return {
            "address": l.address,
            "mapping": self.strings[m.filename] if m else None,
            "name": names[-1] if names else "",
            "system_name": self.strings[outer.system_name] if outer else "",
            "file": self.strings[outer.filename] if outer else "",
            "line": l.line[-1].line if l.line else 0,
            "inlined": names[:-1],
            "lines": lines,
        }

    def line(self, l):
        f = self.functions[l.function_id]
        return {"name": self.strings[f.name], "system_name": self.strings[f.system_name],
                "file": self.strings[f.filename], "line": l.line, "column": l.column,
                "start_line": f.start_line}

    def value_type(self, t):
        return {"type": self.strings[t.type], "unit": self.strings[t.unit]} if t else None

    def labels(self, s):
        out = collections.defaultdict(list)
        for l in s.label:
            out[self.strings[l.key]].append(self.strings[l.str] if l.str else l.num)
        return out

    def json(self):
        p = self.p
        return {
            "sample_types": [self.value_type(t) for t in p.sample_type],
            "period_type": self.value_type(p.period_type),
            "period": p.period,
            "time_nanos": p.time_nanos,
            "duration_nanos": p.duration_nanos,
            "default_sample_type": self.strings[p.default_sample_type],
            "comments": [self.strings[i] for i in p.comment],
            "totals": {t: sum(s.value[i] for s in p.sample) for i, t in enumerate(self.types)},
            "mappings": [{
                "id": m.id, "start": m.memory_start, "limit": m.memory_limit,
                "offset": m.file_offset, "file": self.strings[m.filename],
                "build_id": self.strings[m.build_id], "has_functions": m.has_functions,
                "has_filenames": m.has_filenames, "has_line_numbers": m.has_line_numbers,
                "has_inline_frames": m.has_inline_frames,
            } for m in p.mapping],
            "samples": [{
                "values": dict(zip(self.types, s.value)),
                "labels": self.labels(s),
                "stack": [self.frames[i] for i in s.location_id],
            } for s in p.sample],
        }

    def index(self, name):
        """Which value: the one asked for, else as pprof chooses."""
        if name:
            need(name in self.types, "no sample type %s; there are: %s"
                 % (name, " ".join(self.types)))
            return self.types.index(name)
        default = self.strings[self.p.default_sample_type]
        return self.types.index(default) if default in self.types else len(self.types) - 1

    def names(self, s):
        """Leaf first, inlined functions as frames of their own."""
        out = []
        for i in s.location_id:
            frame = self.frames[i]
            out += frame["inlined"]
            out.append(frame["name"] or "[%s]" % os.path.basename(frame["mapping"] or "unknown"))
        return out

    def top(self, name):
        index = self.index(name)
        flat, cum = collections.Counter(), collections.Counter()
        for s in self.p.sample:
            names = self.names(s)
            if names:
                flat[names[0]] += s.value[index]
            for n in set(names):
                cum[n] += s.value[index]
        for n in sorted(cum, key=lambda n: (-flat[n], -cum[n], n)):
            yield "%d\t%d\t%s" % (flat[n], cum[n], n)

    def traces(self, name):
        index = self.index(name)
        for s in self.p.sample:
            yield "%d\t%s" % (s.value[index], ";".join(self.names(s)))


def gunzip(data, header):
    need(data, "the file is empty")
    need(data[:2] == b"\x1f\x8b", "not a gzip file, it begins with %r" % data[:16])
    if header:
        need(data[:10] == GO_HEADER, "gzip header %s is not Go's" % data[:10].hex())
    d = zlib.decompressobj(31)
    try:
        raw = d.decompress(data) + d.flush()
    except zlib.error as e:
        raise Bad("gzip: %s" % e) from None
    need(d.eof, "the gzip file is cut off")
    need(not d.unused_data, "%d bytes behind the gzip member" % len(d.unused_data))
    return raw


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--type")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--top", action="store_true")
    output.add_argument("--traces", action="store_true")
    output.add_argument("--check", action="store_true")
    parser.add_argument("--foreign", action="store_true")
    parser.add_argument("--header", action="store_true")
    parser.add_argument("file", nargs="?", default="-")
    args = parser.parse_args()
    try:
        if args.file == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(args.file, "rb") as f:
                data = f.read()
        raw = gunzip(data, args.header)
        profile = Profile(raw, 0, len(raw))
        check(profile)
        if not args.foreign:
            check_agent(profile)
        view = View(profile)
        if args.check:
            lines = []
        elif args.top:
            lines = view.top(args.type)
        elif args.traces:
            lines = view.traces(args.type)
        else:
            lines = [json.dumps(view.json(), ensure_ascii=False, indent=1)]
        for line in lines:
            print(line)
    except BrokenPipeError:
        raise
    except (Bad, OSError) as e:
        print("pprof_decode: %s: %s" % (args.file, e), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError: # the reader of our output has seen enough
        os._exit(0)
    sys.exit(status)
