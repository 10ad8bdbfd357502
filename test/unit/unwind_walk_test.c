/* SPDX-License-Identifier: Apache-2.0
 * Walks over stacks and objects made up here: nothing in them exists in this process. */
#include <dlfcn.h>
#include <ucontext.h>

#include "agent/base/arena.h"
#include "agent/base/random.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/snapshot.h"
#include "test/tap.h"

#define LIB   UINT64_C(0x10000000) /* the object */
#define DATA  (LIB + 0x8000)       /* its data begins here */
#define STACK UINT64_C(0x7ffe00000000)
#define JIT   UINT64_C(0x20000000) /* in no object */
#define WORDS 512

/* Functions of the object, 0x100 bytes each. */
enum {
	F_START = 1, /* undefined return address */
	F_SP8,       /* CFA = rsp + 8 */
	F_SP32,      /* CFA = rsp + 32 */
	F_SP32_RBP,  /* the same, rbp at CFA - 16 */
	F_SP32_RBX,  /* the same, rbx at CFA - 16 */
	F_FP,        /* CFA = rbp + 16, rbp at CFA - 16 */
	F_PLT,       /* CFA = rsp + 8, + 16 from byte 11 on */
	F_SIGNAL,
	F_GAP,     /* no FDE */
	F_RAX,     /* CFA = rax + 8 */
	F_R12,     /* CFA = r12 + 8 */
	F_RBX,     /* CFA = rbx + 16 */
	F_DRAP,    /* CFA = *(rbp - 8), rbp at rbp */
	F_R10,     /* CFA = r10, rbp at rbp */
	F_DEREF,   /* CFA = *(rsp + 16) + 8 */
	F_INDEX,   /* CFA = *(rsp + 8 + r9 * 8) + 8 */
	F_RA_RDI,  /* CFA = rsp, return address in rdi */
	F_LOST_FP, /* CFA = rsp + 16, rbp undefined */
	F_COUNT
};
#define AT(f) (LIB + (f)*UINT64_C(0x100) + 0x20)

static struct pa_snapshot *snapshot;
static const uint64_t starts[] = {LIB};
static uint64_t words[WORDS];
static struct pa_regs regs;
static uint64_t frames[64];
static enum pa_walk_end end;

static struct pa_place place(enum pa_place_kind kind, int reg, int off, int add)
{
	return (struct pa_place){.kind = kind, .reg = (uint8_t)reg, .off = off, .add = add};
}

static uint32_t wide(struct pa_rows *b, struct pa_place cfa, struct pa_place ra, struct pa_place fp)
{
	struct pa_wide w = {.cfa = cfa, .ra = ra, .fp = fp};
	uint32_t rule = 0;

	if (pa_rows_wide(b, &w, &rule))
		exit(1);
	return rule;
}

static void make_object(void)
{
	const struct pa_place ra = place(PA_PLACE_CFA, 0, -8, 0), same = {0};
	const struct pa_place indexed = {
		.kind = PA_PLACE_DEREF, .reg = 7, .index = 9, .scale = 8, .off = 8, .add = 8};
	struct pa_rows b = {0};
	uint32_t rules[F_COUNT] = {
		[F_START] = PA_RULE(PA_RULE_END, 0, 0, 0),
		[F_SP8] = PA_RULE(PA_RULE_SP, 1, 0, 0),
		[F_SP32] = PA_RULE(PA_RULE_SP, 4, 0, 0),
		[F_SP32_RBP] = PA_RULE(PA_RULE_SP, 4, 2, 0),
		[F_SP32_RBX] = PA_RULE(PA_RULE_SP, 4, 0, 2),
		[F_FP] = PA_RULE(PA_RULE_FP, 2, 2, 0),
		[F_PLT] = PA_RULE(PA_RULE_PLT, 11, 0, 0),
		[F_SIGNAL] = PA_RULE(PA_RULE_SIGNAL, 0, 0, 0),
		[F_RAX] = wide(&b, place(PA_PLACE_REG, 0, 8, 0), ra, same),
		[F_R12] = wide(&b, place(PA_PLACE_REG, 12, 8, 0), ra, same),
		[F_RBX] = wide(&b, place(PA_PLACE_REG, 3, 16, 0), ra, same),
		[F_DRAP] =
			wide(&b, place(PA_PLACE_DEREF, 6, -8, 0), ra, place(PA_PLACE_REG, 6, 0, 0)),
		[F_R10] = wide(&b, place(PA_PLACE_REG, 10, 0, 0), ra, place(PA_PLACE_REG, 6, 0, 0)),
		[F_DEREF] = wide(&b, place(PA_PLACE_DEREF, 7, 16, 8), ra, same),
		[F_INDEX] = wide(&b, indexed, ra, same),
		[F_RA_RDI] =
			wide(&b, place(PA_PLACE_REG, 7, 0, 0), place(PA_PLACE_IN, 5, 0, 0), same),
		[F_LOST_FP] =
			wide(&b, place(PA_PLACE_REG, 7, 16, 0), ra, place(PA_PLACE_LOST, 0, 0, 0)),
	};
	struct pa_table *t;
	int err = 0;

	for (uint32_t f = 1; f < F_COUNT; f++)
		err |= pa_rows_add(&b, f * 0x100, rules[f]);
	err |= pa_rows_add(&b, F_COUNT * 0x100, PA_RULE(PA_RULE_NONE, 0, 0, 0));
	if (err || pa_rows_finish(&b, &t))
		exit(1);
	snapshot = calloc(1, sizeof(*snapshot) + sizeof(snapshot->entries[0]));
	if (!snapshot)
		exit(1);
	snapshot->count = 1;
	snapshot->starts = starts;
	snapshot->entries[0].object =
		(struct pa_object){.lo = LIB, .hi = LIB + 0x10000, .code_lo = LIB, .code_hi = DATA};
	atomic_store(&snapshot->entries[0].table, t);
	atomic_store(&pa_snapshot, snapshot);
}

