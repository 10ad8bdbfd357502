#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every shell script, found by its name or first line, passes shellcheck.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
command -v shellcheck >/dev/null || { echo "shellcheck is missing: scripts/install-deps.sh check"; exit 1; }
files=$(find scripts test .ci -type f ! -path 'test/fuzz/corpus/*' 2>/dev/null | sort | while read -r f; do
	case $f in *.sh) echo "$f" && continue ;; esac
	head -c 64 "$f" | head -n 1 | grep -aqE '^#!.*\b(sh|bash)$' && echo "$f"
done)
# shellcheck disable=SC2086 # one word a file
shellcheck -x -P SCRIPTDIR:SCRIPTDIR/.. $files || exit 1
echo "shell: $(echo "$files" | wc -l) scripts"
