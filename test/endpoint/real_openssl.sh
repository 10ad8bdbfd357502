#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# openssl speed: assembler that keeps its frame in any register, on a realigned stack, behind an
# array, or in the red zone.
. "$(dirname "$0")/../real.sh"
tap_need openssl curl python3

# measure ENGINE LABEL SECONDS ARGUMENT...: one algorithm a second, the last ones for slow machines.
measure() {
	local engine=$1 label=$2 seconds=$3
	shift 3
	engine_start "$engine" -- openssl speed -seconds 1 -bytes 4096 "$@"
	ok "$engine $label: a profile" take "$pid" "$tmp/openssl" "$seconds"
	check_profile "$engine" "$tmp/openssl" "$label" --names='^libcrypto|^EVP_'
	unlike "$(cat "$output")" ' error!|:error:' "$engine $label: no algorithm fails"
	stop "$pid"
	is "$?" 143 "$engine $label: ends by the signal"
}

measure timer digests 4 sha512 sha1 aes-128-cbc ghash rsa4096 dsa2048 rsa2048
measure timer signatures 4 rsa1024 ecdsap384 ecdhx25519 rsa4096 dsa2048 rsa2048
measure timer aes-gcm 2 -seconds 20 -evp aes-256-gcm
# The kernel copies no red zone, where SHA-512 for AVX2 has its frame's address: no digests here.
measure perf signatures 3 rsa1024 ecdhx25519 ed25519 rsa2048 rsa4096 dsa2048
tap_done
