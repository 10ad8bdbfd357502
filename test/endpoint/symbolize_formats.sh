#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# profagent-symbolize on every way that debug information is written, packed and put away: the same
# three inlined functions are found in all of them, and nothing is taken from a wrong file.
. "$(dirname "$0")/../lib.sh"
tap_need g++ clang++ objcopy strip nm dwz xz
symbolize=$BUILD/profagent-symbolize
cd "$tmp" || exit 1
mkdir -p src root

# "mark" is an address in leaf, which is inlined into middle, which is inlined into outer.
cat >src/prog.cc <<'EOF2'
#include <cstdio>
namespace ns {
namespace {
__attribute__((always_inline)) inline int leaf(int x)
{
	asm volatile(".globl mark\nmark:\tnop" : "+r"(x));
	return x + 1;
}
}
template <class T> struct Box {
	T v;
	__attribute__((always_inline)) T middle(T x) const
	{
		return leaf(x) * v;
	}
};
__attribute__((noinline)) int outer(int x)
{
	Box<int> b{x};
	return b.middle(x) + 3;
}
__attribute__((noinline)) static int hidden(int x)
{
	asm volatile(".globl mark_hidden\nmark_hidden:\tnop" : "+r"(x));
	return x * 5;
}
__attribute__((cold, noinline)) void complain(int x)
{
	printf("%d\n", x);
}
__attribute__((noinline)) int split(int x)
{
	if (x == 12345) {
		complain(x);
		asm volatile(".globl mark_cold\nmark_cold:\tnop");
		complain(x + 1);
	}
	return x * 7;
}
}
int main(int argc, char **)
{
	return ns::outer(argc) + ns::split(argc) + ns::hidden(argc);
}
EOF2

# lines FILE SYMBOL [OPTION...]: what is said about the address that the symbol had when it was built.
declare -A at
build() {
	local out=$1 symbol address
	shift
	"$@" -O2 -g -o "$out" "$PWD/src/prog.cc" || return 1
	while read -r address _ symbol; do
		at[$out:$symbol]=$address
	done < <(nm "$out" | grep ' mark')
}
lines() {
	local file=$1 symbol=$2
	shift 2
	"$symbolize" "$@" -e "$file" "${at[${of:-$file}:$symbol]}"
}
# Function names without parameters, which clang has for leaf and gcc has not.
short() {
	sed 's/(int)//; s/\t[^\t]*\t/\t/; /^$/d' | tr '\t' ' '
}
s=$PWD/src/prog.cc
whole="ns::(anonymous namespace)::leaf $s:6:2 4
ns::Box<int>::middle const $s:14:14 12
ns::outer $s:20:17 17"
# clang has other columns of the same statement, and so have asm statements.
columns() {
	sed -E 's/:[0-9]+ ([0-9]+)$/ \1/'
}
wanted=$(columns <<<"$whole")
names="ns::outer ??:0 0"
is_whole() {
	is "$(lines "$1" mark "${@:3}" | short | columns)" "$wanted" "$2"
}

for cxx in g++ clang++; do
	for version in 4 5; do
		build plain-$cxx-$version $cxx -gdwarf-$version
		is_whole plain-$cxx-$version "$cxx, DWARF $version"
		build split-$cxx-$version $cxx -gdwarf-$version -gsplit-dwarf
		is_whole split-$cxx-$version "$cxx, DWARF $version in .dwo files"
		build zlib-$cxx-$version $cxx -gdwarf-$version -gz=zlib
		is_whole zlib-$cxx-$version "$cxx, DWARF $version, zlib"
		of=plain-$cxx-$version
		objcopy --compress-debug-sections=zlib-gnu $of old-$of
		is_whole old-$of "$cxx, DWARF $version, .zdebug_*"
		if objcopy --compress-debug-sections=zstd $of zstd-$of 2>/dev/null; then
			is_whole zstd-$of "$cxx, DWARF $version, zstd"
		fi
		unset of
	done
