#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# `make install` and `make uninstall`, and the library by its bare name afterwards.
. "$(dirname "$0")/../lib.sh"
cd "$root" || exit 1
# Without building: other tests use the library at this moment.
make_() {
	make --no-print-directory BUILD="${BUILD#"$root/"}" NO_BUILD=1 "$@" 2>&1
}
libdir=lib/$(gcc -print-multiarch)

output=$(make_ install DESTDIR="$tmp/stage" PREFIX=/usr)
is "$?" 0 "installs into a staging folder" || sed 's/^/# /' <<<"$output"
ok "the library is where ld.so looks" test -x "$tmp/stage/usr/$libdir/libprofagent.so"
ok "with the symbolizer in a folder beside it" test -x "$tmp/stage/usr/$libdir/profagent/profagent-symbolize"
ok "and the script is there" test -x "$tmp/stage/usr/bin/profile_cpu.sh"
is "$(find "$tmp/stage" -type f ! -name libprofagent.so ! -name profagent-symbolize ! -name profile_cpu.sh \
	! -path '*/doc/*')" "" "and nothing else"
ok "installs again over a library in use" make_ install DESTDIR="$tmp/stage" PREFIX=/usr
ok "uninstalls" make_ uninstall DESTDIR="$tmp/stage" PREFIX=/usr
is "$(find "$tmp/stage" -type f -o -name profagent)" "" "and leaves no file"

# Another prefix than ld.so knows: the path is printed, and works.
output=$(make_ install PREFIX="$tmp/own")
like "$output" "LD_PRELOAD=$tmp/own/$libdir/libprofagent.so" "says what to preload"
is "$(LD_PRELOAD=$tmp/own/$libdir/libprofagent.so PPROF_ENABLED=false sh -c "echo works" 2>&1)" works "which works"
make_ uninstall PREFIX="$tmp/own" >/dev/null
is "$(find "$tmp/own" -type f)" "" "and uninstalls again"

# The default prefix changes the machine: only where nothing is installed, and only for a moment.
if [ "$(id -u)" -eq 0 ] && [ ! -e "/usr/local/$libdir/libprofagent.so" ] &&
	[ ! -e /usr/local/bin/profile_cpu.sh ]; then
	trap 'make_ uninstall >/dev/null; lib_cleanup' EXIT
	said=$(make_ install)
	like "$said" 'LD_PRELOAD=libprofagent.so ./service' "the default prefix needs no path"
	# No word from the loader ("cannot be preloaded"), and the agent is there.
	AGENT=libprofagent.so agent_start -- sleep 30
	is "$(fetch_status /cmdline)" 200 "LD_PRELOAD=libprofagent.so works by its bare name"
	is "$(cat "$output")" "" "and the loader is silent"
	stop "$pid"
	make_ uninstall >/dev/null
	not_ok "uninstalled" test -e "/usr/local/$libdir/libprofagent.so"
fi
tap_done
