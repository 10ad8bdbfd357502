/* SPDX-License-Identifier: Apache-2.0
 * .eh_frame sections written byte by byte. */
#include "agent/base/arena.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/cfi.h"
#include "test/tap.h"

#define BASE  UINT64_C(0x7f0000000000)
#define SIZE  UINT64_C(0x100000)
#define ADDR  (BASE + 0x80000) /* of the section */
#define START 0x1000           /* of the function under test */
#define LEN   0x100

#define NONE        PA_RULE(PA_RULE_NONE, 0, 0, 0)
#define SP(n)       PA_RULE(PA_RULE_SP, (n) / 8, 0, 0)
#define SP_FP(n, k) PA_RULE(PA_RULE_SP, (n) / 8, (k) / 8, 0)

struct section {
	uint8_t bytes[4096];
	size_t len;
};

static void put(struct section *s, const void *data, size_t len)
{
	memcpy(s->bytes + s->len, data, len);
	s->len += len;
}

static void put_u32(struct section *s, uint32_t v)
{
	put(s, &v, sizeof(v));
}

static size_t open_record(struct section *s, uint32_t id)
{
	size_t at = s->len;

	put_u32(s, 0);
	put_u32(s, id);
	return at;
}

static void close_record(struct section *s, size_t at)
{
	uint32_t len;

	while ((s->len - at) % 4)
		put(s, "", 1);
	len = (uint32_t)(s->len - at - 4);
	memcpy(s->bytes + at, &len, sizeof(len));
}

/* A CIE as compilers write it: code alignment 1, data alignment -8, return address in 16, CFA =
 * rsp + 8, return address at CFA - 8. `letters` and `data` are its augmentation. */
static void put_cie(struct section *s, const char *letters, const void *data, size_t len)
{
	static const uint8_t program[] = {0x0c, 7, 8, 0x90, 1};
	uint8_t size = (uint8_t)len;
	size_t at = open_record(s, 0);

	put(s, "\1", 1);
	put(s, letters, strlen(letters) + 1);
	put(s, "\1\x78\x10", 3);
	if (letters[0] == 'z') {
		put(s, &size, 1);
		put(s, data, len);
	}
	put(s, program, sizeof(program));
	close_record(s, at);
}

/* A function at START + offset with pointers relative to themselves, of the CIE at offset 0. */
static void put_fde(struct section *s, uint32_t offset, uint32_t length, const void *program,
		    size_t len)
{
	size_t at = open_record(s, (uint32_t)s->len + 4);

	put_u32(s, (uint32_t)(BASE + START + offset - (ADDR + s->len)));
	put_u32(s, length);
	put(s, "", 1);
	put(s, program, len);
	close_record(s, at);
}

static struct section usual(const void *program, size_t len)
{
	struct section s = {.len = 0};

	put_cie(&s, "zR", "\x1b", 1);
	put_fde(&s, 0, LEN, program, len);
	put_u32(&s, 0);
	return s;
}

/* Compiles; the caller frees the table. */
static struct pa_table *compile(const struct section *s)
{
	/* Exactly as large as the section, so that a checker sees reads behind it. */
	uint8_t *copy = malloc(s->len ? s->len : 1);
	struct pa_eh_frame eh = {
		.data = copy, .len = s->len, .addr = ADDR, .lo = BASE, .hi = BASE + SIZE};
	struct pa_table *t = NULL;
	int err;

	memcpy(copy, s->bytes, s->len);
	err = pa_cfi_compile(&eh, &t);
	free(copy);
	if (err) {
		ok(0, "compiles (%d)", err);
		exit(1);
	}
	return t;
}

/* The rule `offset` bytes into a function with that program. */
static uint32_t rule_of(const void *program, size_t len, uint32_t offset)
{
	struct section s = usual(program, len);
	struct pa_table *t = compile(&s);
	uint32_t rule = pa_table_rule(t, START + offset);

	pa_table_free(t);
	return rule;
}

static struct pa_wide wide_of(const void *program, size_t len, uint32_t offset)
{
	struct section s = usual(program, len);
	struct pa_table *t = compile(&s);
	uint32_t rule = pa_table_rule(t, START + offset);
	struct pa_wide w = {0};

