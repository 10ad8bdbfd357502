/* SPDX-License-Identifier: Apache-2.0
 * Reading bytes of a hostile file: nothing behind `end` is read, and after the first read that does
 * not fit everything is 0 and `bad` is set. */
#ifndef PA_SYMBOLIZE_CURSOR_H
#define PA_SYMBOLIZE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pa_dbg_bytes {
	const uint8_t *at;
	size_t size;
};

struct pa_dbg_cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline size_t pa_dbg_left(const struct pa_dbg_cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* The next n bytes, which are then behind; NULL when there are less. */
static inline const uint8_t *pa_dbg_take(struct pa_dbg_cursor *c, uint64_t n)
{
	const uint8_t *p = c->at;

	if (c->bad || n > pa_dbg_left(c)) {
		c->bad = true;
		c->at = c->end;
		return NULL;
	}
	c->at += n;
	return p;
}

/* A number of 1 to 8 bytes, in the byte order of this machine (little-endian). */
static inline uint64_t pa_dbg_uint(struct pa_dbg_cursor *c, unsigned size)
{
	const uint8_t *p = pa_dbg_take(c, size);
	uint64_t value = 0;

	if (p)
		memcpy(&value, p, size);
	return value;
}

static inline uint64_t pa_dbg_leb(struct pa_dbg_cursor *c, unsigned *ret_bits, bool *ret_negative)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)pa_dbg_uint(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	*ret_bits = shift;
	*ret_negative = byte & 0x40;
	return value;
}

static inline uint64_t pa_dbg_uleb(struct pa_dbg_cursor *c)
{
	unsigned bits;
	bool negative;

	return pa_dbg_leb(c, &bits, &negative);
}

static inline int64_t pa_dbg_sleb(struct pa_dbg_cursor *c)
{
	unsigned bits;
	bool negative;
	uint64_t value = pa_dbg_leb(c, &bits, &negative);

	if (negative && bits < 64)
		value |= ~(uint64_t)0 << bits;
	return (int64_t)value;
}

/* A text that ends inside the bytes; NULL, and bad, otherwise. */
static inline const char *pa_dbg_text(struct pa_dbg_cursor *c)
{
	const uint8_t *start = c->at;
	const uint8_t *nul = c->bad || !pa_dbg_left(c) ? NULL : memchr(start, 0, pa_dbg_left(c));

	if (!nul) {
		c->bad = true;
		c->at = c->end;
		return NULL;
	}
	c->at = nul + 1;
	return (const char *)start;
}

#endif
