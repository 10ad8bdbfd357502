/* SPDX-License-Identifier: Apache-2.0
 * A cursor over untrusted DWARF bytes. Nothing past `end` is read; the first read that does not
 * fit sets `bad` and every later one returns 0, so that callers check once. */
#ifndef PA_UNWIND_DWARF_READ_H
#define PA_UNWIND_DWARF_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Pointer encodings (LSB Core 5.0, 10.5.1): format in the low four bits, what it is relative to
 * in the next three. */
#define PA_PE_ULEB     0x01
#define PA_PE_UDATA2   0x02
#define PA_PE_UDATA4   0x03
#define PA_PE_UDATA8   0x04
#define PA_PE_SLEB     0x09
#define PA_PE_SDATA2   0x0a
#define PA_PE_SDATA4   0x0b
#define PA_PE_SDATA8   0x0c
#define PA_PE_FORMAT   0x0f
#define PA_PE_PCREL    0x10
#define PA_PE_APPLY    0x70
#define PA_PE_INDIRECT 0x80
#define PA_PE_OMIT     0xff

struct pa_dwarf {
	const uint8_t *p, *end;
	uint64_t bias; /* the address that *p has in the process, minus p */
	bool bad;
};

static inline size_t pa_dwarf_left(const struct pa_dwarf *d)
{
	return (size_t)(d->end - d->p);
}

/* The next n bytes; NULL when there are fewer. */
static inline const uint8_t *pa_dwarf_bytes(struct pa_dwarf *d, uint64_t n)
{
	const uint8_t *p = d->p;

	if (d->bad || n > pa_dwarf_left(d)) {
		d->bad = true;
		return NULL;
	}
	d->p += n;
	return p;
}

#define PA_DWARF_FIXED(name, type)                                                                 \
	static inline type pa_dwarf_##name(struct pa_dwarf *d)                                     \
	{                                                                                          \
		const uint8_t *p = pa_dwarf_bytes(d, sizeof(type));                                \
		type v = 0;                                                                        \
                                                                                                   \
		if (p)                                                                             \
			memcpy(&v, p, sizeof(v));                                                  \
		return v;                                                                          \
	}
PA_DWARF_FIXED(u8, uint8_t)
PA_DWARF_FIXED(u16, uint16_t)
PA_DWARF_FIXED(u32, uint32_t)
PA_DWARF_FIXED(u64, uint64_t)
#undef PA_DWARF_FIXED

/* Bits of a LEB128 number and how many there are; at most ten bytes, and none that would fall
 * out of 64 bits. */
static inline uint64_t pa_dwarf_leb(struct pa_dwarf *d, unsigned *ret_bits, bool *ret_negative)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = pa_dwarf_u8(d);
		if (shift == 63 && (byte & 0x7f) != 0 && (byte & 0x7f) != 1 &&
		    (byte & 0x7f) != 0x7f)
			d->bad = true;
		if (d->bad || shift > 63) {
			d->bad = true;
			return 0;
		}
		v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	*ret_bits = shift;
	*ret_negative = byte & 0x40;
	return v;
}

static inline uint64_t pa_dwarf_uleb(struct pa_dwarf *d)
{
	unsigned bits;
	bool negative;

	if (!d->bad && d->p < d->end && *d->p < 0x80)
		return pa_dwarf_u8(d);
	return pa_dwarf_leb(d, &bits, &negative);
}

static inline int64_t pa_dwarf_sleb(struct pa_dwarf *d)
{
	unsigned bits = 0;
	bool negative = false;
	uint64_t v = pa_dwarf_leb(d, &bits, &negative);

	if (negative && bits < 64)
		v |= ~UINT64_C(0) << bits;
	return (int64_t)v;
}

/* A value in one of the formats above, sign-extended where it is signed. */
static inline uint64_t pa_dwarf_value(struct pa_dwarf *d, uint8_t encoding)
{
	switch (encoding & PA_PE_FORMAT) {
	case 0: /* absolute: the size of an address */
	case PA_PE_UDATA8:
	case PA_PE_SDATA8:
		return pa_dwarf_u64(d);
	case PA_PE_ULEB:
		return pa_dwarf_uleb(d);
	case PA_PE_SLEB:
		return (uint64_t)pa_dwarf_sleb(d);
	case PA_PE_UDATA2:
		return pa_dwarf_u16(d);
	case PA_PE_SDATA2:
		return (uint64_t)(int16_t)pa_dwarf_u16(d);
	case PA_PE_UDATA4:
		return pa_dwarf_u32(d);
	case PA_PE_SDATA4:
		return (uint64_t)(int32_t)pa_dwarf_u32(d);
	default:
		d->bad = true;
		return 0;
	}
}

/* An address: absolute or relative to its own place. The other kinds never occur in .eh_frame of
 * x86-64 and aarch64 and would need bases or memory that are not at hand: bad. */
static inline uint64_t pa_dwarf_pointer(struct pa_dwarf *d, uint8_t encoding)
{
	uint64_t at = (uint64_t)d->p + d->bias;
	uint64_t v = pa_dwarf_value(d, encoding);

	if (encoding & PA_PE_INDIRECT)
		d->bad = true;
	switch (encoding & PA_PE_APPLY) {
	case 0:
		return v;
	case PA_PE_PCREL:
		return at + v;
	default:
		d->bad = true;
		return 0;
	}
}

#endif
