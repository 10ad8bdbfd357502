#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Every pprof there is (go tool pprof of each installed Go, stand-alone pprof) takes our CPU
# profile, from a file and over HTTP, without a warning and without asking /symbol for names.
. "$(dirname "$0")/../lib.sh"
tap_need go python3 curl strip nm readelf
decode=$root/test/endpoint/pprof_decode.py
# Newer Go compiles its pprof at first use and wants a place to keep it.
[ -w "${HOME:-/nowhere}" ] || export HOME=$tmp

# The tools by "name=command"; of several links to one Go, the first.
tools=()
declare -A seen=()
for go in go /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
	path=$(readlink -f "$(command -v "$go")") || continue
	if [ ! -x "$path" ] || [ -n "${seen[$path]:-}" ]; then
		continue
	fi
	seen[$path]=1
	tools+=("$("$path" env GOVERSION)=$path tool pprof")
done
[ -z "$(command -v pprof)" ] || tools+=("pprof=pprof")

# pprof_run ARGUMENT...: with $tool; $out and $err are files.
out=$tmp/out
err=$tmp/err
pprof_run() {
	# shellcheck disable=SC2086,SC2317 # several words; called through `ok`
	PPROF_TMPDIR=$tmp/saved PPROF_BINARY_PATH=$tmp/none ${tool#*=} "$@" >"$out" 2>"$err"
}
# What pprof says that is no warning.
unexpected() {
	grep -vE '^(Fetching profile over HTTP from .*|Saved profile in .*|Generating report in .*|Please wait\.\.\. .*|)$' "$err"
}
# accepts NAME ARGUMENT...: succeeds and warns of nothing.
accepts() {
	local name="${tool%%=*}: $1"
	shift
	ok "$name" pprof_run "$@"
	is "$(unexpected)" "" "$name: no warning"
}
posts() {
	grep -c 'POST /debug/pprof/symbol' "$agent_log"
}

agent_start -- "$PROGRAMS/cpu_shares_cc" 200 1
profile "$tmp/cpu.pb.gz" 1
ok "the profile keeps every rule" "$decode" --header --check "$tmp/cpu.pb.gz"
profile "$tmp/none.pb.gz" 1 symbolize=0
ok "that without names too" "$decode" --header --check "$tmp/none.pb.gz"

for tool in "${tools[@]}"; do
	accepts "-top" -top "$tmp/cpu.pb.gz"
	like "$(cat "$out")" '^ .* leaf_a' "${tool%%=*}: with names"
	accepts "-raw" -raw "$tmp/cpu.pb.gz"
	like "$(cat "$out")" '1: 0x.* .*/cpu_shares_cc .* \[FN\]' "${tool%%=*}: the executable first"
	accepts "-traces" -traces "$tmp/cpu.pb.gz"
	like "$(cat "$out")" '^ +main$' "${tool%%=*}: down to main"
	accepts "-comments" -comments "$tmp/cpu.pb.gz"
	like "$(cat "$out")" '^profagent [0-9]' "${tool%%=*}: comments"
	accepts "-symbolize=remote, a file" -symbolize=remote -top "$tmp/cpu.pb.gz"
	accepts "-diff_base" -top -diff_base "$tmp/cpu.pb.gz" "$tmp/cpu.pb.gz"
	accepts "-proto" -proto -output "$tmp/again.pb.gz" "$tmp/cpu.pb.gz"
	ok "${tool%%=*}: -proto keeps it valid" "$decode" --foreign --check "$tmp/again.pb.gz"
	is "$("$decode" --foreign --top "$tmp/again.pb.gz")" "$("$decode" --top "$tmp/cpu.pb.gz")" \
		"${tool%%=*}: and all numbers"

	before=$(posts)
	accepts "over HTTP" -top "$url/profile?seconds=1"
	like "$(cat "$out")" '^ .* leaf_a' "${tool%%=*}: over HTTP with names"
	accepts "over HTTP, -symbolize=remote" -symbolize=remote -raw -seconds 1 "$url/profile"
	like "$(cat "$out")" ' leaf_a ' "${tool%%=*}: names stay"
	is "$(posts)" "$before" "${tool%%=*}: /symbol was not asked"

	ok "${tool%%=*}: without names, -symbolize=remote" \
		pprof_run -symbolize=remote -top "$url/profile?seconds=1&symbolize=0"
	like "$(cat "$out")" '^ .* leaf_a' "${tool%%=*}: gets them from /symbol"
	in_range "$(posts)" $((before + 1)) $((before + 1000)) "${tool%%=*}: by POST"
done
agent_stop "$pid"

# A function without a symbol has one name, which says where it starts in the file, so that profiles
# of two runs can be compared.
program=$PROGRAMS/cpu_shares_nofp
strip -o "$tmp/stripped" "$program"
read -r addr offset < <(readelf -SW "$program" |
	sed -n 's/^ *\[ *[0-9]*\] \.text *PROGBITS *\([0-9a-f]*\) \([0-9a-f]*\) .*/\1 \2/p')
nm "$program" | while read -r value type _; do
	[[ $type != [tTwW] || -z $value ]] ||
		printf 'stripped+0x%x\n' $((16#$value - 16#$addr + 16#$offset))
done | sort -u >"$tmp/functions"
for run in 1 2; do
	agent_start -- "$tmp/stripped" 60 1
	profile "$tmp/stripped$run.pb.gz" 1
	agent_stop "$pid"
	"$decode" --traces "$tmp/stripped$run.pb.gz" | tr '\t;' '\n' | grep '^stripped+0x' |
		sort -u >"$tmp/names$run"
	is "$(comm -23 "$tmp/names$run" "$tmp/functions")" "" "all of them are starts of functions"
done
# 40 levels, main and the function that chooses a leaf are on nearly every stack.
in_range "$(comm -12 "$tmp/names1" "$tmp/names2" | wc -l)" 42 60 \
	"functions of a stripped program by file and offset, the same in two runs"
accepts "-diff_base, another run" -top -diff_base "$tmp/stripped1.pb.gz" "$tmp/stripped2.pb.gz"
tap_done