/* Address of a word of the stack. */
static uint64_t word(unsigned i)
{
	return STACK + 8 * (uint64_t)i;
}

/* An empty stack, the stack pointer at word 16. */
static void begin(uint64_t pc)
{
	memset(words, 0, sizeof(words));
	regs = (struct pa_regs){0};
	regs.r[PA_REG_PC] = pc;
	regs.r[PA_REG_SP] = word(16);
}

static int walk_max(int max)
{
	struct pa_stack_view v = {STACK, word(WORDS), (const uint8_t *)words};

	memset(frames, 0, sizeof(frames));
	return pa_unwind_walk(&regs, &v, NULL, frames, max, &end, NULL);
}

static int walk(void)
{
	return walk_max(64);
}

static void expect(const char *name, int n, int want_n, enum pa_walk_end want_end)
{
	if (!ok(n == want_n && end == want_end, "%s", name))
		printf("# %d frames, end %d; wanted %d, %d\n", n, end, want_n, want_end);
}

static void test_common(void)
{
	begin(AT(F_SP8));
	words[16] = AT(F_SP32);
	words[20] = AT(F_START);
	expect("rsp-based frames to the outermost", walk(), 3, PA_WALK_COMPLETE);
	ok(frames[0] == AT(F_SP8) && frames[1] == AT(F_SP32) - 1 && frames[2] == AT(F_START) - 1,
	   "the leaf's pc is exact, callers' are inside their calls");

	begin(AT(F_FP));
	regs.r[PA_REG_FP] = word(20);
	words[20] = word(30);
	words[21] = AT(F_FP);
	words[30] = 0x1234;
	words[31] = AT(F_START);
	expect("rbp-based frames", walk(), 3, PA_WALK_COMPLETE);

	begin(AT(F_SP32_RBP));
	words[18] = word(30);
	words[19] = AT(F_SP32);
	words[23] = AT(F_SP8);
	words[24] = AT(F_FP);
	words[31] = AT(F_START);
	expect("rbp saved by a callee, used two frames on", walk(), 5, PA_WALK_COMPLETE);

	begin(AT(F_SP8));
	expect("return address 0 is the end", walk(), 1, PA_WALK_COMPLETE);
	begin(AT(F_SP8));
	words[16] = 5;
	expect("a return address in the first page is not", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_SP8));
	words[16] = UINT64_C(0xffff800000000000);
	expect("nor one in the kernel", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_SP8));
	words[16] = DATA + 64;
	expect("a return address in data", walk(), 2, PA_WALK_BROKEN);
}

static void test_plt(void)
{
	begin(LIB + F_PLT * 0x100 + 6);
	words[16] = AT(F_START);
	expect("PLT before the push", walk(), 2, PA_WALK_COMPLETE);
	begin(LIB + F_PLT * 0x100 + 11);
	words[17] = AT(F_START);
	expect("PLT behind it", walk(), 2, PA_WALK_COMPLETE);
	ok(frames[1] == AT(F_START) - 1, "finds the caller");
}