	if (PA_RULE_KIND(rule) == PA_RULE_WIDE)
		w = t->wide[PA_RULE_WIDE_INDEX(rule)];
	else
		w.cfa.kind = PA_PLACE_BAD;
	pa_table_free(t);
	return w;
}

#define RULE(offset, ...)                                                                          \
	rule_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), offset)
#define WIDE(offset, ...)                                                                          \
	wide_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), offset)

static void test_plain(void)
{
	static const uint8_t none[] = {0};
	struct section s = usual(none, 1);
	struct pa_table *t = compile(&s);

	is_int(pa_table_rule(t, START - 1), NONE, "nothing in front of the function");
	is_int(pa_table_rule(t, START), SP(8), "the CIE's rule at its start");
	is_int(pa_table_rule(t, START + LEN - 1), SP(8), "and at its end");
	is_int(pa_table_rule(t, START + LEN), NONE, "nothing behind it");
	is_int(t->inexpressible, 0, "all of it could be expressed");
	pa_table_free(t);
}

static void test_locations(void)
{
	is_int(RULE(4, 0x44, 0x0e, 16), SP(16), "advance_loc, def_cfa_offset");
	is_int(RULE(3, 0x44, 0x0e, 16), SP(8), "  not before");
	is_int(RULE(0x80, 0x02, 0x80, 0x0e, 16), SP(16), "advance_loc1");
	is_int(RULE(0x7f, 0x02, 0x80, 0x0e, 16), SP(8), "  not before");
	is_int(RULE(0x90, 0x03, 0x90, 0, 0x0e, 16), SP(16), "advance_loc2");
	is_int(RULE(0xa0, 0x04, 0xa0, 0, 0, 0, 0x0e, 16), SP(16), "advance_loc4");
	is_int(RULE(0x9f, 0x04, 0xa0, 0, 0, 0, 0x0e, 16), SP(8), "  not before");
	is_int(RULE(0xb0, 0x1d, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 16), SP(16), "advance_loc8");
	is_int(RULE(0xff, 0x03, 0xff, 0xff, 0x0e, 16), SP(8),
	       "advancing behind the function ends it");
	is_int(RULE(0xff, 0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0e, 16), SP(8),
	       "so does advancing behind the address space");
}

static void test_set_loc(void)
{
	struct section s = {.len = 0};
	struct pa_table *t;
	size_t at;

	/* set_loc uses the CIE's pointer encoding: relative to itself here. */
	put_cie(&s, "zR", "\x1b", 1);
	at = open_record(&s, (uint32_t)s.len + 4);
	put_u32(&s, (uint32_t)(BASE + START - (ADDR + s.len)));
	put_u32(&s, LEN);
	put(&s, "\0\1", 2);
	put_u32(&s, (uint32_t)(BASE + START + 0x20 - (ADDR + s.len)));
	put(&s, "\x0e\x10", 2);
	close_record(&s, at);
	t = compile(&s);
	is_int(pa_table_rule(t, START + 0x1f), SP(8), "set_loc: before");
	is_int(pa_table_rule(t, START + 0x20), SP(16), "set_loc: from there");
	pa_table_free(t);
}

static void test_cfa(void)
{
	struct pa_wide w;

	is_int(RULE(0, 0x0c, 6, 16), PA_RULE(PA_RULE_FP, 2, 0, 0), "def_cfa");
	is_int(RULE(0, 0x0d, 6), PA_RULE(PA_RULE_FP, 1, 0, 0), "def_cfa_register");
	is_int(RULE(0, 0x12, 7, 0x7e), SP(16), "def_cfa_sf is factored");
	is_int(RULE(0, 0x13, 0x7d), SP(24), "def_cfa_offset_sf is factored");
	is_int(RULE(0, 0x0e, 0xf8, 0xff, 0x7f), SP(0x1ffff8), "the largest CFA of a narrow rule");
	w = WIDE(0, 0x0e, 0x80, 0x80, 0x80, 0x01);
	is_int(w.cfa.off, 0x200000, "a larger one is wide");
	w = WIDE(0, 0x0c, 0, 8);
	ok(w.cfa.kind == PA_PLACE_REG && w.cfa.reg == 0 && w.cfa.off == 8, "CFA on rax");
	w = WIDE(0, 0x0e, 12);
	ok(w.cfa.kind == PA_PLACE_REG && w.cfa.reg == 7 && w.cfa.off == 12, "an unaligned CFA");
	is_int(RULE(0, 0x0e, 0x80, 0x80, 0x80, 0x80, 0x10), NONE, "a CFA beyond 2 GiB: no rule");
}

