#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A library whose program headers are behind everything else, as BOLT writes them (rustc's, clang's,
# some builds of Python): stacks through it are whole all the same.
. "$(dirname "$0")/../real.sh"
tap_need curl python3 "${CC:-gcc}"
python=$(python3 -c 'import sys; print(sys.executable)')
cd "$tmp" || exit 1

cat >far.c <<'EOF'
#include <time.h>
static volatile unsigned long sink;
#define LEVEL __attribute__((noinline, noclone, visibility("default")))
LEVEL void far_leaf(long n) { for (volatile long i = 0; i < n; i++) sink += i; }
LEVEL void far_middle(long n) { volatile char room[200]; room[n & 127] = 1; far_leaf(n); sink += room[5]; }
LEVEL void far_outer(double seconds)
{
	struct timespec ts;
	double end = 0;
	do {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		end = end ? end : ts.tv_sec + ts.tv_nsec / 1e9 + seconds;
		far_middle(100000);
	} while (ts.tv_sec + ts.tv_nsec / 1e9 < end);
}
EOF
ok "compiles" "${CC:-gcc}" -O2 -fomit-frame-pointer -fPIC -shared -o near.so far.c
# The table is copied to the end of the file, one entry more loads that place.
cat >move.py <<'EOF'
import struct
data = bytearray(open("near.so", "rb").read())
phoff, = struct.unpack_from("<Q", data, 32)
size, count = struct.unpack_from("<HH", data, 54)
table = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * size) for i in range(count)]
end = max(p[3] + p[6] for p in table if p[0] == 1)
data += bytes(-len(data) % 0x1000)
offset, address = len(data), (end + 0xfff) // 0x1000 * 0x1000
length = (count + 1) * size
last = max(i for i, p in enumerate(table) if p[0] == 1)
table.insert(last + 1, (1, 4, offset, address, address, length, length, 0x1000))
table = [p if p[0] != 6 else (6, 4, offset, address, address, length, length, 8) for p in table]
struct.pack_into("<Q", data, 32, offset)
struct.pack_into("<H", data, 56, count + 1)
data[phoff:phoff + count * size] = bytes(count * size)
open("far.so", "wb").write(data + b"".join(struct.pack("<IIQQQQQQ", *p) for p in table))
EOF
ok "moves its headers" "$python" move.py
run=(-c 'import ctypes, sys
ctypes.CDLL(sys.argv[1]).far_outer(ctypes.c_double(float(sys.argv[2])))' "$tmp/far.so")
ok "loads" "$python" "${run[@]}" 0
engine_start timer -- "$python" "${run[@]}" 60
wait_until 10 grep -q far.so "/proc/$pid/maps"
ok "a profile" take "$pid" "$tmp/profile" 1
check_profile timer "$tmp/profile" far --samples=20 --stack='^(far_leaf;)?far_middle;far_outer;.*ffi.*;.*_start$'
stop "$pid"
tap_done
