/* SPDX-License-Identifier: Apache-2.0
 * Collecting function symbols from .symtab and .dynsym of a file, or from the dynamic symbols of
 * an image in memory. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/symtab_build.h"

#define BLOCK_BYTES ((size_t)48 << 10) /* whole entries of both classes */
#define MAX_SYMBOLS (16u << 20)
#define MAX_DYNAMIC 1024 /* Elf_Dyn entries; real objects have 20 to 40 */
#define MAX_BUCKETS (1u << 24)
#define MAX_CHAIN   4096 /* symbols in one hash bucket */

/* A symbol table in the source, and its names. */
struct table {
	uint64_t pos, count;
	uint64_t names, names_size;
	bool dynamic;
};

struct loader {
	struct pa_symtab *t;
	const struct pa_elf *e;
	struct pa_symtab_ranges code;
	char *block;
};

/* Whether a symbol names code of this object; its entry then. */
static bool accept(const struct loader *l, const struct table *table,
		   const struct pa_elf_symbol *sym, struct pa_symtab_entry *ret)
{
	uint64_t start = sym->value - l->t->base;

	if (sym->type != STT_FUNC && sym->type != STT_GNU_IFUNC && sym->type != STT_NOTYPE)
		return false;
	if (sym->shndx == SHN_UNDEF || sym->shndx == SHN_ABS || sym->shndx == SHN_COMMON)
		return false;
	if (!sym->name || sym->name >= table->names_size || start > UINT32_MAX)
		return false;
	if (!pa_symtab_ranges_end(&l->code, sym->value))
		return false;
	*ret = (struct pa_symtab_entry){
		.start = (uint32_t)start,
		.size = (uint32_t)PA_MIN(sym->size, PA_SYMTAB_SIZE_MAX),
		.local = sym->bind == STB_LOCAL,
		.weak = sym->bind == STB_WEAK,
		.label = sym->type == STT_NOTYPE,
		.empty = !sym->size,
		.ifunc = sym->type == STT_GNU_IFUNC,
		.dynamic = table->dynamic,
		.name = sym->name,
	};
	return true;
}

/* Whether one of the first `count` entries, which are sorted, starts there. */
static bool has_start(const struct pa_symtab *t, size_t count, uint32_t start)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->entries[mid].start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && t->entries[low].start == start;
}

/* Goes through a table and counts what is acceptable; appends it, as far as there is room, if
 * `store`. Starts found among the first `known` entries are passed over. */
static int scan(struct loader *l, const struct table *table, size_t known, bool store,
		size_t *ret_count)
{
	const size_t entry = pa_elf_symbol_size(l->e);
	const size_t per_block = BLOCK_BYTES / entry;
	size_t found = 0;

	for (uint64_t i = 0; i < table->count;) {
		size_t n = (size_t)PA_MIN(per_block, table->count - i);
		int r = pa_elf_read(&l->e->src, table->pos + i * entry, l->block, n * entry);

		if (r < 0)
			return r;
		for (size_t k = 0; k < n; k++) {
			struct pa_elf_symbol sym = pa_elf_symbol(l->e, l->block + k * entry);
			struct pa_symtab_entry s;

			if (!accept(l, table, &sym, &s) || has_start(l->t, known, s.start))
				continue;
			if (store && l->t->count < l->t->capacity)
				l->t->entries[l->t->count++] = s;
			found++;
		}
		i += n;
	}
	*ret_count = found;
	return 0;
}

