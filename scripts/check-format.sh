#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format leaves every C file as it is; --fix lets it change them.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
command -v clang-format >/dev/null || { echo "clang-format is missing: scripts/install-deps.sh check"; exit 1; }
files=$(find agent collectors exporters test -name '*.[ch]' -o -name '*.cc' | sort)
if [ "${1:-}" = --fix ]; then
	# shellcheck disable=SC2086 # one word a file
	clang-format -i $files
	exit
fi
# shellcheck disable=SC2086
if ! clang-format --dry-run --Werror $files; then
	echo "run 'make format'"
	exit 1
fi
echo "format: $(echo "$files" | wc -l) files"