static void test_wide(void)
{
	begin(AT(F_RAX));
	regs.r[0] = word(40);
	words[40] = AT(F_START);
	expect("CFA on rax in the leaf", walk(), 2, PA_WALK_COMPLETE);
	begin(AT(F_SP8));
	regs.r[0] = word(40);
	words[16] = AT(F_RAX);
	words[40] = AT(F_START);
	expect("CFA on rax in its caller", walk(), 3, PA_WALK_COMPLETE);
	begin(AT(F_R12));
	regs.r[12] = word(40);
	words[40] = AT(F_START);
	expect("CFA on r12 in the leaf", walk(), 2, PA_WALK_COMPLETE);
	begin(AT(F_SP8));
	regs.r[12] = word(40);
	words[16] = AT(F_R12);
	words[40] = AT(F_START);
	expect("CFA on r12 elsewhere: callees may have changed it", walk(), 2, PA_WALK_BROKEN);
	begin(AT(F_SP32_RBX));
	regs.r[3] = 0x999;
	words[18] = word(40);
	words[19] = AT(F_SP8);
	words[20] = AT(F_RBX);
	words[41] = AT(F_START);
	expect("CFA on rbx, which the leaf has saved", walk(), 4, PA_WALK_COMPLETE);

	begin(AT(F_DRAP));
	regs.r[PA_REG_FP] = word(30);
	words[29] = word(50);
	words[30] = word(60);
	words[31] = AT(F_FP);
	words[49] = AT(F_FP);
	words[61] = AT(F_START);
	expect("realigned stack", walk(), 3, PA_WALK_COMPLETE);
	begin(AT(F_R10));
	regs.r[10] = word(50);
	regs.r[PA_REG_FP] = word(60);
	words[49] = AT(F_FP);
	words[60] = word(70);
	words[61] = AT(F_START);
	expect("  whose rbp has been popped", walk(), 3, PA_WALK_COMPLETE);
	begin(AT(F_DEREF));
	words[18] = word(50);
	words[50] = AT(F_START);
	expect("CFA in memory", walk(), 2, PA_WALK_COMPLETE);
	begin(AT(F_DEREF));
	words[18] = word(10);
	expect("  below the stack pointer", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_DEREF));
	words[18] = word(50) + 1;
	expect("  unaligned", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_INDEX));
	regs.r[9] = 3;
	words[20] = word(50);
	words[50] = AT(F_START);
	expect("CFA behind an array", walk(), 2, PA_WALK_COMPLETE);
	begin(AT(F_INDEX));
	regs.r[9] = UINT64_MAX;
	words[16] = word(50);
	words[50] = AT(F_START);
	expect("  of -1 words", walk(), 2, PA_WALK_COMPLETE);
	begin(AT(F_INDEX));
	regs.r[9] = UINT64_C(1) << 40;
	expect("  that is elsewhere", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_RA_RDI));
	regs.r[5] = AT(F_START);
	expect("return address in a register", walk(), 2, PA_WALK_COMPLETE);

	begin(AT(F_LOST_FP));
	regs.r[PA_REG_FP] = word(30);
	words[17] = AT(F_FP);
	expect("rbp that nobody saved", walk(), 2, PA_WALK_BROKEN);
}

static void test_bounds(void)
{
	struct pa_stack_view v = {STACK, word(17), (const uint8_t *)words};

	begin(AT(F_SP32));
	expect("a caller outside the view", pa_unwind_walk(&regs, &v, NULL, frames, 64, &end, NULL),
	       1, PA_WALK_NO_STACK);
	begin(AT(F_SP8));
	words[16] = AT(F_SP32);
	expect("the caller's caller", pa_unwind_walk(&regs, &v, NULL, frames, 64, &end, NULL), 2,
	       PA_WALK_NO_STACK);
	v.hi = STACK;
	expect("an empty view", pa_unwind_walk(&regs, &v, NULL, frames, 64, &end, NULL), 1,
	       PA_WALK_NO_STACK);
	begin(AT(F_SP8));
	regs.r[PA_REG_SP] = 0x5000;
	expect("a stack pointer outside the view", walk(), 1, PA_WALK_NO_STACK);
	begin(AT(F_SP8));
	regs.r[PA_REG_SP] = word(WORDS) - 4;
	expect("half a word inside", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_FP));
	regs.r[PA_REG_FP] = word(8);
	expect("rbp below rsp", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_FP));
	regs.r[PA_REG_FP] = UINT64_C(0xfffffffffffffff0);
	expect("rbp at the end of the address space", walk(), 1, PA_WALK_BROKEN);

	begin(AT(F_SP8));
	for (unsigned i = 16; i < 100; i++)
		words[i] = AT(F_SP8);
	expect("more frames than asked for", walk_max(10), 10, PA_WALK_TRUNCATED);
	expect("one", walk_max(1), 1, PA_WALK_TRUNCATED);
	expect("none", walk_max(0), 0, PA_WALK_TRUNCATED);
	begin(AT(F_SP8));
	words[16] = AT(F_START);
	expect("as many as asked for", walk_max(2), 2, PA_WALK_COMPLETE);
}

