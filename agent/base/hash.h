/* SPDX-License-Identifier: Apache-2.0
 * Hash functions and a table from 64-bit keys to 64-bit values. */
#ifndef PA_BASE_HASH_H
#define PA_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

/* Mixes 64 bits (the finalizer of MurmurHash3, public domain, A. Appleby). */
uint64_t pa_hash_mix(uint64_t x);
uint64_t pa_hash_words(const uint64_t *words, size_t count);
uint64_t pa_hash_bytes(const void *data, size_t len);

/* Open addressing with linear probing over pages of the budget. Key 0 is legal. Not
 * thread-safe; zero-initialise. */
struct pa_map64 {
	struct pa_map64_slot *slots;
	size_t bytes;    /* mapped */
	size_t capacity; /* power of two, 0 at first */
	size_t count;
};

/* 0 or -ENOMEM. Overwrites. */
int pa_map64_put(struct pa_map64 *m, uint64_t key, uint64_t value) PA_CHECKED;
bool pa_map64_get(const struct pa_map64 *m, uint64_t key, uint64_t *ret_value);
void pa_map64_done(struct pa_map64 *m);

#endif
