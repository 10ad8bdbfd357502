/* SPDX-License-Identifier: Apache-2.0
 * Which name an address gets: aliases, sizes, gaps, labels. */
#include "test/tap.h"

#include "agent/base/arena.h"
#include "agent/symbols/symtab.h"
#include "agent/symbols/symtab_build.h"
#include "test/unit/elf_builder.h"

static struct eb b;
static struct pa_elf elf;
static struct pa_symtab table;
static struct pa_symtab_names names;

static void load(const struct eb_symbol *symbols, size_t count)
{
	struct pa_elf_source src;

	pa_symtab_done(&table);
	b.symbols = symbols;
	b.symbol_count = count;
	eb_write(&b);
	src = pa_elf_source_buffer(b.buf, b.len);
	is_int(pa_elf_open(&elf, &src), 0, "opens");
	is_int(pa_symtab_load(&table, &elf), 0, "loads");
}
#define LOAD(...)                                                                                  \
	load((const struct eb_symbol[]){__VA_ARGS__},                                              \
	     sizeof((const struct eb_symbol[]){__VA_ARGS__}) / sizeof(struct eb_symbol))

static const char *name_at(uint64_t addr)
{
	size_t first, count;
	const char *name;

	if (!pa_symtab_find(&table, addr, &first, &count))
		return "-";
	name = pa_symtab_choose(&table, &elf.src, first, count, &names);
	return name ? name : "?";
}

#define F STT_FUNC
#define G STB_GLOBAL
#define L STB_LOCAL
#define W STB_WEAK

static void test_sizes(void)
{
	LOAD({"a", 0x410, 0x10, F, G, 0, false}, {"b", 0x430, 0, F, G, 0, false},
	     {"c", 0x450, 0x10, F, G, 0, false}, {"d", 0x500, 0, F, G, 0, false},
	     {"huge", 0x5f0, 0x1000000, F, G, 0, false});
	is_str(name_at(0x40f), "-", "ahead of the first symbol");
	is_str(name_at(0x410), "a", "first byte");
	is_str(name_at(0x41f), "a", "last byte");
	is_str(name_at(0x420), "-", "a gap belongs to nobody");
	is_str(name_at(0x42f), "-", "up to the next symbol");
	is_str(name_at(0x44f), "b", "no size: up to the next symbol");
	is_str(name_at(0x450), "c", "which begins there");
	is_str(name_at(0x5ef), "d", "no size: up to the next one, however far");
	is_str(name_at(0x5ff), "huge", "a size beyond the section");
	is_str(name_at(0x600), "-", "ends with the section");
	is_str(name_at(UINT64_MAX), "-", "the highest address");
	is_str(name_at(0), "-", "the lowest address");

	LOAD({"last", 0x500, 0, F, G, 0, false});
	is_str(name_at(0x5ff), "last", "no size: up to the end of the section");
	is_str(name_at(0x600), "-", "and no further");
}

static void test_aliases(void)
{
	LOAD({"__poll", 0x400, 0x10, F, G, 0, false}, {"poll", 0x400, 0x10, F, W, 0, false},
	     {"aaa", 0x400, 0x10, F, L, 0, false}, {"_poll", 0x400, 0x10, F, G, 0, false});
	is_str(name_at(0x405), "poll", "no underscores before underscores, exported before local");
	LOAD({"bb", 0x400, 0x10, F, G, 0, false}, {"aa", 0x400, 0x10, F, W, 0, false});
	is_str(name_at(0x400), "bb", "global before weak");
	LOAD({"cc", 0x400, 0x10, F, G, 0, false}, {"aaa", 0x400, 0x10, F, G, 0, false},
	     {"bb", 0x400, 0x10, F, G, 0, false});
	is_str(name_at(0x400), "bb", "the shorter, then the first in order");
	LOAD({"label", 0x400, 0x10, STT_NOTYPE, G, 0, false}, {"_f", 0x400, 0x10, F, L, 0, false});
	is_str(name_at(0x400), "_f", "typed before a label");
	LOAD({"wide", 0x400, 0x40, F, L, 0, false}, {"narrow", 0x400, 0x10, F, G, 0, false});
	is_str(name_at(0x40f), "narrow", "both contain it");
	is_str(name_at(0x410), "wide", "only one contains it");
	LOAD({"f", 0x400, 0x20, F, G, 0, false}, {"e", 0x400, 0, F, G, 0, false},
	     {"g", 0x440, 0x10, F, G, 0, false});
	is_str(name_at(0x41f), "f", "one with a size before one without");
	is_str(name_at(0x420), "-", "not larger");
}

