#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Programs of other kinds: interpreters, a compiler with deep stacks, compressors with threads.
. "$(dirname "$0")/../real.sh"
tap_need curl python3
cd "$tmp" || exit 1

# measure ENGINE SECONDS LABEL REGEX COMMAND...: what runs longer is ended.
measure() {
	local engine=$1 seconds=$2 label=$3 name=$4
	shift 4
	if ! command -v "$1" >/dev/null; then
		echo "# $1 is not installed"
		return
	fi
	engine_start "$engine" -- "$@"
	ok "$engine $label: a profile" take "$pid" "$tmp/$label" "$seconds"
	check_profile "$engine" "$tmp/$label" "$label" --names="$name"
	stop "$pid"
	is "$?" 143 "$engine $label: ends by the signal"
}

measure timer 2 perl '^Perl_' perl -e 'while (1) {
	my (%h, $n);
	for my $i (1 .. 2000) {
		my $k = "k$i";
		$h{$k} = [$i, sprintf("%.3f", $i / 7)];
		$k =~ s/(\d)/<$1>/g;
		$n += length $k;
	}
	my @sorted = sort { $h{$a}[1] <=> $h{$b}[1] || $a cmp $b } keys %h;
}'
measure timer 2 sqlite3 '^sqlite3_step$' sqlite3 :memory: 'with recursive c(x) as (select 1 union all
	select x + 1 from c where x < 1000000000) select sum(length(printf("%d-%s", x, hex(x)))),
	count(distinct x % 1000), max(x || "a") from c'

# Grows with the square of its length: it never ends in time.
cat >long.cc <<'EOF'
#include <functional>
#include <map>
#include <regex>
#include <string>
template <int N> struct Chain {
	static int value(std::map<std::string, int> &m)
	{
		m["x" + std::to_string(N)] = N;
		std::function<int(int)> f = [&](int a) { return a + N; };
		return f(N) + Chain<N - 1>::value(m);
	}
};
template <> struct Chain<0> {
	static int value(std::map<std::string, int> &) { return 0; }
};
int main()
{
	std::map<std::string, int> m;
	return Chain<800>::value(m) + std::regex_match("ab", std::regex("a.*b"));
}
EOF
cc1plus=$(g++ -print-prog-name=cc1plus 2>/dev/null)
if [ -x "$cc1plus" ] && g++ -E long.cc -o long.ii; then
	# The driver's child, with the depth of templates in mind
	measure timer 2 cc1plus 'toplev::main|^main$' "$cc1plus" -fpreprocessed -ftemplate-depth=2000 \
		-quiet -O2 long.ii -o /dev/null
fi

head -c 60000000 /dev/urandom | base64 -w 0 >data
measure timer 2 zstd '^(zstd|libzstd)|ZSTD_' zstd -q -19 -T2 -c data -o /dev/null -f
# Its threads block all signals.
measure perf 2 xz '^(liblzma|lzma_)' xz -9e -T2 -k -c data --stdout
tap_done