static void test_registers(void)
{
	struct pa_wide w;

	is_int(RULE(0, 0x86, 2), SP_FP(8, 16), "offset of rbp");
	is_int(RULE(0, 0x83, 3), PA_RULE(PA_RULE_SP, 1, 0, 3), "offset of rbx");
	is_int(RULE(0, 0x8f, 4), SP(8), "offset of r15 is ignored");
	is_int(RULE(0, 0x05, 6, 2), SP_FP(8, 16), "offset_extended");
	is_int(RULE(0, 0x11, 6, 2), SP_FP(8, 16), "offset_extended_sf");
	w = WIDE(0, 0x11, 6, 0x7e);
	ok(w.fp.kind == PA_PLACE_CFA && w.fp.off == 16, "rbp saved above the CFA is wide");
	w = WIDE(0, 0x2f, 6, 2);
	ok(w.fp.kind == PA_PLACE_CFA && w.fp.off == 16, "GNU_negative_offset_extended");
	is_int(RULE(0, 0x86, 63), SP_FP(8, 504), "rbp in the last slot");
	w = WIDE(0, 0x86, 64);
	is_int(w.fp.off, -512, "rbp behind the last slot");
	w = WIDE(0, 0x83, 32);
	is_int(w.aux.off, -256, "rbx behind its last slot");
	is_int(RULE(1, 0x86, 2, 0x41, 0xc6), SP(8), "restore");
	is_int(RULE(1, 0x86, 2, 0x41, 0x06, 6), SP(8), "restore_extended");
	is_int(RULE(0, 0x86, 2, 0x08, 6), SP(8), "same_value");
	w = WIDE(0, 0x07, 6);
	is_int(w.fp.kind, PA_PLACE_LOST, "undefined rbp");
	is_int(RULE(0, 0x07, 16), PA_RULE(PA_RULE_END, 0, 0, 0), "undefined rip: outermost");
	w = WIDE(0, 0x09, 16, 5);
	ok(w.ra.kind == PA_PLACE_IN && w.ra.reg == 5, "rip in rdi, as in vfork");
	w = WIDE(0, 0x09, 6, 5);
	is_int(w.fp.kind, PA_PLACE_LOST, "rbp in another register is lost");
	is_int(RULE(0, 0x14, 7, 0), SP(8), "val_offset: rsp is the CFA");
	is_int(RULE(0, 0x14, 7, 1), NONE, "val_offset: rsp is something else");
	is_int(RULE(0, 0x15, 7, 0), SP(8), "val_offset_sf");
	w = WIDE(0, 0x14, 6, 1);
	is_int(w.fp.kind, PA_PLACE_LOST, "val_offset of rbp");
	is_int(RULE(0, 0x87, 2), NONE, "rsp loaded from memory: no rule");
	is_int(RULE(0, 0x08, 16), NONE, "rip unchanged: no rule");
	w = WIDE(0, 0x90, 3);
	ok(w.ra.kind == PA_PLACE_CFA && w.ra.off == -24, "rip elsewhere");
}

