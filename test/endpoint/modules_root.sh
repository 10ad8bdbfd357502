#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# A program whose paths mean something else by now: locked into a directory, or in a mount namespace
# of its own, with another file where its own one was. Never the wrong names.
. "$(dirname "$0")/../modules.sh"
tap_need curl python3 "${CC:-gcc}" unshare mount
[ "$(id -u)" -eq 0 ] || tap_skip_all "chroot(2) and mount(2) take root"
cd "$tmp" || exit 1
ok "alpha is built" plugin alpha
ok "bravo is built" plugin bravo
mkdir own other
cp alpha.so own/live.so
cp bravo.so other/live.so

# The same path inside leads to another library.
mkdir -p "jail$tmp/own"
cp bravo.so "jail$tmp/own/live.so"
chmod -R go+rX jail
window 2 "open:$tmp/own/live.so" "chroot:$tmp/jail" burn:300
check_window "locked up" alpha=300:live.so
window 2 "open:$tmp/own/live.so" "chroot:$tmp/jail" burn:300 close
check_window "locked up, and closed" alpha=300:live.so

if ! unshare -m true 2>/dev/null; then
	echo "# no mount namespaces here"
	tap_done
fi
runner=(unshare -m)
window 2 "run:mount --bind $tmp/other $tmp/own" "open:$tmp/own/live.so" burn:300
check_window "in a namespace" bravo=300:live.so
window 2 "open:$tmp/own/live.so" "run:mount --bind $tmp/other $tmp/own" burn:300
check_window "under another mount" alpha=300:live.so
window 2 "open:$tmp/own/live.so" "run:mount --bind $tmp/other $tmp/own" burn:300 close \
	"again:$tmp/own/live.so" burn:400
check_window "under another mount, and opened again" alpha=300:live.so bravo=400:live.so
runner+=(setpriv --reuid=65534 --regid=65534 --clear-groups)
window 2 "run:true" "open:$tmp/own/live.so" burn:300
check_window "without privileges" alpha=300:live.so
stop_host
tap_done