done
build types g++ -fdebug-types-section
is_whole types "types in sections of their own"
build nopie g++ -no-pie
is_whole nopie "an executable at a fixed address"
build lto g++ -flto
is_whole lto "link-time optimization"
build gc g++ -ffunction-sections -Wl,--gc-sections
is_whole gc "functions that the linker left out"
mv split-g++-5-prog.dwo away.dwo
like "$(lines split-g++-5 mark)" '^ns::outer\(int\)	_ZN2ns5outerEi	.*/src/prog.cc:6:' \
	"without the .dwo file name and line are there, inlined functions are not"
rm -f split-g++-5-prog.dwo && mkfifo split-g++-5-prog.dwo
like "$(timeout 30 "$symbolize" -e split-g++-5 "${at[split-g++-5:mark]}")" '^ns::outer' \
	"a pipe in its place is not waited for"

is "$(lines plain-g++-5 mark_cold | short | columns)" "ns::split $s:35 31" "the cold part of a function"
like "$(lines plain-g++-5 mark_hidden)" '^ns::hidden\(int\)	_ZN2nsL6hiddenEi	' \
	"a static function has the full name of its symbol"
like "$(lines plain-clang++-5 mark)" 'leaf\(int\)	_ZN2ns12_GLOBAL__N_14leafEi	' \
	"the linkage name"

# --- separate files ------------------------------------------------------------------------------

build whole g++ -Wl,--build-id=sha1
build other g++ -Wl,--build-id=sha1 -DOTHER -O1
build noid g++ -Wl,--build-id=none
id_of() { readelf -n "$1" 2>/dev/null | sed -n 's/.*Build ID: //p'; }
id=$(id_of whole)
of=whole
objcopy --only-keep-debug whole whole.debug
strip -o stripped whole
objcopy --only-keep-debug other other.debug
is "$(lines stripped mark --debug-root root)" "" "stripped of everything: nothing is made up"
mkdir -p "root/.build-id/${id:0:2}"
by_id=root/.build-id/${id:0:2}/${id:2}.debug
cp other.debug "$by_id"
is "$(lines stripped mark --debug-root root)" "" "not from a file with another build id"
cp whole.debug "$by_id"
is_whole stripped "by build id" --debug-root root
objcopy --compress-debug-sections=zstd whole.debug "$by_id" 2>/dev/null
is_whole stripped "and compressed" --debug-root root
head -c 300 whole.debug >"$by_id"
is "$(lines stripped mark --debug-root root)" "" "a debug file that is cut off is none"
rm "$by_id" && mkfifo "$by_id"
is "$(timeout 30 "$symbolize" --debug-root root -e stripped "${at[whole:mark]}")" "" "nor is a pipe"
rm "$by_id"

