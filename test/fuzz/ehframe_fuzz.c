/* SPDX-License-Identifier: Apache-2.0
 * Bytes as .eh_frame, as the header of an object, and as a stack that is walked with what came out
 * of them. Besides not crashing: rows are in order, all of them are found, time and memory are
 * linear in the input, and no memory is left over. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/unwind/cfi.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"

/* The object is as large as objects may be and the section lies in its middle, so that relative
 * pointers of 4 bytes lead into it. */
#define BASE    UINT64_C(0x7f0000000000)
#define SIZE    UINT64_C(0xffffffff)
#define SECTION (BASE + 0x80000000)
#define STACK   UINT64_C(0x7ffe00000000)
#define ROWS    64 /* that are tried */
#define FRAMES  32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pa_snapshot *snapshot;
static const uint64_t starts[] = {BASE};

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_rows(const struct pa_table *t, size_t size)
{
	require(t->count <= size + 2);
	require(t->bytes <= 64 * size + 4096);
	for (uint32_t i = 1; i < t->count; i++)
		require(t->rows[i - 1].pc < t->rows[i].pc);
	for (uint32_t i = 1; i < t->count; i++) {
		uint32_t rule = t->rows[i].rule;

		require(t->rows[i].pc == UINT32_MAX || pa_table_rule(t, t->rows[i].pc) == rule);
		require(PA_RULE_KIND(rule) != PA_RULE_WIDE ||
			PA_RULE_WIDE_INDEX(rule) < t->wide_count);
		require(PA_RULE_KIND(rule) <= PA_RULE_WIDE);
	}
}

/* From each row, over the input as stack. */
static void walk(struct pa_table *t, const uint8_t *data, size_t size)
{
	const struct pa_stack_view v = {STACK, STACK + size, data};
	uint64_t frames[FRAMES];
	enum pa_walk_end end;

	if (!snapshot)
		snapshot = calloc(1, sizeof(*snapshot) + sizeof(snapshot->entries[0]));
	require(snapshot);
	snapshot->count = 1;
	snapshot->starts = starts;
	snapshot->entries[0].object = (struct pa_object){
		.lo = BASE, .hi = BASE + SIZE, .code_lo = BASE, .code_hi = BASE + SIZE};
	atomic_store(&snapshot->entries[0].table, t);
	atomic_store(&pa_snapshot, snapshot);
	for (uint32_t i = 1; i < t->count && i < ROWS; i++) {
		struct pa_regs regs;
		int n;

		for (unsigned r = 0; r < PA_REG_COUNT; r++)
			regs.r[r] = STACK + (r * 8 + i * 24) % (size + 8);
		regs.r[PA_REG_PC] = BASE + t->rows[i].pc;
		regs.r[PA_REG_SP] = STACK + i * 8 % (size + 8);
		n = pa_unwind_walk(&regs, &v, NULL, frames, FRAMES, &end, NULL);
		require(n >= 1 && n <= FRAMES);
	}
	atomic_store(&pa_snapshot, NULL);
}

static void check_header(const uint8_t *data, size_t size)
{
	struct pa_object o = {0};
	uint64_t addr;

	if (!pa_object_layout(data, size, BASE, &o)) {
		require(o.lo < o.hi && o.hi - o.lo <= UINT32_MAX);
		require(o.code_lo >= o.lo && o.code_hi <= o.hi && o.code_lo < o.code_hi);
		require(!o.eh_frame_hdr || (o.eh_frame_hdr >= o.lo && o.eh_frame_hdr < o.hi));
	}
	if (!pa_object_eh_frame(data, size, SECTION, &addr))
		require(size >= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pa_eh_frame eh = {
		.data = data, .len = size, .addr = SECTION, .lo = BASE, .hi = BASE + SIZE};
	size_t before = pa_mem_used();
	struct pa_table *t;

	check_header(data, size);
	if (!pa_cfi_compile(&eh, &t)) {
		check_rows(t, size);
		walk(t, data, size);
		pa_table_free(t);
	}
	require(pa_mem_used() == before);
	return 0;
}
