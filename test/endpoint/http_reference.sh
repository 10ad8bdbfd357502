#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# The same requests to a program under the agent and to a Go program with the real net/http/pprof.
. "$(dirname "$0")/../lib.sh"
tap_need python3 go
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1

# Before 1.23 Go's handlers took every method.
minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
[ "${minor:-0}" -ge 23 ] || tap_skip_all "needs Go 1.23 or later for its method rules"
# The rules of a program depend on the version in its go.mod.
mkdir "$tmp/reference.src"
cp "$here/go_reference/main.go" "$tmp/reference.src"
printf 'module reference\n\ngo 1.%d\n' "$minor" >"$tmp/reference.src/go.mod"
if ! (cd "$tmp/reference.src" && GOTOOLCHAIN=local GOFLAGS=-mod=mod go build -o "$tmp/reference") >"$tmp/go.log" 2>&1; then
	sed 's/^/# /' "$tmp/go.log"
	tap_skip_all "this Go cannot build net/http/pprof"
fi
start "$tmp/reference"
go_port() {
	[ -s "$output" ]
}
wait_until 10 go_port || exit 1
reference_port=$(cat "$output")
agent_start -- "$PROGRAMS/http_host"
python3 "$here/http_reference.py" "$port" "$reference_port"