/* A signal frame at word i: what the kernel pushed, from the ucontext on. */
static void put_ucontext(uint64_t *at, uint64_t pc, uint64_t sp, uint64_t fp, uint64_t rax)
{
	ucontext_t uc;

	memset(&uc, 0, sizeof(uc));
	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
	uc.uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
	uc.uc_mcontext.gregs[REG_RBP] = (greg_t)fp;
	uc.uc_mcontext.gregs[REG_RAX] = (greg_t)rax;
	memcpy(at, &uc, PA_ARCH_SIGFRAME_GREGS + 8 * PA_ARCH_SIGFRAME_WORDS);
}

static void test_signals(void)
{
	struct pa_stack_view v = {STACK, word(WORDS), (const uint8_t *)words};
	static uint64_t other_words[64];
	struct pa_stack_view other = {0x9000, 0x9000 + sizeof(other_words),
				      (const uint8_t *)other_words};

	begin(AT(F_SP8));
	words[16] = AT(F_SIGNAL);
	put_ucontext(&words[17], AT(F_RAX), word(80), 0, word(90));
	words[90 - 0] = AT(F_SP8);
	words[91] = AT(F_START);
	expect("a signal frame", walk(), 4, PA_WALK_COMPLETE);
	ok(frames[1] == AT(F_RAX), "the interrupted pc is exact, the trampoline is left out");
	ok(frames[2] == AT(F_SP8) - 1, "all registers are restored");

	begin(AT(F_SP8));
	words[16] = AT(F_SIGNAL);
	put_ucontext(&words[17], AT(F_SP8), 0x9008, 0, 0);
	other_words[1] = AT(F_START);
	expect("a signal frame to another stack",
	       pa_unwind_walk(&regs, &v, &other, frames, 64, &end, NULL), 3, PA_WALK_COMPLETE);
	expect("  that is not at hand", walk(), 2, PA_WALK_NO_STACK);

	begin(AT(F_SP8));
	regs.r[PA_REG_SP] = 0x9008;
	expect("a walk that begins on the other stack",
	       pa_unwind_walk(&regs, &v, &other, frames, 64, &end, NULL), 2, PA_WALK_COMPLETE);

	begin(AT(F_SIGNAL));
	regs.r[PA_REG_SP] = word(17);
	put_ucontext(&words[17], AT(F_SP8), word(80), 0, 0);
	words[80] = AT(F_START);
	expect("in the trampoline itself", walk(), 2, PA_WALK_COMPLETE);
	is_int(frames[0], AT(F_SP8), "begins with the interrupted frame");

	begin(AT(F_SIGNAL));
	put_ucontext(&words[16], AT(F_SIGNAL), word(16), 0, 0);
	expect("a signal frame that leads to itself", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_SIGNAL));
	regs.r[PA_REG_SP] = word(WORDS - 4);
	expect("a signal frame that is cut off", walk(), 1, PA_WALK_NO_STACK);
}

