#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cppcheck over the agent's sources. A suppression stands in the code, with its reason.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
command -v cppcheck >/dev/null || { echo "cppcheck is missing: scripts/install-deps.sh check"; exit 1; }
# CastIntegerToAddressAtReturn: it takes function pointers declared by an X-macro for int.
cppcheck --quiet --language=c --std=c11 --platform=unix64 -j "$(nproc)" -I. -D__x86_64__ -D__linux__ \
	-D_GNU_SOURCE '-DPA_VERSION="x"' --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=CastIntegerToAddressAtReturn --error-exitcode=1 \
	agent collectors exporters || exit 1
echo "cppcheck: nothing found"
