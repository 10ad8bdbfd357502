#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 150
# dlopen, dlclose, exceptions and threads without a pause at the highest sampling rate. SECS=60
# makes it a stress test.
. "$(dirname "$0")/../host.sh"
tap_need curl python3

secs=${SECS:-4}
limit=$((secs * 4 + 20))
libraries=()
for i in 1 2 3 4 5; do
	cp "$PROGRAMS/host_storm_lib" "$tmp/lib$i.so"
	libraries+=("$tmp/lib$i.so")
done
same host_storm "$secs" "${libraries[@]}"
last=$(find "$profiles" -name '[0-9]*' | sort -V | tail -n 1)
ok "a profile was taken" test -n "$last"
ok "it keeps the rules" decode --check "$last"
like "$(decode --traces "$last")" 'thrower' "it shows what throws"
like "$(cat "$output")" 'wrong 0$' "nothing went wrong"
tap_done
