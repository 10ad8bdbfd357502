#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-headers refuses headers that need another one first, or have a wrong guard.
. "$(dirname "$0")/../lib.sh"
export ROOT=$tmp/tree
unset CHECK_CFLAGS
mkdir -p "$ROOT"/agent/base "$ROOT"/{collectors,exporters}
# header GUARD TEXT
header() {
	printf '#ifndef %s\n#define %s\n%s\n#endif\n' "$1" "$1" "$2" >"$ROOT/agent/base/x.h"
}

header PA_BASE_X_H '#include <stdint.h>
uint64_t pa_x(void);'
ok "accepts one that stands alone" "$root/scripts/check-headers.sh"
header PA_BASE_X_H 'uint64_t pa_x(void);'
not_ok "refuses one that lacks an include" "$root/scripts/check-headers.sh"
header PA_X_H 'int pa_x(void);'
not_ok "refuses a wrong guard" "$root/scripts/check-headers.sh"
header PA_BASE_X_H 'static inline int pa_x(unsigned n) { return n < -1; }'
not_ok "refuses one with a warning" "$root/scripts/check-headers.sh"
tap_done
