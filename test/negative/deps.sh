#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-deps refuses each include that the layering forbids.
. "$(dirname "$0")/../lib.sh"
export ROOT=$tmp/tree
mkdir -p "$ROOT"/agent/{base,host,unwind,symbols,core,http} "$ROOT"/{collectors,exporters}

# with FILE INCLUDE: the tree holds one file with that one include.
with() {
	find "$ROOT" -type f -delete
	printf '#include %s\n' "$2" >"$ROOT/$1"
}
refused() {
	with "$1" "$2"
	not_ok "$1 may not include $2" "$root/scripts/check-deps.sh"
}
accepted() {
	with "$1" "$2"
	ok "$1 may include $2" "$root/scripts/check-deps.sh"
}

refused agent/base/a.c '"agent/core/profile.h"'
refused agent/base/a.c '"agent/host/real.h"'
refused agent/base/a.c '<stdio.h>'
refused agent/host/a.c '"agent/core/config.h"'
refused agent/unwind/a.c '"agent/symbols/symbols.h"'
refused agent/symbols/a.c '"agent/unwind/unwind.h"'
refused agent/core/a.c '"agent/http/http.h"'
refused agent/core/a.h '"agent/unwind/unwind.h"'
refused agent/http/a.c '"agent/host/thread.h"'
refused agent/http/a.c '"exporters/gzip.h"'
refused agent/http/a.c '<zlib.h>'
refused collectors/cpu.c '"agent/http/http.h"'
refused collectors/cpu.c '"agent/symbols/symbols.h"'
refused collectors/cpu.c '"collectors/heap.h"'
refused collectors/cpu.c '"exporters/gzip.h"'
refused collectors/cpu.c '"profile.pb-c.h"'
refused exporters/pprof.c '"agent/host/thread.h"'
refused exporters/pprof.c '"agent/unwind/unwind.h"'
refused exporters/pprof.c '"collectors/cpu.h"'
refused exporters/pprof.c '<libiberty/demangle.h>'
mkdir "$ROOT/agent/other"
refused agent/other/a.c '"agent/base/log.h"'
refused agent/http/a.c '"log.h"'
refused agent/http/a.c '"../base/log.h"'

accepted agent/main.c '"collectors/table.def"'
accepted agent/core/a.c '"agent/host/thread.h"'
accepted collectors/cpu_timer.c '"collectors/cpu.h"'
accepted collectors/cpu.c '"agent/unwind/unwind.h"'
accepted exporters/pprof.c '"profile.pb-c.h"'
accepted exporters/pprof.c '<protobuf-c/protobuf-c.h>'
accepted agent/symbols/demangle.c '<libiberty/demangle.h>'
tap_done
