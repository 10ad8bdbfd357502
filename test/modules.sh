# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests of code that comes and goes: plugins built here, and modules_host that is told what to
# do with them while one profile is taken.

. "$(dirname "${BASH_SOURCE[0]}")/host.sh"
modules_here=$root/test/endpoint
umask 0 # also for what runs without privileges
chmod 777 "$tmp"

cat >"$tmp/plugin.c" <<'END'
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define LEVEL       __attribute__((noinline, noclone, visibility("default")))
static volatile unsigned long sink = 1;
__attribute__((noinline, noclone)) static void JOIN(NAME, _local)(unsigned long n) { while (n--) sink += n; }
LEVEL void JOIN(NAME, _shared)(unsigned long n) { JOIN(NAME, _local)(n); sink++; }
#ifdef MORE
LEVEL void JOIN(NAME, _more)(void) { sink++; }
#endif
LEVEL void plugin_burn(unsigned long n) { JOIN(NAME, _shared)(n); sink++; }
END

# plugin NAME [FLAG...]: builds $tmp/NAME.so. All have one layout, so that they fit into each other's
# places.
plugin() {
	"${CC:-gcc}" -O2 -fPIC -shared -Wl,-soname,plugin.so "${@:2}" -DNAME="$1" -o "$tmp/$1.so" \
		"$tmp/plugin.c"
}

# window SECONDS STEP...: a profile, $tmp/profile, of modules_host while it does that, run by
# "${runner[@]}". $skip is set when it could not: an object got another address than the one before.
# It is killed by the next one.
window() {
	local caught
	stop_host
	rm -f "$tmp/go" "$tmp/profile"
	agent_start CPU_PROFILE_RATE=250 "${agent_env[@]}" -- "${runner[@]}" "$program" "wait:$tmp/go" \
		"${@:2}" hold
	host_pid=$pid
	caught=$(caught_signals "$pid")
	profile "$tmp/profile" "$1" "$agent_query" &
	fetching=$!
	started+=("$fetching")
	wait_until 15 "${begun:-profile_runs}" "$caught"
	touch "$tmp/go"
	wait "$fetching"
	skip=
	if has_ended "$pid"; then
		wait "$pid"
		[ $? -ne 7 ] || skip=1
	fi
}
# For engines that catch no signal: the request has arrived.
request_runs() {
	grep -q ":$(printf %04X "$port") [0-9A-F]*:[0-9A-F]* 01 " /proc/net/tcp
}
runner=()
agent_env=()
program=$PROGRAMS/modules_host
agent_query= # more of the request
host_pid=
stop_host() {
	[ -z "$host_pid" ] || stop "$host_pid"
	host_pid=
}

# check_window LABEL NAME=MS...: see check_plugins.py
check_window() {
	if [ -n "$skip" ]; then
		echo "# $1: skipped, the loader has chosen another address"
		return
	fi
	is "$(tail -n 1 "$output")" "done" "$1: the program did all of it"
	if ! decode --header "$tmp/profile" >"$tmp/profile.json" 2>"$tmp/error"; then
		tap_check 1 "$1: a valid profile"
		sed 's/^/# /' "$tmp/error" "$output"
		return
	fi
	python3 "$modules_here/check_plugins.py" "--good=${good:-0.99}" "$1" "$tmp/profile.json" "${@:2}" >"$tmp/checks" 2>&1 ||
		grep -q '^not ok' "$tmp/checks" || tap_check 1 "$1: check_plugins.py"
	tap_lines "$tmp/checks"
	is "$(agent_said)" "" "$1: the agent has nothing to complain about"
}
agent_said() {
	grep -v 'listening on\|GET \|no line numbers' "$agent_log"
}
