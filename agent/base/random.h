/* SPDX-License-Identifier: Apache-2.0
 * Pseudo-random numbers for sampling (not for secrets): xorshift64*, S. Vigna, "An experimental
 * exploration of Marsaglia's xorshift generators, scrambled". */
#ifndef PA_BASE_RANDOM_H
#define PA_BASE_RANDOM_H

#include <stdint.h>

/* *state must be seeded non-zero. Signal-safe. */
static inline uint64_t pa_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

#endif