/* Makes room for exactly `more` further entries. */
static int reserve(struct pa_symtab *t, size_t more)
{
	const size_t old_bytes = t->capacity * sizeof(*t->entries);
	const size_t capacity = t->count + more;
	struct pa_symtab_entry *entries = pa_pages_alloc(capacity * sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	if (t->count)
		memcpy(entries, t->entries, t->count * sizeof(*entries));
	pa_pages_free(t->entries, old_bytes);
	t->entries = entries;
	t->capacity = capacity;
	return 0;
}

/* Adds a table's functions; entries there before must be sorted. The table is read twice, so that
 * memory is exact; a file that changes in between cannot write past it. */
static int add_table(struct loader *l, const struct table *table)
{
	const size_t known = l->t->count;
	size_t count;
	int r;

	if (!table->count)
		return 0; /* the file has no such table */
	if (table->count > MAX_SYMBOLS)
		return -EFBIG;
	l->t->strings[table->dynamic].pos = table->names;
	l->t->strings[table->dynamic].size = table->names_size;
	r = scan(l, table, known, false, &count);
	if (r < 0 || !count)
		return r;
	r = reserve(l->t, count);
	if (r == 0)
		r = scan(l, table, known, true, &count);
	return r;
}

static int loader_init(struct loader *l, struct pa_symtab *t, const struct pa_elf *e)
{
	uint64_t low, high;

	*t = (struct pa_symtab){0};
	*l = (struct loader){.t = t, .e = e};
	if (!pa_elf_span(e, &low, &high))
		return -ENOENT;
	t->base = low;
	l->block = pa_pages_alloc(BLOCK_BYTES);
	return l->block ? 0 : -ENOMEM;
}

/* Frees what loading needed, and the table after a failure. */
static int loader_done(struct loader *l, int r)
{
	pa_pages_free(l->block, BLOCK_BYTES);
	if (r < 0)
		pa_symtab_done(l->t);
	return r;
}

static void add_code_segments(struct loader *l)
{
	l->code.count = 0;
	for (uint32_t i = 0; i < l->e->load_count; i++) {
		if (l->e->loads[i].exec)
			pa_symtab_ranges_add(&l->code, l->e->loads[i].vaddr, l->e->loads[i].memsz);
	}
}

static bool table_of(const struct pa_elf *e, const struct pa_elf_section *s, struct table *ret)
{
	struct pa_elf_section names;

	if (s->entsize != pa_elf_symbol_size(e) || !pa_elf_section_readable(e, s) ||
	    pa_elf_section(e, s->link, &names) < 0 || names.type != SHT_STRTAB ||
	    !pa_elf_section_readable(e, &names))
		return false;
	*ret = (struct table){
		.pos = s->offset,
		.count = s->size / s->entsize,
		.names = names.offset,
		.names_size = names.size,
		.dynamic = s->type == SHT_DYNSYM,
	};
	return true;
}

/* Finds both tables and the sections with code. */
static int read_sections(struct loader *l, struct table *ret_symtab, struct table *ret_dynsym)
{
	bool complete = true;

	for (uint32_t i = 0; i < l->e->shnum; i++) {
		struct pa_elf_section s;
		int r = pa_elf_section(l->e, i, &s);

		if (r < 0)
			return r;
		if (s.type == SHT_SYMTAB)
			table_of(l->e, &s, ret_symtab);
		else if (s.type == SHT_DYNSYM)
			table_of(l->e, &s, ret_dynsym);
		if ((s.flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR))
			complete &= pa_symtab_ranges_add(&l->code, s.vaddr, s.size);
	}
	if (!complete || !l->code.count)
		add_code_segments(l);
	return 0;
}

int pa_symtab_load(struct pa_symtab *t, const struct pa_elf *e)
{
	struct table symtab = {0}, dynsym = {0};
	struct loader l;
	int r = loader_init(&l, t, e);

	if (r == 0)
		r = read_sections(&l, &symtab, &dynsym);
	if (r == 0)
		r = add_table(&l, &symtab);
	if (r == 0) {
		pa_symtab_sort(t->entries, t->count);
		r = add_table(&l, &dynsym);
	}
	if (r == 0)
		r = pa_symtab_finish(t, &l.code);
	return loader_done(&l, r);
}

/* Values of PT_DYNAMIC, as virtual addresses. */
struct dynamic {
	uint64_t symtab, strtab, strsz, hash, gnu_hash;
};

/* glibc adds the load bias to the pointers when it loads an object, in place; it does not for the
 * vDSO, and other loaders never do. */
static uint64_t unrelocate(const struct pa_elf *e, uint64_t value)
{
	uint64_t low, high;

	if (!pa_elf_span(e, &low, &high) || (value >= low && value < high))
		return value;
	return value - e->src.base;
}

static int read_dynamic(const struct pa_elf *e, struct dynamic *ret)
{
	struct dynamic d = {0};
	const size_t entry = e->is64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);

	for (uint64_t at = 0; at / entry < MAX_DYNAMIC && at + entry <= e->dynamic.memsz;
	     at += entry) {
		uint64_t tag, value;
		int r = pa_elf_dyn(e, e->dynamic.vaddr + at, &tag, &value);

		if (r < 0)
			return r;
		if (tag == DT_NULL)
			break;
		if (tag == DT_SYMTAB)
			d.symtab = unrelocate(e, value);
		else if (tag == DT_STRTAB)
			d.strtab = unrelocate(e, value);
		else if (tag == DT_STRSZ)
			d.strsz = value;
		else if (tag == DT_HASH)
			d.hash = unrelocate(e, value);
		else if (tag == DT_GNU_HASH)
			d.gnu_hash = unrelocate(e, value);
	}
	if (!d.symtab || !d.strtab || !d.strsz)
		return -ENOENT;
	*ret = d;
	return 0;
}

