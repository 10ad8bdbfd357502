#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `make` says where it cannot work, and what the makefile must notice.
. "$(dirname "$0")/../lib.sh"
cd "$root" || exit 1

output=$(CC=no-such-cc STATIC_LIBS='' scripts/check-build-tools.sh)
like "$output" "no-such-cc" "names a compiler that is not there"
like "$output" "scripts/install-deps.sh build" "and what to do"
CC=no-such-cc not_ok "and fails" scripts/check-build-tools.sh
output=$(STATIC_LIBS=-l:libnosuch.a scripts/check-build-tools.sh)
like "$output" "libnosuch.a" "names a library that is not there"
mkdir "$tmp/include"
cat >"$tmp/cc" <<END
#!/bin/sh
# As if zlib1g-dev were not installed.
case \$* in *-fsyntax-only*) grep -q zlib.h "\$2" && exit 1 ;; esac
exit 0
END
chmod +x "$tmp/cc"
output=$(CC=$tmp/cc STATIC_LIBS='' scripts/check-build-tools.sh)
like "$output" "<zlib.h>" "names a header that is not there"
output=$(scripts/install-deps.sh nosuchgroup 2>&1)
like "$output" "nosuchgroup.*no group" "install-deps.sh refuses an unknown group"
not_ok "and fails" scripts/install-deps.sh nosuchgroup
tap_done
