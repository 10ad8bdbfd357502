/* SPDX-License-Identifier: Apache-2.0
 * .eh_frame to rows, in three steps: records (cfi_record.c), the programs in them
 * (cfi_program.c), and what a state of the program's machine looks like as a rule (cfi_rule.c).
 * The input is a copy of the section and nothing in it is trusted: time and memory are linear in
 * its size whatever it holds. References: DWARF 5 section 6.4, LSB Core 5.0 section 10.6. */
#ifndef PA_UNWIND_CFI_H
#define PA_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/unwind/dwarf_read.h"
#include "agent/unwind/rows.h"

struct pa_eh_frame {
	const uint8_t *data;
	size_t len;
	uint64_t addr;   /* that data[0] has in the process */
	uint64_t lo, hi; /* of the object: FDEs outside are ignored, rows are relative to lo */
};

/* Compiles the section. What is malformed is left out. 0, or -ENOMEM, or -EFBIG when object or
 * section are above 4 GiB. Agent thread only. */
int pa_cfi_compile(const struct pa_eh_frame *eh, struct pa_table **ret) PA_CHECKED;

/* Registers whose rules are kept while a program runs; the others are parsed and forgotten. */
enum pa_cfi_column { PA_CFI_FP, PA_CFI_AUX, PA_CFI_RA, PA_CFI_SP, PA_CFI_COLUMNS };

struct pa_cfi_state {
	struct pa_place cfa; /* REG, DEREF, PLT, BAD */
	struct pa_place column[PA_CFI_COLUMNS];
};

struct pa_cfi_cie {
	struct pa_dwarf program; /* initial instructions */
	uint64_t code_align;
	int64_t data_align;
	uint8_t pointer_encoding;
	bool has_augmentation; /* 'z': FDEs carry a length of their own */
	bool signal_frame;
	struct pa_cfi_state initial; /* after pa_cfi_init */
};

struct pa_cfi_fde {
	uint32_t cie; /* offset in the section */
	uint64_t start, end;
	struct pa_dwarf program;
};

/* One record of the section. */
struct pa_cfi_record {
	struct pa_dwarf body; /* behind the id field */
	uint32_t cie;         /* offset of the FDE's CIE; own offset in a CIE */
	bool is_cie;
};

/* The record at offset *at; moves *at behind it. False at the end: terminator, or nonsense. */
bool pa_cfi_next(const struct pa_eh_frame *eh, uint32_t *at, struct pa_cfi_record *ret);

/* The CIE at an offset; false when it is malformed or of a kind that is not supported. */
bool pa_cfi_cie(const struct pa_eh_frame *eh, uint32_t at, struct pa_cfi_cie *ret);

/* What an FDE record says, given its CIE; false when it is malformed or outside the object. */
bool pa_cfi_fde(const struct pa_eh_frame *eh, const struct pa_cfi_record *record,
		const struct pa_cfi_cie *cie, struct pa_cfi_fde *ret);

/* Runs the CIE's instructions; false when they are malformed. */
bool pa_cfi_init(struct pa_cfi_cie *cie);

/* Runs an FDE's program into rows relative to `base`. 0 or -ENOMEM. */
int pa_cfi_run(const struct pa_cfi_cie *cie, const struct pa_cfi_fde *fde, uint64_t base,
	       struct pa_rows *rows) PA_CHECKED;

/* The place a DWARF expression computes: reg + off, *(reg + off) + add, or the PLT expression of
 * binutils; BAD for every other. */
struct pa_place pa_cfi_expression(const uint8_t *expr, size_t len);

/* The rule for a state; wide ones are stored in rows. What no rule holds is NONE and counted. 0
 * or -ENOMEM. */
int pa_cfi_rule(const struct pa_cfi_state *s, bool signal_frame, struct pa_rows *rows,
		uint32_t *ret_rule) PA_CHECKED;

#endif
