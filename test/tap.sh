# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The verbs of tap.h for shell tests. Source it; end with tap_done.

tap_run=0
tap_failed=0

# tap_check STATUS NAME
tap_check() {
	tap_run=$((tap_run + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_run - $2"
		return 0
	fi
	echo "not ok $tap_run - $2"
	echo "# at ${BASH_SOURCE[2]}:${BASH_LINENO[1]}"
	tap_failed=$((tap_failed + 1))
	return 1
}

# ok NAME COMMAND...: the command succeeds. Its output becomes a comment when it does not.
ok() {
	local name=$1 output status
	shift
	output=$("$@" 2>&1)
	status=$?
	tap_check "$status" "$name" && return 0
	printf '%s\n' "$output" | sed 's/^/# /'
	return 1
}

# not_ok NAME COMMAND...: the command fails.
not_ok() {
	local name=$1 output status
	shift
	output=$("$@" 2>&1)
	status=$?
	tap_check $((status == 0)) "$name" && return 0
	printf '%s\n' "$output" | sed 's/^/# /'
	return 1
}

# is GOT WANT NAME: equal as text.
is() {
	local status=0
	[ "$1" = "$2" ] || status=1
	tap_check $status "$3" && return 0
	printf 'got  %s\nwant %s\n' "$1" "$2" | sed 's/^/# /'
	return 1
}

# like GOT REGEX NAME: matches an extended regular expression somewhere.
like() {
	local status=0
	grep -aqE -- "$2" <<<"$1" || status=1
	tap_check $status "$3" && return 0
	printf 'got  %s\nwant /%s/\n' "$1" "$2" | sed 's/^/# /'
	return 1
}

# unlike GOT REGEX NAME
unlike() {
	local status=0
	! grep -aqE -- "$2" <<<"$1" || status=1
	tap_check $status "$3" && return 0
	printf 'got  %s\nwant no /%s/\n' "$1" "$2" | sed 's/^/# /'
	return 1
}

# in_range GOT LOW HIGH NAME: numbers, also fractions.
in_range() {
	local status=0
	awk -v g="$1" -v l="$2" -v h="$3" 'BEGIN { exit !(g != "" && g + 0 >= l && g + 0 <= h) }' ||
		status=1
	tap_check $status "$4 ($1, wanted $2 to $3)"
}

# tap_lines FILE: the lines of a checker that counts nothing itself become ours.
tap_lines() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok - '*) tap_check 0 "${line#ok - }" ;;
		'not ok - '*) tap_check 1 "${line#not ok - }" ;;
		*) echo "# ${line#\#}" ;;
		esac
	done <"$1"
}

tap_skip_all() {
	echo "1..0 # SKIP $1"
	exit 2
}

# Needs every program named; the test is skipped otherwise.
tap_need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || tap_skip_all "$program is not installed"
	done
}

tap_done() {
	echo "1..$tap_run"
	if [ "$tap_run" -eq 0 ] || [ "$tap_failed" -gt 0 ]; then
		exit 1
	fi
	exit 0
}
