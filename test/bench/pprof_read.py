# SPDX-License-Identifier: Apache-2.0
"""Reads a pprof profile (gzip, protobuf) as far as the benchmarks need it: stacks of function
names with their values."""
import gzip


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data):
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
        elif key & 7 == 2:
            size, at = _varint(data, at)
            value = data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")
        yield key >> 3, value


def _packed(value):
    """A repeated integer, packed or not."""
    if isinstance(value, int):
        return [value]
    values, at = [], 0
    while at < len(value):
        one, at = _varint(value, at)
        values.append(one)
    return values


def read(data):
    """[(names of the frames from the leaf on, values)]"""
    strings, functions, locations, samples = [], {}, {}, []
    for field, value in _fields(gzip.decompress(data)):
        if field == 2:
            sample = {1: [], 2: []}
            for number, part in _fields(value):
                if number in sample:
                    sample[number] += _packed(part)
            samples.append((sample[1], sample[2]))
        elif field == 4:
            ident, lines, address = 0, [], 0
            for number, part in _fields(value):
                if number == 1:
                    ident = part
                elif number == 3:
                    address = part
                elif number == 4:
                    lines.append(next((v for n, v in _fields(part) if n == 1), 0))
            locations[ident] = (lines, address)
        elif field == 5:
            parts = dict(_fields(value))
            functions[parts[1]] = parts.get(2, 0)
        elif field == 6:
            strings.append(value.decode("utf-8", "replace"))

    def names(ident):
        lines, address = locations[ident]
        return [strings[functions[line]] for line in lines] or [f"0x{address:x}"]

    return [([n for i in ids for n in names(i)], values) for ids, values in samples]
