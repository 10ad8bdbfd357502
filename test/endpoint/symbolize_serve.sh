#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# profagent-symbolize as the agent talks to it: requests, hang-ups, limits, and files that were
# changed byte by byte.
. "$(dirname "$0")/../lib.sh"
tap_need g++ python3 nm readelf objcopy strip
cat >"$tmp/prog.cc" <<'EOF2'
#include <algorithm>
#include <map>
#include <string>
#include <vector>
namespace ns {
__attribute__((noinline)) long work(int n)
{
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < n; i++)
		m[std::to_string(i % 100)].push_back(i);
	long sum = 0;
	for (auto &e : m) {
		std::sort(e.second.begin(), e.second.end(), [](int a, int b) { return a % 7 < b % 7; });
		sum += e.second[e.second.size() / 2];
	}
	return sum;
}
}
int main(int argc, char **)
{
	return ns::work(argc * 1000) == 1;
}
EOF2
# A compile unit of 150 million entries, and beside it a small one.
cat >"$tmp/slow.S" <<'EOF2'
	.text
	.globl slow
	.type slow, @function
slow:	nop
	ret
.Lend:
	.size slow, .-slow
	.section .debug_abbrev,"",@progbits
.Labbrev:
	.uleb128 2, 0x11 /* DW_TAG_compile_unit with children: DW_AT_low_pc, DW_AT_high_pc */
	.byte 1
	.uleb128 0x11, 1, 0x12, 7, 0, 0
	.uleb128 1, 0x24 /* DW_TAG_base_type without anything */
	.byte 0
	.uleb128 0, 0, 0
	.section .debug_info,"",@progbits
	.long .Linfo_end-.Linfo
.Linfo:	.short 4
	.long .Labbrev
	.byte 8
	.uleb128 2
	.quad slow
	.quad .Lend-slow
	.fill 150000000, 1, 1
	.byte 0
.Linfo_end:
	.section .note.GNU-stack,"",@progbits
EOF2
cat >"$tmp/quick.c" <<'EOF2'
int slow(void);
__attribute__((noinline)) int quick(int x)
{
	return x * 3;
}
int main(int argc, char **argv)
{
	return quick(argc) + slow() + !argv;
}
EOF2
build() {
	g++ -O2 -g -gdwarf-5 -o prog5 prog.cc &&
		g++ -O2 -g -gdwarf-4 -Wl,--build-id=none -o prog4 prog.cc &&
		g++ -O2 -g -Wl,--build-id=none -Wl,--section-start=.text=0x100000 -o apart prog.cc &&
		objcopy --only-keep-debug apart apart.debug && strip apart &&
		objcopy --add-gnu-debuglink=apart.debug apart &&
		gcc -O2 -g -o slow slow.S quick.c && objcopy --compress-debug-sections slow
}
cd "$tmp" && build || exit 1
export PYTHONDONTWRITEBYTECODE=1
python3 "$root/test/endpoint/symbolize_serve.py" "$BUILD/profagent-symbolize" "$tmp"
