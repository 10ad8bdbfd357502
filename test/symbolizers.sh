# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Finds the programs profagent-symbolize that were started for processes of this test. They let
# nobody see their environment or descriptors, but they inherit a limit that nothing else has.

symbolizer_mark=$((500000 + $$ % 300000))
ulimit -S -q "$symbolizer_mark"

# Process ids, one a line.
symbolizers() {
	local candidate
	for candidate in $(pgrep -x profagent-symb); do
		grep -qs "^Max msgqueue size  *$symbolizer_mark " "/proc/$candidate/limits" && echo "$candidate"
	done
	return 0
}
no_symbolizer() {
	[ -z "$(symbolizers)" ]
}
