#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-env refuses a README whose table is not the code's.
. "$(dirname "$0")/../lib.sh"
cd "$tmp" || exit 1
printf '#!/bin/sh\ncat <<END\n| variable | default |\n|---|---|\n| PPROF_PORT | 6060 |\nEND\n' >program
chmod +x program
# readme ROW
readme() {
	printf '# X\n<!-- environment: begin -->\n| variable | default |\n|---|---|\n%s\n<!-- environment: end -->\n' "$1" >readme
}
readme '| PPROF_PORT | 6060 |'
ok "accepts the same table" "$root/scripts/check-env.sh" ./program readme
readme '| PPROF_PORT | 6061 |'
not_ok "refuses another default" "$root/scripts/check-env.sh" ./program readme
"$root/scripts/check-env.sh" --fix ./program readme
ok "--fix repairs it" "$root/scripts/check-env.sh" ./program readme
is "$(head -n 1 readme)" "# X" "and leaves the rest"
echo '# X' >readme
not_ok "refuses a README without the table" "$root/scripts/check-env.sh" ./program readme
readme '| PPROF_PORT | 6060 |'
printf '#!/bin/sh\n' >program
not_ok "refuses a program that prints nothing" "$root/scripts/check-env.sh" ./program readme
tap_done