/* The highest symbol that a bucket of DT_GNU_HASH begins with. */
static int last_bucket(const struct loader *l, uint64_t pos, uint32_t buckets, uint32_t *ret)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < buckets;) {
		size_t n = PA_MIN(buckets - i, BLOCK_BYTES / 4);
		int r = pa_elf_read(&l->e->src, pos + 4ull * i, l->block, n * 4);

		if (r < 0)
			return r;
		for (size_t k = 0; k < n; k++) {
			uint32_t sym = pa_elf_u32(l->e, l->block + 4 * k);

			last = PA_MAX(last, sym);
		}
		i += (uint32_t)n;
	}
	*ret = last;
	return 0;
}

/* Symbols of a DT_GNU_HASH table: the chain of the highest bucket ends with the last symbol, which
 * has its lowest bit set. */
static int count_gnu_hash(const struct loader *l, uint64_t table, uint64_t *ret)
{
	char head[16], word[4];
	uint32_t buckets, first, bloom, last = 0;
	uint64_t chain, pos;
	int r = pa_elf_read(&l->e->src, table, head, sizeof(head));

	if (r < 0)
		return r;
	buckets = pa_elf_u32(l->e, head);
	first = pa_elf_u32(l->e, head + 4);
	bloom = pa_elf_u32(l->e, head + 8);
	if (buckets > MAX_BUCKETS || bloom > MAX_BUCKETS)
		return -ENOEXEC;
	pos = table + sizeof(head) + (uint64_t)bloom * (l->e->is64 ? 8 : 4);
	chain = pos + 4ull * buckets;
	r = last_bucket(l, pos, buckets, &last);
	if (r < 0)
		return r;
	if (last < first) {
		*ret = first; /* only undefined symbols */
		return 0;
	}
	for (int i = 0; i < MAX_CHAIN; i++, last++) {
		r = pa_elf_read(&l->e->src, chain + 4ull * (last - first), word, sizeof(word));
		if (r < 0)
			return r;
		if (pa_elf_u32(l->e, word) & 1) {
			*ret = (uint64_t)last + 1;
			return 0;
		}
	}
	return -ENOEXEC;
}

static int count_dynamic(const struct loader *l, const struct dynamic *d, uint64_t *ret)
{
	char head[8];
	int r;

	if (d->gnu_hash)
		return count_gnu_hash(l, d->gnu_hash, ret);
	if (!d->hash)
		return -ENOENT;
	r = pa_elf_read(&l->e->src, d->hash, head, sizeof(head));
	if (r == 0)
		*ret = pa_elf_u32(l->e, head + 4); /* nchain */
	return r;
}

int pa_symtab_load_image(struct pa_symtab *t, const struct pa_elf *image)
{
	struct dynamic d = {0};
	struct table table = {.dynamic = true};
	struct loader l;
	int r = loader_init(&l, t, image);

	if (r == 0)
		r = read_dynamic(image, &d);
	if (r == 0)
		r = count_dynamic(&l, &d, &table.count);
	if (r == 0) {
		table.pos = d.symtab;
		table.names = d.strtab;
		table.names_size = d.strsz;
		add_code_segments(&l);
		r = add_table(&l, &table);
	}
	if (r == 0)
		r = pa_symtab_finish(t, &l.code);
	return loader_done(&l, r);
}
