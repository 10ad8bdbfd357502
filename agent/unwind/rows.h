/* SPDX-License-Identifier: Apache-2.0
 * The compiled form of one object's .eh_frame: sorted 8-byte rows, each valid from its pc to the
 * next row's, found through an index with one entry a page of code.
 *
 *	rule:  31            14 13     9 8      3 2    0
 *	       +---------------+--------+--------+------+
 *	       |   CFA / 8     |  aux   |   fp   | kind |
 *	       +---------------+--------+--------+------+
 *
 * fp and aux say where the caller's value of that register is: 0 in the register still, n at
 * CFA - 8 n. What does not fit is a PA_RULE_WIDE row, whose upper bits number a struct pa_wide. */
#ifndef PA_UNWIND_ROWS_H
#define PA_UNWIND_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_row {
	uint32_t pc; /* relative to the object's lowest address */
	uint32_t rule;
};

enum pa_rule_kind {
	PA_RULE_NONE,   /* no FDE here, or one that no rule can hold */
	PA_RULE_SP,     /* CFA = stack pointer + n */
	PA_RULE_FP,     /* CFA = frame pointer + n */
	PA_RULE_PLT,    /* CFA = sp + 8, and 8 more from byte n of each 16-byte PLT entry on */
	PA_RULE_SIGNAL, /* trampoline: the interrupted registers are in the signal frame */
	PA_RULE_END,    /* outermost: the return address is undefined */
	PA_RULE_WIDE,
};

#define PA_RULE_KIND(rule)   ((rule)&7)
#define PA_RULE_FP_AT(rule)  ((rule) >> 3 & 63)
#define PA_RULE_AUX_AT(rule) ((rule) >> 9 & 31)
#define PA_RULE_N(rule)      ((rule) >> 14)
#define PA_RULE_FP_MAX       63
#define PA_RULE_AUX_MAX      31
#define PA_RULE_N_MAX        0x3ffff

#define PA_RULE(kind, n, fp, aux)                                                                  \
	((uint32_t)(kind) | (uint32_t)(fp) << 3 | (uint32_t)(aux) << 9 | (uint32_t)(n) << 14)

/* Wide rules are numbered by all bits above the kind. */
#define PA_RULE_WIDE_INDEX(rule) ((rule) >> 3)
#define PA_RULE_WIDE_MAX         0x1fffffffu

enum pa_place_kind {
	PA_PLACE_SAME,  /* a register that still has the caller's value */
	PA_PLACE_LOST,  /* unknown from here on */
	PA_PLACE_CFA,   /* CFA + off */
	PA_PLACE_REG,   /* reg + off + index * scale */
	PA_PLACE_DEREF, /* *(reg + off + index * scale) + add */
	PA_PLACE_IN,    /* not in memory: the value is in reg */
	PA_PLACE_PLT,   /* only while compiling: see PA_RULE_PLT, the byte is in off */
	PA_PLACE_BAD,   /* only while compiling: nothing here can hold it */
};

struct pa_place {
	uint8_t kind;         /* enum pa_place_kind */
	uint8_t reg;          /* DWARF number */
	uint8_t index, scale; /* a second register; scale 0: none */
	int32_t off, add;
};

struct pa_wide {
	struct pa_place cfa;     /* REG or DEREF: the CFA itself */
	struct pa_place ra;      /* CFA: saved there; IN */
	struct pa_place fp, aux; /* SAME, LOST; CFA, REG, DEREF: saved at that address */
};

/* Rows behind the last one that a search may look at. */
#define PA_ROWS_PAD 8

struct pa_table {
	const struct pa_row *rows; /* count of them, then PA_ROWS_PAD with the highest pc */
	const uint32_t *index;     /* pages + 1: last row that starts at or before that page */
	const struct pa_wide *wide;
	uint32_t count, wide_count;
	uint32_t first_page, pages; /* pages is 0 in an empty table: every search finds nothing */
	uint32_t shift;             /* log2 of the page size */
	size_t bytes;               /* of the block that holds all of it, this struct included */
	void *block;
	uint64_t inexpressible;
};

/* The rule for pc x (relative, below UINT32_MAX), PA_RULE(NONE) where there is none. Touches one
 * index line and mostly one line of rows. Branches, because a predicted one lets the load of the
 * row go ahead, while a count or a conditional move waits for the rows before it: walks of a hot
 * stack took 13 ns a frame with this scan, 17 with a branch-free count, 20 with a binary search.
 * At most PA_ROWS_PAD rows are passed one by one. Signal-safe. */
static inline uint32_t pa_table_rule(const struct pa_table *t, uint32_t x)
{
	uint32_t page = (x >> t->shift) - t->first_page;
	const struct pa_row *r;
	uint32_t n;

	if (pa_unlikely(page >= t->pages))
		return PA_RULE(PA_RULE_NONE, 0, 0, 0);
	r = t->rows + t->index[page];
	n = t->index[page + 1] - t->index[page];
	while (pa_unlikely(n > PA_ROWS_PAD)) {
		uint32_t half = n / 2;

		if (r[half].pc <= x) {
			r += half;
			__asm__("" : "+r"(r)); /* keeps gcc from making it a conditional move */
		}
		n -= half;
	}
	while (r[1].pc <= x)
		r++;
	return r->rule;
}

/* Builds a table. Zero-initialise; rows must come in ascending order of pc. */
struct pa_rows {
	struct pa_row *rows;
	struct pa_wide *wide;
	size_t rows_cap, wide_cap; /* bytes */
	uint32_t count, wide_count;
	uint64_t inexpressible;
};

/* Appends a row, or replaces those at and behind `pc`; equal neighbours become one. 0 or -ENOMEM.
 * Any thread, like all below. */
int pa_rows_add(struct pa_rows *b, uint32_t pc, uint32_t rule) PA_CHECKED;

/* Stores a wide rule and gives the row's rule for it. 0 or -ENOMEM. */
int pa_rows_wide(struct pa_rows *b, const struct pa_wide *wide, uint32_t *ret_rule) PA_CHECKED;

/* Turns the rows into a table and empties the builder; the table is freed with pa_table_free.
 * 0 or -ENOMEM. */
int pa_rows_finish(struct pa_rows *b, struct pa_table **ret) PA_CHECKED;
void pa_rows_done(struct pa_rows *b);

/* NULL and the empty table are fine. */
void pa_table_free(struct pa_table *t);

/* For objects that have no rows. */
extern struct pa_table pa_table_empty;

#endif
