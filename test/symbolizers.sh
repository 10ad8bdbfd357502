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
# Whether a program stays for the next question (agent/base/spawn.c): else it ends with the answer.
symbolizers_stay() {
	case $(cat /proc/1/comm) in systemd | init | tini | dumb-init | docker-init) ;; *) return 1 ;; esac
}
no_symbolizer() {
	[ -z "$(symbolizers)" ]
}