for cache in DEBUGINFOD_CACHE_PATH= XDG_CACHE_HOME=/debuginfod_client HOME=/.cache/debuginfod_client \
	HOME=/.debuginfod_client_cache; do
	folder=$tmp/cache${cache#*=}/$id
	mkdir -p "$folder" && cp whole.debug "$folder/debuginfo"
	is "$(env -i "${cache%%=*}=$tmp/cache" "$symbolize" --debug-root root -e stripped \
		"${at[whole:mark]}" | short | columns)" "$wanted" "from the cache of debuginfod, $cache"
	rm -r "$tmp/cache"
done

of=noid
objcopy --only-keep-debug noid noid.debug
strip -o linked --remove-section=.note.gnu.build-id noid
objcopy --add-gnu-debuglink=noid.debug linked
is_whole linked "by .gnu_debuglink, beside it" --debug-root root
mkdir .debug && mv noid.debug .debug/
is_whole linked "in .debug" --debug-root root
mkdir -p "root$tmp" && mv .debug/noid.debug "root$tmp/"
is_whole linked "below the root" --debug-root root
printf x >>"root$tmp/noid.debug"
is "$(lines linked mark --debug-root root)" "" "not if its checksum is another one"
rm -r .debug "root$tmp"

of=whole
nm -S --defined-only whole | awk '$4 == "_ZN2nsL6hiddenEi" { print $4 }' >keep
objcopy -S --remove-section .gnu_debuglink --keep-symbols=keep whole.debug mini 2>/dev/null
xz -k mini
cp stripped mini-stripped
objcopy --add-section .gnu_debugdata=mini.xz mini-stripped
like "$(lines mini-stripped mark_hidden --debug-root root)" '^ns::hidden\(int\)	_ZN2nsL6hiddenEi	\?\?:0:0	0' \
	"MiniDebugInfo has the name"
printf 'x%.0s' {1..200} >bad.xz
cp stripped bad-mini && objcopy --add-section .gnu_debugdata=bad.xz bad-mini
is "$(lines bad-mini mark_hidden --debug-root root)" "" "MiniDebugInfo that is no xz is none"
build exported g++ -rdynamic
strip exported
of=exported
is "$(lines exported mark | short | columns)" "ns::outer ??:0 0" "only .dynsym: the name"

# --- dwz -----------------------------------------------------------------------------------------

for n in 1 2 3; do
	build dwz$n g++ -DCOPY$n -Wl,--build-id=sha1 -gdwarf-5
done
of=dwz1
if dwz -m common.debug -M "$tmp/common.debug" dwz1 dwz2 dwz3 2>/dev/null && [ -s common.debug ]; then
	like "$(readelf -SW dwz1)" 'gnu_debugaltlink' "dwz has moved something"
	is_whole dwz1 "parts in a file of dwz"
	mv common.debug away.debug
	is "$(lines dwz1 mark | sed 's/.*\t\(.*\)\t[0-9]*$/\1/; s/:[0-9]*$//; /^$/d')" "$s:6
$s:14
$s:20" "without it the chain and its lines are there"
	build dwz4 g++ -DCOPY4 -gdwarf-5 -O1
	build dwz5 g++ -DCOPY5 -gdwarf-5 -O1
	dwz -m common.debug -M "$tmp/common.debug" dwz4 dwz5
	unlike "$(lines dwz1 mark)" 'ns::Box<int>::outer|main' "and no names from a file of another build"
	id=$(id_of away.debug)
	mkdir -p "root/.build-id/${id:0:2}" && mv away.debug "root/.build-id/${id:0:2}/${id:2}.debug"
	is_whole dwz1 "but from the right one, by build id" --debug-root root
else
	ok "dwz makes a common file" false
fi
unset of

# --- assembler, sizes, odds and ends -------------------------------------------------------------

cat >src/asm.S <<'EOF2'
	.text
	.globl sized, unsized, main
	.type sized, @function
sized:
	nop
	ret
	.size sized, .-sized
	.fill 64, 1, 0xcc
	.globl gap
gap:
unsized:
	nop
	ret
	.type main, @function
main:
	ret
	.size main, .-main
	.section .note.GNU-stack,"",@progbits
EOF2
gcc -g -o asm src/asm.S
gcc -o asm-bare src/asm.S
address() { nm "$1" | awk -v name="$2" '$3 == name { print $1 }'; }
like "$("$symbolize" -e asm "$(address asm sized)")" "^sized	sized	$tmp/src/asm.S:5:0	" "assembler with lines"
is "$("$symbolize" -e asm-bare "$(address asm-bare sized)")" "sized	sized	??:0:0	0" "and without"
is "$("$symbolize" -e asm-bare "$(address asm-bare unsized)" | tr -d '\n')" "" \
	"no name reaches across the size of its symbol"
printf '%s\n' "$(address asm sized)" 0 ffffffffffffffff "0x$(address asm main)" |
	"$symbolize" -e asm >out
is "$(sed 's/\t.*//' out | tr '\n' '|')" "sized||||main||" "addresses are answered in their order"
not_ok "a file that is not there" "$symbolize" -e nothing 1
not_ok "a text that is no address" "$symbolize" -e asm xyz
not_ok "no socket and no file" "$symbolize"
ok "help" "$symbolize" --help
like "$("$symbolize" --version)" "^profagent-symbolize [0-9]" "version"
is "$("$symbolize" -e src/asm.S 1)" "" "a file that is no ELF file: nothing"
unlike "$(readelf -dW "$symbolize")" NEEDED "it needs no library"
tap_done
