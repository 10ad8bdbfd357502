#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pprof_decode.py refuses every kind of broken profile, with the right words.
. "$(dirname "$0")/../lib.sh"
tap_need python3
cd "$tmp" || exit 1
decode=$root/test/endpoint/pprof_decode.py

cat >make.py <<'END'
"""Writes the good profile, and one file for each way to break it. Prints "FILE TAB REGEX"."""
import copy, gzip

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])

def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value

def message(pairs):
    return b"".join(field(n, message(v) if isinstance(v, list) else v) for n, v in pairs)

STRINGS = [b"", b"samples", b"count", b"cpu", b"nanoseconds", b"/bin/t", b"main", b"f\xc3\xa4", b"x"]
GOOD = [
    (1, [(1, 1), (2, 2)]), (1, [(1, 3), (2, 4)]),
    (2, [(1, varint(1) + varint(2)), (2, varint(2) + varint(-20))]),
    (3, [(1, 1), (2, 4096), (3, 8192), (5, 5), (7, 1)]),
    (4, [(1, 1), (2, 1), (3, 4100), (4, [(1, 1)])]),
    (4, [(1, 2), (2, 1), (3, 4200), (4, [(1, 2)])]),
    (5, [(1, 1), (2, 6), (3, 6)]),
    (5, [(1, 2), (2, 7), (3, 7)]),
] + [(6, s) for s in STRINGS] + [(11, [(1, 3), (2, 4)]), (12, 10000000), (13, varint(8))]

def store(name, raw, regex, pack=True):
    with open(name, "wb") as f:
        f.write(gzip.compress(raw, mtime=0) if pack else raw)
    if regex:
        print(name, regex, sep="\t")

def broken(name, regex, change):
    p = copy.deepcopy(GOOD)
    change(p)
    store(name, message(p), regex)

def put(index, pair):
    return lambda p: p.__setitem__(index, pair)

def sub(index, pair):
    """Sets or adds a field of a sub-message."""
    def change(p):
        m = [x for x in p[index][1] if x[0] != pair[0]] + [pair]
        p[index] = (p[index][0], m)
    return change