static void test_versions(void)
{
	LOAD({"memcpy@@GLIBC_2.14", 0x400, 0x10, F, G, 0, false},
	     {"old@GLIBC_2.2.5", 0x410, 0x10, F, G, 0, false}, {"@", 0x420, 0x10, F, G, 0, false});
	is_str(name_at(0x400), "memcpy", "default version cut off");
	is_str(name_at(0x410), "old", "other version cut off");
	is_str(name_at(0x420), "@", "a name cannot vanish");
}

static void test_nesting(void)
{
	LOAD({"outer", 0x400, 0x100, F, G, 0, false}, {"inner", 0x440, 0x10, F, G, 0, false},
	     {"innermost", 0x444, 4, F, G, 0, false}, {"next", 0x500, 0x10, F, G, 0, false});
	is_str(name_at(0x43f), "outer", "ahead of the inner one");
	is_str(name_at(0x440), "inner", "the inner one");
	is_str(name_at(0x447), "innermost", "the innermost");
	is_str(name_at(0x448), "inner", "behind the innermost");
	is_str(name_at(0x4ff), "outer", "behind the inner one");
	is_str(name_at(0x500), "next", "the next");
}

static void test_labels(void)
{
	LOAD({"f", 0x400, 0x40, F, G, 0, false}, {"loop", 0x410, 0, STT_NOTYPE, L, 0, false},
	     {"at_start", 0x400, 0, STT_NOTYPE, L, 0, false},
	     {"asm_code", 0x450, 0, STT_NOTYPE, G, 0, false},
	     {".Llocal", 0x460, 0x10, STT_NOTYPE, L, 0, false},
	     {"$x", 0x470, 0x10, STT_NOTYPE, L, 0, false},
	     {"data", 0x480, 0x10, STT_OBJECT, G, 0, false});
	is_str(name_at(0x410), "f", "a label inside a function is not one");
	is_str(name_at(0x440), "-", "nor does one at its start make it longer");
	is_str(name_at(0x450), "asm_code", "a label outside is");
	is_str(name_at(0x465), "?", "assembler-local labels have no name");
	is_str(name_at(0x475), "?", "mapping symbols have no name");
	is_str(name_at(0x485), "-", "data is no code");
}

static void test_not_code(void)
{
	LOAD({"undefined", 0x400, 0x10, F, G, 0xffff, false},
	     {"absolute", 0x410, 0x10, F, G, SHN_ABS, false},
	     {"outside", 0x700, 0x10, F, G, 0, false},
	     {"ifunc", 0x420, 8, STT_GNU_IFUNC, G, 0, false});
	is_str(name_at(0x410), "-", "absolute symbols are numbers");
	is_str(name_at(0x700), "-", "a function outside every section with code");
	is_str(name_at(0x420), "ifunc", "an ifunc is a function");
}

static void test_both_tables(void)
{
	LOAD({"local", 0x400, 0x10, F, L, 0, false}, {"exported", 0x400, 0x10, F, G, 0, true},
	     {"only_dynamic", 0x420, 0x10, F, G, 0, true}, {"z", 0x410, 0x10, F, G, 0, false});
	is_int(table.count, 3, "one of .dynsym is added");
	is_str(name_at(0x400), "local", ".symtab has the say where it has a symbol");
	is_str(name_at(0x420), "only_dynamic", ".dynsym elsewhere");
	is_str(name_at(0x410), "z", "sorted in");
	LOAD({"only", 0x420, 0x10, F, G, 0, true});
	is_str(name_at(0x421), "only", "stripped: .dynsym alone");
	LOAD({"x", 0x420, 0x10, STT_OBJECT, G, 0, true});
	is_int(table.count, 0, "no functions: an empty table");
	is_str(name_at(0x420), "-", "in which nothing is found");
}

static void test_base(void)
{
	b.vaddr = 0x7000000000000000;
	LOAD({"high", 0x7000000000000400, 0x10, F, G, 0, false},
	     {"beyond", 0x7000000200000400, 0x10, F, G, 0, false});
	is_str(name_at(0x7000000000000408), "high", "an object linked to a high address");
	is_str(name_at(0x7000000200000408), "-", "more than 4 GiB above the base");
	is_str(name_at(0x408), "-", "below the base");
	b.vaddr = 0;
	b.is32 = b.big = true;
	LOAD({"big_endian", 0x400, 0x10, F, G, 0, false});
	is_str(name_at(0x408), "big_endian", "a 32-bit big-endian file");
	b.is32 = b.big = false;
}