static void test_jit(void)
{
	begin(JIT);
	regs.r[PA_REG_FP] = word(20);
	words[20] = word(30);
	words[21] = JIT + 0x100;
	words[30] = word(40);
	words[31] = AT(F_SP8);
	words[32] = AT(F_START);
	expect("from code in no object into an object", walk(), 4, PA_WALK_COMPLETE);
	begin(JIT);
	regs.r[PA_REG_FP] = word(20);
	words[21] = JIT + 0x100;
	expect("rbp 0 ends it", walk(), 2, PA_WALK_COMPLETE);
	begin(JIT);
	expect("but not at once", walk(), 1, PA_WALK_BROKEN);
	begin(JIT);
	regs.r[PA_REG_FP] = word(20) + 4;
	expect("rbp unaligned", walk(), 1, PA_WALK_BROKEN);
	begin(JIT);
	regs.r[PA_REG_FP] = word(10);
	expect("rbp below rsp", walk(), 1, PA_WALK_BROKEN);
	begin(JIT);
	regs.r[PA_REG_FP] = word(WORDS);
	expect("rbp just above the view", walk(), 1, PA_WALK_NO_STACK);
	begin(JIT);
	regs.r[PA_REG_FP] = 0x1238;
	expect("rbp anywhere", walk(), 1, PA_WALK_BROKEN);
	begin(JIT);
	regs.r[PA_REG_FP] = word(20);
	words[20] = word(20);
	words[21] = JIT + 0x100;
	expect("rbp in a circle", walk(), 2, PA_WALK_BROKEN);
}

static void test_incomplete_cfi(void)
{
	begin(AT(F_SP8));
	regs.r[PA_REG_SP] = word(17);
	words[17] = word(40); /* rbp, pushed without CFI */
	words[18] = 5;
	words[19] = AT(F_FP);
	words[40] = word(50);
	words[41] = AT(F_FP);
	words[51] = AT(F_START);
	expect("a leaf that pushed more than it says", walk(), 4, PA_WALK_COMPLETE);
	begin(AT(F_SP8));
	words[16] = 7;
	for (unsigned i = 17; i < 40; i++)
		words[i] = AT(F_SP8);
	expect("  where nothing can be a return address", walk(), 1, PA_WALK_BROKEN);
}

static void test_gaps(void)
{
	begin(AT(F_GAP));
	regs.r[PA_REG_SP] = word(17);
	words[17] = AT(F_SP32);
	words[21] = AT(F_START);
	expect("assembler without FDE: leaf", walk(), 3, PA_WALK_COMPLETE);
	begin(AT(F_GAP));
	words[16] = AT(F_SP32);
	expect("no call leaves the stack unaligned", walk(), 1, PA_WALK_BROKEN);
	begin(AT(F_GAP));
	words[16] = AT(F_SP8);
	regs.r[PA_REG_FP] = word(30);
	words[31] = AT(F_START);
	expect("no call can leave an address there: frame pointer", walk(), 2, PA_WALK_COMPLETE);
	is_int(frames[1], AT(F_START) - 1, "is followed");
	begin(AT(F_GAP));
	words[16] = DATA + 8;
	expect("neither", walk(), 1, PA_WALK_BROKEN);
	begin(DATA + 16);
	regs.r[PA_REG_FP] = word(30);
	words[31] = AT(F_START);
	expect("in an object's data", walk(), 1, PA_WALK_BROKEN);
	begin(0);
	words[16] = AT(F_SP8);
	words[17] = AT(F_START);
	expect("a call through NULL", walk(), 3, PA_WALK_COMPLETE);
	ok(frames[0] == 0 && frames[1] == AT(F_SP8) - 1, "shows who called");
}

static struct dl_find_object loader_says;
static uint64_t loader_lo, loader_hi;

static int fake_find_object(void *pc, struct dl_find_object *ret)
{
	if ((uint64_t)pc < loader_lo || (uint64_t)pc >= loader_hi)
		return -1;
	*ret = loader_says;
	return 0;
}

