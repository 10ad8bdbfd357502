#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-tidy with .clang-tidy over the agent's sources, two at a time.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
command -v clang-tidy >/dev/null || { echo "clang-tidy is missing: scripts/install-deps.sh check"; exit 1; }
work=$(mktemp) || exit 1
trap 'rm -f "$work"' EXIT
files=$(find agent collectors exporters -name '*.c' | sort)
# Flags that change no finding are left out. Warnings of the compiler are the build's business.
flags="-std=gnu17 -D_GNU_SOURCE -DPA_VERSION=\"x\" -I. -I${BUILD:-build}/gen -w"
echo "$files" | FLAGS=$flags xargs -P "$(nproc)" -n 4 sh -c 'clang-tidy --quiet "$@" -- $FLAGS' sh \
	>"$work" 2>/dev/null
status=$?
grep -v '^$' "$work"
[ $status -eq 0 ] || exit 1
echo "tidy: $(echo "$files" | wc -l) files"