static void test_stripped_headers(void)
{
	b.no_sections = true;
	LOAD({"f", 0x400, 0x10, F, G, 0, false});
	is_int(table.count, 0, "without section headers there are no tables");
	b.no_sections = false;
}

/* Against a search that looks at every entry. */
static void test_many(void)
{
	enum { COUNT = 3000 };
	static struct pa_symtab_entry copy[COUNT];
	const struct pa_symtab_ranges code = {.range = {{0, 1 << 20}}, .count = 1};
	struct pa_symtab t = {0};
	unsigned seed = 1, wrong = 0, found = 0;

	t.entries = pa_pages_alloc(COUNT * sizeof(*t.entries));
	if (!ok(t.entries != NULL, "memory"))
		return;
	t.count = t.capacity = COUNT;
	for (size_t i = 0; i < COUNT; i++) {
		seed = seed * 1103515245 + 12345;
		copy[i].start = seed >> 8 & 0x3ffff;
		copy[i].size = 1 + (seed >> 4 & (i % 50 ? 0x3f : 0x1fff));
		copy[i].name = (uint32_t)i;
		t.entries[i] = copy[i];
	}
	is_int(pa_symtab_finish(&t, &code), 0, "sorted");
	for (uint32_t addr = 0; addr < 0x40000; addr += 7) {
		const struct pa_symtab_entry *best = NULL;
		size_t first, n;
		bool there;

		for (size_t i = 0; i < COUNT; i++) {
			if (addr - copy[i].start < copy[i].size &&
			    (!best || copy[i].start > best->start))
				best = &copy[i];
		}
		there = pa_symtab_find(&t, addr, &first, &n);
		found += there;
		wrong +=
			there != (best != NULL) || (there && t.entries[first].start != best->start);
	}
	is_int(wrong, 0, "the nearest enclosing symbol, as a plain search finds it");
	ok(found > 10000, "%u addresses in symbols", found);
	pa_symtab_done(&t);
}

static void test_sorting(void)
{
	enum { COUNT = 5000 };
	struct pa_symtab_entry *e = malloc(COUNT * sizeof(*e));
	unsigned wrong = 0;

	for (int without_memory = 0; without_memory < 2; without_memory++) {
		if (without_memory)
			pa_mem_limit_set(0);
		for (uint32_t i = 0; i < COUNT; i++)
			e[i] = (struct pa_symtab_entry){.start = i * 2654435761u, .name = i};
		pa_symtab_sort(e, COUNT);
		for (uint32_t i = 0; i < COUNT; i++)
			wrong += (i && e[i - 1].start > e[i].start) ||
				 e[i].start != e[i].name * 2654435761u;
		is_int(wrong, 0, without_memory ? "sorted in place" : "sorted");
	}
	pa_mem_limit_set((size_t)64 << 20);
	free(e);
}

/* As many symbols as one likes at one address, or one around all others: still quick and right. */
static void test_hostile(void)
{
	enum { COUNT = 200000 };
	const struct pa_symtab_ranges code = {.range = {{0, 1 << 28}}, .count = 1};
	struct pa_symtab t = {0};
	size_t first, n;

	t.entries = pa_pages_alloc(COUNT * sizeof(*t.entries));
	if (!ok(t.entries != NULL, "memory"))
		return;
	t.count = t.capacity = COUNT;
	for (uint32_t i = 0; i < COUNT; i++)
		t.entries[i] = (struct pa_symtab_entry){.start = 16, .size = 1 + i % 977};
	is_int(pa_symtab_finish(&t, &code), 0, "200000 aliases");
	ok(pa_symtab_find(&t, 20, &first, &n), "are found");
	ok(n <= 64, "but only some are looked at");
	for (uint32_t i = 0; i < COUNT; i++)
		t.entries[i] = (struct pa_symtab_entry){.start = i * 16, .size = i ? 1 : 1 << 25};
	pa_pages_free(t.reach, pa_symtab_reach_bytes(t.count));
	is_int(pa_symtab_finish(&t, &code), 0, "one symbol around 199999");
	ok(pa_symtab_find(&t, 40 * 16 + 8, &first, &n) && !first,
	   "is found between the first ones");
	ok(!pa_symtab_find(&t, 100000 * 16 + 8, &first, &n), "is given up far from its start");
	pa_symtab_done(&t);
}

int main(void)
{
	test_sizes();
	test_aliases();
	test_versions();
	test_nesting();
	test_labels();
	test_not_code();
	test_both_tables();
	test_base();
	test_stripped_headers();
	test_many();
	test_sorting();
	test_hostile();
	pa_symtab_done(&table);
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
