/* SPDX-License-Identifier: Apache-2.0
 * Hash functions. For tables of our own making, not against an adversary. */
#include <string.h>

#include "agent/base/hash.h"

#define GOLDEN 0x9e3779b97f4a7c15ull /* 2^64 divided by the golden ratio */

uint64_t pa_hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x;
}

uint64_t pa_hash_words(const uint64_t *words, size_t count)
{
	uint64_t h = (count + 1) * GOLDEN;

	for (size_t i = 0; i < count; i++)
		h = pa_hash_mix(h ^ words[i]) + GOLDEN;
	return h;
}

uint64_t pa_hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = (len + 1) * GOLDEN;

	while (len) {
		size_t n = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
		uint64_t word = 0;

		memcpy(&word, p, n);
		h = pa_hash_mix(h ^ word) + GOLDEN;
		p += n;
		len -= n;
	}
	return h;
}