static void test_states(void)
{
	uint8_t deep[200] = {0x41};
	struct section s;
	struct pa_table *t;

	is_int(RULE(1, 0x0e, 16, 0x0a, 0x0e, 8, 0x41, 0x0b), SP(16), "remember and restore state");
	is_int(RULE(0, 0x0e, 16, 0x0a, 0x0e, 8, 0x41, 0x0b), SP(8), "  in between");
	is_int(RULE(0, 0x0b), NONE, "restore without remember is malformed");
	memset(deep + 1, 0x0a, sizeof(deep) - 1);
	s = usual(deep, sizeof(deep));
	t = compile(&s);
	is_int(pa_table_rule(t, START + 1), NONE, "too many states are malformed");
	ok(t->inexpressible > 0, "and counted");
	pa_table_free(t);
	is_int(RULE(0, 0x2e, 0x90, 0x01, 0x0e, 16), SP(16), "GNU_args_size is skipped");
	is_int(RULE(0, 0, 0, 0x0e, 16), SP(16), "nop");
	is_int(RULE(4, 0x44, 0x3c), NONE, "an unknown instruction ends the function's rules");
	is_int(RULE(3, 0x44, 0x3c), SP(8), "  from there on");
	is_int(RULE(0, 0, 0, 0x0e), NONE, "an operand that is missing");
	is_int(RULE(0, 0x0e, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
	       NONE, "a number of more than ten bytes");
}

static void test_expressions(void)
{
	struct pa_wide w;

	is_int(RULE(0, 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22),
	       PA_RULE(PA_RULE_PLT, 11, 0, 0), "PLT");
	is_int(RULE(0, 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x36, 0x2a, 0x33, 0x24, 0x22),
	       PA_RULE(PA_RULE_PLT, 6, 0, 0), "PLT with another boundary");
	is_int(RULE(0, 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x70, 0x2a, 0x33, 0x24, 0x22), NONE,
	       "nearly a PLT");
	w = WIDE(0, 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	ok(w.cfa.kind == PA_PLACE_DEREF && w.cfa.reg == 6 && w.cfa.off == -8 && !w.cfa.add,
	   "DRAP: CFA = *(rbp - 8)");
	ok(w.fp.kind == PA_PLACE_REG && w.fp.reg == 6 && w.fp.off == 0, "rbp saved at rbp");
	w = WIDE(0, 0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 8);
	ok(w.cfa.kind == PA_PLACE_DEREF && w.cfa.reg == 7 && w.cfa.off == 152 && w.cfa.add == 8,
	   "CFA = *(rsp + 152) + 8");
	w = WIDE(0, 0x0f, 2, 0x70, 16);
	ok(w.cfa.kind == PA_PLACE_REG && w.cfa.reg == 0 && w.cfa.off == 16, "CFA = rax + 16");
	w = WIDE(0, 0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8);
	ok(w.cfa.kind == PA_PLACE_DEREF && w.cfa.reg == 7 && w.cfa.off == 8 && w.cfa.index == 9 &&
		   w.cfa.scale == 8 && w.cfa.add == 8,
	   "CFA = *(rsp + 8 + r9 * 8) + 8");
	w = WIDE(0, 0x0f, 7, 0x77, 16, 0x73, 0, 0x38, 0x1e, 0x22);
	ok(w.cfa.kind == PA_PLACE_REG && w.cfa.reg == 7 && w.cfa.off == 16 && w.cfa.index == 3 &&
		   w.cfa.scale == 8,
	   "CFA = rsp + 16 + rbx * 8");
	is_int(RULE(0, 0x0f, 7, 0x77, 8, 0x79, 8, 0x38, 0x1e, 0x22), NONE, "r9 + 8 times 8");
	is_int(RULE(0, 0x0f, 6, 0x77, 8, 0x79, 0, 0x38, 0x1e), NONE, "a product that is not added");
	is_int(RULE(0, 0x0f, 7, 0x77, 8, 0x79, 0, 0x50, 0x1e, 0x22), NONE, "r9 times a register");
	is_int(RULE(0, 0x0f, 7, 0x77, 8, 0x80, 0, 0x38, 0x1e, 0x22), NONE, "rip times 8");
	is_int(RULE(0, 0x0f, 0), NONE, "an empty expression");
	is_int(RULE(0, 0x0f, 4, 0x77, 8, 0x06, 0x06), NONE, "two dereferences");
	is_int(RULE(0, 0x0f, 4, 0x77, 8, 0x06, 0x23), NONE, "a constant that is missing");
	is_int(RULE(0, 0x0f, 2, 0x80, 8), NONE, "an offset from rip");
	is_int(RULE(0, 0x0f, 100, 0x77, 8), NONE, "an expression longer than its record");
	w = WIDE(0, 0x16, 6, 2, 0x77, 8);
	is_int(w.fp.kind, PA_PLACE_LOST, "val_expression of rbp");
	is_int(RULE(0, 0x16, 15, 2, 0x77, 8), SP(8), "val_expression of r15 is ignored");
	is_int(RULE(0, 0x10, 16, 2, 0x77, 0), NONE, "rip by expression");
	is_int(RULE(0, 0x0f, 2, 0x70, 16, 0x0c, 7, 16), SP(16), "def_cfa after an expression");
}

/* A section with that CIE and one ordinary function. */
static uint32_t rule_with_cie(const char *letters, const void *data, size_t len)
{
	struct section s = {.len = 0};
	struct pa_table *t;
	uint32_t rule;

	put_cie(&s, letters, data, len);
	put_fde(&s, 0, LEN, "\x0e\x10", 2);
	t = compile(&s);
	rule = pa_table_rule(t, START);
	pa_table_free(t);
	return rule;
}

static void test_augmentation(void)
{
	static const uint8_t plr[] = {0x9b, 1, 2, 3, 4, 0x1b, 0x1b};

	is_int(rule_with_cie("zPLR", plr, sizeof(plr)), SP(16), "personality, LSDA, pointers");
	is_int(rule_with_cie("zRS", "\x1b", 1), PA_RULE(PA_RULE_SIGNAL, 0, 0, 0), "signal frame");
	is_int(rule_with_cie("zRB", "\x1b", 1), SP(16), "signed with key B");
	is_int(rule_with_cie("zR?x", "\x1b", 1), SP(16), "letters behind an unknown one");
	is_int(rule_with_cie("zR", "\x1b", 0), NONE, "data that is missing");
	is_int(rule_with_cie("eh", "", 0), NONE, "the kind before 'z'");
	is_int(rule_with_cie("zRaaaaaaaaaaaaaaaaaa", "\x1b", 1), NONE, "an endless string");
	is_int(rule_with_cie("zR", "\x3b", 1), NONE, "pointers relative to data");
	is_int(rule_with_cie("zR", "\x9b", 1), NONE, "indirect pointers");
	is_int(rule_with_cie("zR", "\x0f", 1), NONE, "pointers of an unknown form");
}

static void test_pointers(void)
{
	struct section s = {.len = 0};
	uint64_t start = BASE + START, len = LEN;
	struct pa_table *t;
	size_t at;

	/* Absolute 8-byte pointers, no augmentation, version 4 and 3 with wide register. */
	at = open_record(&s, 0);
	put(&s, "\4\0\x8\0\1\x78\x90\0\x0c\7\x8\x90\1", 13);
	close_record(&s, at);
	at = open_record(&s, (uint32_t)s.len + 4);
	put(&s, &start, 8);
	put(&s, &len, 8);
	put(&s, "\x0e\x18", 2);
	close_record(&s, at);
	t = compile(&s);
	is_int(pa_table_rule(t, START), SP(24), "version 4, absolute pointers");
	pa_table_free(t);
	s.bytes[8] = 5;
	t = compile(&s);
	is_int(pa_table_rule(t, START), NONE, "version 5 is unknown");
	pa_table_free(t);
	s.bytes[8] = 4;
	s.bytes[10] = 4;
	t = compile(&s);
	is_int(pa_table_rule(t, START), NONE, "addresses of 4 bytes");
	pa_table_free(t);
}

static void test_long_records(void)
{
	struct section s = {.len = 0};
	static const uint8_t cie[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1};
	uint64_t len = 4 + sizeof(cie);
	struct pa_table *t;

	put_u32(&s, UINT32_MAX);
	put(&s, &len, sizeof(len));
	put_u32(&s, 0);
	put(&s, cie, sizeof(cie));
	put_fde(&s, 0, LEN, "\x0e\x10", 2);
	t = compile(&s);
	is_int(pa_table_rule(t, START), SP(16), "a record with a 64-bit length");
	pa_table_free(t);
	len = UINT64_MAX;
	memcpy(s.bytes + 4, &len, sizeof(len));
	t = compile(&s);
	ok(t == &pa_table_empty, "of which there are not that many bytes");
	pa_table_free(t);
}

static void test_order(void)
{
	struct section s = {.len = 0};
	struct pa_table *t;

	put_cie(&s, "zR", "\x1b", 1);
	put_fde(&s, 0x300, 0x100, "\x0e\x20", 2);
	put_fde(&s, 0, 0x100, "\x0e\x10", 2);
	put_fde(&s, 0x100, 0x100, "\x0e\x18", 2);
	t = compile(&s);
	is_int(pa_table_rule(t, START), SP(16), "FDEs out of order: first");
	is_int(pa_table_rule(t, START + 0x100), SP(24), "second, without a gap");
	is_int(pa_table_rule(t, START + 0x200), NONE, "a gap");
	is_int(pa_table_rule(t, START + 0x300), SP(32), "third");
	is_int(pa_table_rule(t, START + 0x400), NONE, "the end");
	pa_table_free(t);

	s.len = 0;
	put_cie(&s, "zR", "\x1b", 1);
	put_fde(&s, 0, 0x100, "\x0e\x10", 2);
	put_fde(&s, 0x80, 0x10, "\x0e\x18", 2);
	t = compile(&s);
	is_int(pa_table_rule(t, START + 0x7f), SP(16), "overlapping FDEs: the first");
	is_int(pa_table_rule(t, START + 0x80), SP(24), "the one that starts later holds");
	is_int(pa_table_rule(t, START + 0x90), NONE, "up to its end");
	pa_table_free(t);
}

static void test_outside(void)
{
	struct section s = {.len = 0};
	struct pa_table *t;

	put_cie(&s, "zR", "\x1b", 1);
	put_fde(&s, (uint32_t)(SIZE - START), 0x100, "\x0e\x10", 2);
	put_fde(&s, (uint32_t) - (START + 0x100), 0x80, "\x0e\x10", 2);
	put_fde(&s, 0, 0, "\x0e\x10", 2);
	t = compile(&s);
	ok(t == &pa_table_empty, "FDEs outside the object and empty ones are ignored");
	pa_table_free(t);

	s.len = 0;
	put_cie(&s, "zR", "\x1b", 1);
	put_fde(&s, (uint32_t)(SIZE - START - 0x10), 0xfffffff0, "\x0e\x10", 2);
	t = compile(&s);
	is_int(pa_table_rule(t, (uint32_t)SIZE - 1), SP(16), "one that ends outside is cut");
	is_int(pa_table_rule(t, (uint32_t)SIZE), NONE, "at the object's end");
	pa_table_free(t);
}

/* Every prefix and every single changed byte of a good section: nothing to check but that it
 * returns, and that a checker of memory stays silent. */
static void test_damaged(void)
{
	static const uint8_t program[] = {0x41, 0x0e, 16,   0x86, 2, 0x43, 0x0d, 6,    0x0a,
					  0x02, 0x40, 0x0c, 7,    8, 0x0b, 0x0f, 3,    0x76,
					  0x78, 0x06, 0x10, 6,    2, 0x76, 0,    0x03, 0x10};
	struct section good = usual(program, sizeof(program));
	unsigned compiled = 0;

	for (size_t len = 0; len <= good.len; len++) {
		struct section s = good;

		s.len = len;
		pa_table_free(compile(&s));
		compiled++;
	}
	for (size_t i = 0; i < good.len; i++) {
		for (unsigned v = 0; v < 256; v += 3) {
			struct section s = good;

			s.bytes[i] = (uint8_t)v;
			pa_table_free(compile(&s));
			compiled++;
		}
	}
	ok(compiled > 1000, "%u damaged sections compile to something", compiled);
}

static void test_limits(void)
{
	struct pa_table *t = &pa_table_empty;
	struct pa_eh_frame eh = {.lo = BASE, .hi = BASE + (UINT64_C(5) << 30)};
	struct section s;
	static const uint8_t program[] = {0x0e, 16};

	ok(pa_cfi_compile(&eh, &t) < 0, "an object of 5 GiB is refused");
	s = usual(program, sizeof(program));
	eh = (struct pa_eh_frame){
		.data = s.bytes, .len = s.len, .addr = ADDR, .lo = BASE, .hi = BASE + SIZE};
	pa_mem_limit_set(pa_mem_used());
	ok(pa_cfi_compile(&eh, &t) < 0, "no memory is an error");
	pa_mem_limit_set((size_t)64 << 20);
}

int main(void)
{
	size_t before = pa_mem_used();

	test_plain();
	test_locations();
	test_set_loc();
	test_cfa();
	test_registers();
	test_states();
	test_expressions();
	test_augmentation();
	test_pointers();
	test_long_records();
	test_order();
	test_outside();
	test_damaged();
	test_limits();
	is_int(pa_mem_used(), before, "all memory is given back");
	return tap_done();
}
