#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How long functions and files are: quantiles and the ten longest. Reports, fails nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
command -v ctags >/dev/null || { echo "ctags is missing: scripts/install-deps.sh check"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

quantiles() {
	sort -n "$1" | awk -v what="$2" '
	{ v[NR] = $1 }
	END {
		if (NR) printf "%s: %d, median %d, p90 %d, p99 %d, longest %d lines\n", what, NR,
			v[int((NR + 1) / 2)], v[int(NR * 0.9 + 0.5)], v[int(NR * 0.99 + 0.5)], v[NR]
	}'
}
find agent collectors exporters -name '*.c' >"$work/files"
ctags -L "$work/files" --languages=C --kinds-C=f --fields=+ne -f - | awk -F'\t' '{
	for (i = 4; i <= NF; i++) {
		if ($i ~ /^line:/) line = substr($i, 6)
		if ($i ~ /^end:/) print substr($i, 5) - line + 1, $1, $2 ":" line
	}
}' >"$work/functions"
xargs wc -l <"$work/files" | awk '$2 != "total" { print $1, $2 }' >"$work/lines"
quantiles "$work/functions" functions
quantiles "$work/lines" "C files"
echo "longest functions:"
sort -rn "$work/functions" | head -n 10 | sed 's/^/  /'
echo "longest files:"
sort -rn "$work/lines" | head -n 10 | sed 's/^/  /'
