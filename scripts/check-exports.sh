#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shared library as its host's loader sees it: needs libc alone, exports what exports.map names
# and profagent_* and nothing else, has everything bound before the constructor runs.
#
#	check-exports.sh LIBRARY MAP
set -u
lib=$1
map=$2
errors=0
bad() {
	echo "$lib: $1"
	errors=1
}

dynamic=$(readelf -dW "$lib") || exit 1
for need in $(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
	case $need in
	libc.so.6 | ld-linux*.so.*) ;;
	*) bad "needs $need: only libc may be" ;;
	esac
done
case $dynamic in *TEXTREL*) bad "has text relocations" ;; esac
case $dynamic in *RPATH* | *RUNPATH*) bad "has a search path" ;; esac
echo "$dynamic" | grep -q 'FLAGS_1.*NOW' || bad "is not linked with -z now"
echo "$dynamic" | grep -q 'FLAGS_1.*INITFIRST' || bad "is not linked with -z initfirst"
echo "$dynamic" | grep -q 'SONAME.*\[libprofagent.so\]' || bad "soname is not libprofagent.so"
segments=$(readelf -lW "$lib")
echo "$segments" | grep -q GNU_RELRO || bad "is not linked with -z relro"
echo "$segments" | grep -q 'GNU_STACK.* RWE ' && bad "asks for an executable stack"
# Space for static TLS of preloaded libraries is short (glibc.rtld.optional_static_tls: 512).
tls=$(echo "$segments" | awk '$1 == "TLS" { print $6 }')
[ $((${tls:-0})) -le 256 ] || bad "uses $((tls)) bytes of static TLS, more than 256"
# frame_dummy of the C runtime and our constructor.
init=$(echo "$dynamic" | sed -n 's/.*(INIT_ARRAYSZ) *\([0-9]*\).*/\1/p')
[ "${init:-0}" -le 16 ] || bad "has $((init / 8 - 1)) constructors, one is meant to be"

symbols=$(readelf --dyn-syms -W "$lib" | awk '$7 != "UND" && $5 ~ /GLOBAL|WEAK|UNIQUE/ { print $4, $8 }')
echo "$symbols" | grep '^IFUNC' && bad "exports an IFUNC, which crashes in a preloaded library"
exported=$(echo "$symbols" | awk '{ sub(/@.*/, "", $2); print $2 }' | sort -u)
wanted=$(sed -n '/global:/,/local:/p' "$map" | tr ';' '\n' | sed 's/.*global:\|local:.*//' | tr -d '\t {}' |
	grep -v '[*]' | grep .)
[ -n "$wanted" ] || bad "$map names no function"
for name in $exported; do
	case $name in profagent_*) continue ;; esac
	echo "$wanted" | grep -qxF "$name" || bad "exports $name"
done
for name in $wanted; do
	echo "$exported" | grep -qxF "$name" || bad "does not export $name, which $map names"
done
[ $errors -eq 0 ] || exit 1
newest=$(readelf -W --dyn-syms "$lib" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
echo "exports: $(echo "$exported" | wc -l) names, $((${tls:-0})) bytes of TLS, needs" \
	"$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')${newest:+of $newest}"