raw = message(GOOD)
good = gzip.compress(raw, mtime=0)
store("good", raw, None)
store("go_header", bytes.fromhex("1f8b080000000000" "04ff") + good[10:], None, pack=False)
store("not_gzip", raw, "not a gzip file", pack=False)
store("empty_file", b"", "file is empty", pack=False)
store("cut", good[:-5], "cut off", pack=False)
store("trailing", good + b"x", "1 bytes behind", pack=False)
store("two_members", good + good, "bytes behind", pack=False)
store("bad_crc", good[:-8] + b"\0\0\0\0" + good[-4:], "gzip: ", pack=False)
store("cut_message", raw[:-1], "cut off|longer than its message")
store("empty_profile", b"", "string_table")
store("fixed64", raw + b"\x71" + b"\0" * 8, "wire type 1")
store("long_varint", raw + b"\x60" + b"\xff" * 10 + b"\1", "varint of more than")
store("wide_varint", raw + b"\x60" + b"\xff" * 9 + b"\2", "more than 64 bits")
store("field_0", raw + b"\0\0", "field number 0")
broken("unknown_field", "unknown field 16 in Profile", lambda p: p.append((16, 1)))
broken("unknown_sub", "unknown field 9 in Sample", sub(2, (9, 1)))
broken("number_for_message", "no message", lambda p: p.append((3, 1)))
broken("message_for_number", "no number", lambda p: p.append((12, b"x")))
broken("bool_7", "neither true nor false", sub(3, (7, 7)))
broken("no_empty_string", r"string_table\[0\]", lambda p: p.pop(8))
broken("no_strings", r"string_table\[0\]", lambda p: p.__delitem__(slice(8, 17)))
broken("utf8", "not UTF-8", put(15, (6, b"\xff")))
broken("type_index", "value type: no string 99", sub(0, (1, 99)))
broken("unit_index", "value unit: no string 99", sub(0, (2, 99)))
broken("period_type_index", "value type: no string", sub(17, (1, 9)))
broken("file_index", "file name: no string 9", sub(3, (5, 9)))
broken("build_id_index", "build id: no string 9", sub(3, (6, 9)))
broken("name_index", "function: no string 9", sub(6, (2, 9)))
broken("negative_index", "function: no string -1", sub(6, (3, -1)))
broken("comment_index", "comment: no string 9", put(19, (13, varint(9))))
broken("default_index", "default_sample_type: no string 9", lambda p: p.append((14, 9)))
broken("label_index", "label: no string 9", sub(2, (3, [(1, 9), (3, 1)])))
broken("no_types", "no sample type", lambda p: (p.pop(0), p.pop(0)))
broken("one_value", "1 values for 2 types", sub(2, (2, varint(1))))
broken("three_values", "3 values for 2 types", sub(2, (2, b"\1\1\1")))
broken("no_location", "refers to location 3", sub(2, (1, varint(3))))
broken("location_0", "refers to location 0", sub(2, (1, varint(0))))
broken("no_mapping", "refers to mapping 2", sub(4, (2, 2)))
broken("no_function", "refers to function 3", sub(4, (4, [(1, 3)])))
broken("line_alone", "line without function", sub(4, (4, [(2, 12)])))
broken("mapping_id_0", "mapping with id 0", sub(3, (1, 0)))
broken("location_id_0", "location with id 0", sub(4, (1, 0)))
broken("function_id_0", "function with id 0", sub(6, (1, 0)))
broken("mapping_twice", "mapping id 1 twice", lambda p: p.append(p[3]))
broken("location_twice", "location id 1 twice", sub(5, (1, 1)))
broken("function_twice", "function id 1 twice", sub(7, (1, 1)))
print("#agent")
broken("string_twice", "twice", lambda p: p.append((6, b"main")))
broken("control", "control character", put(15, (6, b"a\nb")))
broken("no_mappings", "no mapping", lambda p: (p.pop(3), sub(3, (2, 0))(p), sub(4, (2, 0))(p)))
broken("mapping_gap", "ids have gaps", lambda p: (sub(3, (1, 2))(p), sub(4, (2, 2))(p), sub(5, (2, 2))(p)))
broken("default_type", "default sample type is none", lambda p: p.append((14, 6)))
broken("no_period", "no period", put(18, (12, 0)))
broken("no_period_type", "no period", lambda p: p.pop(17))
broken("same_function", "function is listed twice", lambda p: (sub(7, (2, 6))(p), sub(7, (3, 6))(p)))
broken("no_name", "has no name", sub(6, (2, 0)))
broken("no_system_name", "has no name", sub(6, (3, 0)))
broken("no_stack", "without a stack", sub(2, (1, b"")))
broken("same_address", "two locations at 0x1004", sub(5, (3, 4100)))
broken("unused", "in no sample", sub(2, (1, varint(1))))
broken("outside", "outside of its mapping", sub(5, (3, 8192)))
broken("flag_missing", "has_functions", sub(3, (7, 0)))
broken("flag_wrong", "has_functions", lambda p: p.append((3, [(1, 2), (2, 1), (3, 2), (7, 1)])))
broken("empty_mapping", "is empty", lambda p: p.append((3, [(1, 2), (2, 9), (3, 9)])))
END
python3 make.py >list || exit 1

ok "accepts a good profile" "$decode" --check good
is "$("$decode" --top good)" "$(printf -- '0\t-20\tf\303\244\n-20\t-20\tmain')" "--top"
is "$("$decode" --traces --type samples good)" "$(printf '2\tmain;f\303\244')" "--traces --type"
is "$("$decode" <good | python3 -c '
import json, sys
p = json.load(sys.stdin)
f = p["samples"][0]["stack"][1]
print(p["totals"], p["period"], p["comments"], f["name"], f["address"], f["mapping"])')" \
	"{'samples': 2, 'cpu': -20} 10000000 ['x'] fä 4200 /bin/t" "JSON"
ok "accepts Go's gzip header" "$decode" --header --check go_header
not_ok "--header refuses another one" "$decode" --header --check good
not_ok "refuses a type that is not there" "$decode" --top --type=x good
not_ok "refuses a file that is not there" "$decode" nowhere

options=--foreign
while IFS=$'\t' read -r file regex; do
	if [ "$file" = '#agent' ]; then
		options=
		continue
	fi
	# shellcheck disable=SC2086 # none or one word
	said=$("$decode" $options --check "$file" 2>&1)
	if [ $? -eq 1 ] && ! grep -q Traceback <<<"$said"; then
		like "$said" "$regex" "refuses: $file"
	else
		is "$said" "a refusal" "refuses: $file"
	fi
	[ "$options" ] || ok "readers take it all the same: $file" "$decode" --foreign --check "$file"
done <list
tap_done