static void test_not_ready(void)
{
	struct pa_table *t = atomic_load(&snapshot->entries[0].table);
	static struct link_map *const map = (struct link_map *)0x1000;

	ok(pa_unwind_ready(AT(F_SP8)), "an object with rows is ready");
	ok(pa_unwind_ready(JIT), "so is code in no object");
	atomic_store(&snapshot->entries[0].table, NULL);
	begin(AT(F_SP8));
	expect("an object whose rows are being made", walk(), 1, PA_WALK_NO_TABLE);
	ok(!pa_unwind_ready(AT(F_SP8)), "is not ready");
	begin(JIT);
	regs.r[PA_REG_FP] = word(20);
	words[21] = AT(F_SP8);
	expect("a caller in it", walk(), 2, PA_WALK_NO_TABLE);
	atomic_store(&snapshot->entries[0].table, t);

	pa_unwind_init(fake_find_object);
	loader_lo = JIT;
	loader_hi = JIT + 0x1000;
	loader_says = (struct dl_find_object){.dlfo_link_map = map};
	begin(JIT);
	expect("an object the loader knows and the snapshot does not", walk(), 1, PA_WALK_NO_TABLE);
	ok(!pa_unwind_ready(JIT), "is not ready");
	loader_lo = LIB;
	loader_hi = LIB + 0x10000;
	begin(AT(F_SP8));
	expect("another object in its place", walk(), 1, PA_WALK_NO_TABLE);
	snapshot->entries[0].object.loader.link_map = (uint64_t)map;
	words[16] = AT(F_START);
	expect("the same one", walk(), 2, PA_WALK_COMPLETE);
	loader_says.dlfo_map_start = (void *)LIB;
	expect("another start", walk(), 1, PA_WALK_NO_TABLE);
	loader_says.dlfo_map_start = NULL;
	loader_says.dlfo_map_end = (void *)LIB;
	expect("another end", walk(), 1, PA_WALK_NO_TABLE);
	snapshot->entries[0].object.split = true;
	expect("of an object with several ranges", walk(), 2, PA_WALK_COMPLETE);
	snapshot->entries[0].object.split = false;
	loader_says.dlfo_map_end = NULL;
	loader_says.dlfo_eh_frame = (void *)LIB;
	expect("another .eh_frame", walk(), 1, PA_WALK_NO_TABLE);
	loader_lo = loader_hi;
	expect("one that the loader has closed", walk(), 1, PA_WALK_NO_TABLE);
	pa_unwind_init(NULL);
	snapshot->entries[0].object.loader.link_map = 0;

	atomic_store(&pa_snapshot, NULL);
	expect("no snapshot at all", walk(), 1, PA_WALK_NO_TABLE);
	ok(!pa_unwind_ready(JIT), "nothing is ready then");
	atomic_store(&pa_snapshot, snapshot);
}

static uint64_t interesting(uint64_t *random)
{
	uint64_t r = pa_random(random);

	switch (r % 8) {
	case 0 ... 2:
		return LIB + (r >> 8) % (F_COUNT * 0x100);
	case 3 ... 5:
		return word((r >> 8) % (WORDS + 8)) + (r >> 40 & 1);
	case 6:
		return JIT + (r >> 8) % 0x1000;
	default:
		return r >> (r >> 8 & 63);
	}
}

/* Stacks of values that could be anything, in memory of exactly the view's size. */
static void test_random(void)
{
	uint64_t *copy = malloc(WORDS * 8);
	struct pa_stack_view v = {STACK, word(WORDS), (const uint8_t *)copy};
	unsigned long bad = 0, ends[5] = {0};
	uint64_t random = 88172645463325252;

	for (unsigned round = 0; round < 20000; round++) {
		int n, max = 1 + (int)(pa_random(&random) % 64);

		for (unsigned i = 0; i < WORDS; i++)
			copy[i] = interesting(&random);
		for (unsigned i = 0; i < PA_REG_COUNT; i++)
			regs.r[i] = interesting(&random);
		if (round % 4)
			regs.r[PA_REG_SP] = word(pa_random(&random) % WORDS);
		n = pa_unwind_walk(&regs, &v, NULL, frames, max, &end, NULL);
		bad += n < 1 || n > max || end > PA_WALK_BROKEN;
		ends[end]++;
	}
	free(copy);
	is_int(bad, 0, "20000 random stacks: between 1 and max frames");
	ok(ends[PA_WALK_COMPLETE] && ends[PA_WALK_TRUNCATED] && ends[PA_WALK_NO_STACK] &&
		   ends[PA_WALK_BROKEN],
	   "with every end (%lu complete, %lu truncated, %lu no stack, %lu broken)",
	   ends[PA_WALK_COMPLETE], ends[PA_WALK_TRUNCATED], ends[PA_WALK_NO_STACK],
	   ends[PA_WALK_BROKEN]);
}

int main(void)
{
	struct pa_table *t;

	make_object();
	test_common();
	test_plt();
	test_wide();
	test_bounds();
	test_signals();
	test_jit();
	test_incomplete_cfi();
	test_gaps();
	test_not_ready();
	test_random();
	is_int(atomic_load(&pa_snapshot_readers), 0, "no walk is left over");
	t = atomic_load(&snapshot->entries[0].table);
	pa_table_free(t);
	free(snapshot);
	return tap_done();
}
