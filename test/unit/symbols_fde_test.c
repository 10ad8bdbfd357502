/* SPDX-License-Identifier: Apache-2.0
 * Functions without symbols: real objects against readelf, made-up and hostile tables.
 * timeout: 120 */
#include "test/tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/fde.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"
#include "test/unit/elf_builder.h"

/* --- real objects --- */

struct range {
	uint64_t start, end;
};

static struct range *truth;
static size_t truth_count, truth_cap;

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* "00000018 0000000000000014 0000001c FDE cie=00000000 pc=0000000000026000..0000000000026360" */
static bool read_truth(const char *file)
{
	char line[4096], cmd[300];
	FILE *f;

	truth_count = 0;
	snprintf(cmd, sizeof(cmd), "readelf -wF '%s' 2>/dev/null", file);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f)) {
		const char *pc = strstr(line, " FDE cie=") ? strstr(line, " pc=") : NULL;
		unsigned long long start, end;

		if (!pc || sscanf(pc, " pc=%llx..%llx", &start, &end) != 2)
			continue;
		if (truth_count == truth_cap) {
			truth_cap = truth_cap ? truth_cap * 2 : 1024;
			truth = realloc(truth, truth_cap * sizeof(*truth));
		}
		truth[truth_count++] = (struct range){start, end};
	}
	if (f)
		pclose(f);
	qsort(truth, truth_count, sizeof(*truth), by_start);
	return truth_count > 0;
}

/* The start that readelf's list gives for a virtual address, 0 when it is in a gap. */
static uint64_t true_start(uint64_t vaddr)
{
	size_t low = 0, high = truth_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (truth[mid].start <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low && vaddr < truth[low - 1].end ? truth[low - 1].start : 0;
}

/* Addresses at the borders of function i, on both sides, and inside of it. */
#define PLACES 6
static void places(size_t i, uint64_t ret[PLACES])
{
	const struct range *r = &truth[i];

	ret[0] = r->start - 1;
	ret[1] = r->start;
	ret[2] = r->start + (r->end - r->start) / 2;
	ret[3] = r->end - 1;
	ret[4] = r->end;
	ret[5] = r->end + 8;
}

static void check_table(const char *what, struct pa_fde_table *t, const struct pa_elf *e)
{
	unsigned checked = 0, wrong = 0, gaps = 0;

	is_int(t->count, truth_count, "as many functions as readelf lists");
	for (size_t i = 0; i < truth_count; i++) {
		uint64_t at[PLACES];

		places(i, at);
		for (int k = 0; k < PLACES; k++) {
			uint64_t start = 0, want = true_start(at[k]);
			int r = pa_fde_find(t, e, &e->src, at[k], &start);

			checked++;
			gaps += !want;
			if ((want ? r != 0 : r != -ENOENT) || start != want)
				wrong++;
		}
	}
	is_int(wrong, 0, what);
	printf("# %s: %u addresses, %u of them in gaps\n", what, checked, gaps);
}

static void test_file(const char *path)
{
	struct pa_fde_table t = {0};
	struct pa_object_id id;
	struct pa_elf_source src;
	struct pa_elf e;
	uint64_t start;
	int fd = pa_object_open_file(path, &id);

	if (fd < 0 || !read_truth(path)) {
		printf("# %s: not there, or no readelf\n", path);
		return;
	}
	src = pa_elf_source_file(fd, id.size);
	is_int(pa_elf_open(&e, &src), 0, path);
	is_int(pa_fde_load(&t, &e), 0, "loads");
	is_int(pa_fde_find(&t, &e, NULL, truth[1].start, &start), -EAGAIN, "wants the file once");
	check_table(path, &t, &e);
	is_int(pa_fde_find(&t, &e, NULL, truth[1].start, &start), 0, "and not again");
	pa_fde_done(&t);
	close(fd);
}

struct loaded {
	const char *part;
	uint64_t bias;
	char path[300];
};

static int find_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loaded *l = arg;

	(void)size;
	if (!strstr(info->dlpi_name, l->part))
		return 0;
	l->bias = info->dlpi_addr;
	snprintf(l->path, sizeof(l->path), "%s", info->dlpi_name);
	return 1;
}

/* Through the cache, whose bytes are counted. */
static void test_object(const char *path)
{
	struct pa_object *o = NULL;
	struct pa_object_id id;
	struct pa_elf_source src;
	struct pa_elf e;
	uint64_t start = 0;
	size_t before;
	int fd = pa_object_open_file(path, &id);

	if (fd < 0 || !read_truth(path)) {
		printf("# %s: not there, or no readelf\n", path);
		return;
	}
	src = pa_elf_source_file(fd, id.size);
	is_int(pa_elf_open(&e, &src), 0, path);
	is_int(pa_object_get(&id, &e, &o), 0, "an object");
	before = pa_object_cache_bytes();
	is_int(pa_object_function(o, truth[1].start, NULL, &start), -EAGAIN, "wants the file");
	is_int(pa_object_function(o, truth[1].start, &src, &start), 0, "is found");
	is_int(start, truth[1].start, "where it begins");
	is_int(pa_object_cache_bytes() - before, 8 * truth_count, "eight bytes a function");
	pa_object_put(o);
	o = pa_object_find(&id);
	close(fd);
	start = 0;
	is_int(pa_object_function(o, truth[1].start + 1, NULL, &start), 0, "known from now on");
	is_int(start, truth[1].start, "by its start");
	pa_object_put(o);
	pa_object_cache_drop();
}

/* A library in memory, and through a view of the process: a symbol wins, else the function. */
static void test_loaded(const char *part)
{
	struct loaded l = {.part = part};
	unsigned symbols = 0, functions = 0, nowhere = 0, wrong = 0;
	struct pa_fde_table t = {0};
	struct pa_symbols *s;
	struct pa_elf e;

	if (!dl_iterate_phdr(find_loaded, &l) || !read_truth(l.path)) {
		printf("# %s: not loaded, or no readelf\n", part);
		return;
	}
	is_int(pa_elf_open_image(&e, l.bias), 0, part);
	is_int(pa_fde_load(&t, &e), 0, "loads from memory");
	check_table("in memory", &t, &e);
	pa_fde_done(&t);

	is_int(pa_symbols_open(&s), 0, "a view");
	for (size_t i = 0; i < truth_count * PLACES; i++) {
		uint64_t at[PLACES], start;
		struct pa_symbol sym;

		places(i / PLACES, at);
		start = true_start(at[i % PLACES]);
		pa_symbols_resolve(s, l.bias + at[i % PLACES], &sym);
		if (sym.known)
			symbols++;
		else if (sym.start)
			functions++;
		else
			nowhere++;
		if (!sym.known && sym.start != (start ? l.bias + start : 0))
			wrong++;
	}
	is_int(wrong, 0, "what has no symbol begins where its frame description does");
	ok(symbols > 100 && functions > 100 && nowhere > 100,
	   "%u in symbols, %u in functions, %u in neither", symbols, functions, nowhere);
	pa_symbols_close(s);
}

/* --- made-up tables --- */

#define HDR  0x1000 /* .eh_frame_hdr, behind everything that elf_builder.h writes */
#define FDES 0x2000 /* .eh_frame */

static struct eb b;
static struct pa_elf elf;
static struct pa_fde_table table;

struct function {
	uint64_t start, size;
};

/* The FDE of function i; 24 bytes apart. */
static size_t fde_at(size_t i)
{
	return FDES + 24 * (i + 1);
}

static void put_fde(size_t at, const struct function *f)
{
	eb_put(&b, at, 20, 4);
	eb_put(&b, at + 4, at + 4 - FDES, 4);
	eb_put(&b, at + 8, f->start - (b.vaddr + at + 8), 4);
	eb_put(&b, at + 12, f->size, 4);
}

static void write_file(const struct function *functions, size_t count)
{
	static const uint8_t form[] = {1, 0x1b, 0x03, 0x3b};

	pa_fde_done(&table);
	b.text = 0x400;
	b.text_size = 0x200;
	eb_write(&b);
	eb_segment(&b, 1, PT_GNU_EH_FRAME, PF_R, HDR, 12 + 8 * count);
	memcpy(b.buf + HDR, form, sizeof(form));
	eb_put(&b, HDR + 4, FDES - HDR - 4, 4);
	eb_put(&b, HDR + 8, count, 4);
	for (size_t i = 0; i < count; i++) {
		eb_put(&b, HDR + 12 + 8 * i, functions[i].start - (b.vaddr + HDR), 4);
		eb_put(&b, HDR + 16 + 8 * i, fde_at(i) - HDR, 4);
		put_fde(fde_at(i), &functions[i]);
	}
	b.len = sizeof(b.buf);
}

static void load(void)
{
	const struct pa_elf_source src = pa_elf_source_buffer(b.buf, b.len);

	pa_fde_done(&table);
	if (pa_elf_open(&elf, &src) < 0 || pa_fde_load(&table, &elf) < 0)
		ok(0, "loads");
}

static long long find(uint64_t vaddr)
{
	uint64_t start = 0;
	int r = pa_fde_find(&table, &elf, &elf.src, vaddr, &start);

	return r < 0 ? r : (long long)start;
}

static const struct function three[] = {{0x410, 0x20}, {0x440, 0x10}, {0x450, 0x100}};
#define NONE ((long long)-ENOENT)

static void test_simple(void)
{
	for (int form = 0; form < 4; form++) {
		b.is32 = form & 1;
		b.big = form & 2;
		write_file(three, 3);
		load();
		is_int(find(0x40f), NONE, "ahead of all");
		is_int(find(0x410), 0x410, "first byte");
		is_int(find(0x42f), 0x410, "last byte");
		is_int(find(0x430), NONE, "a gap");
		is_int(find(0x44f), 0x440, "up to the next one");
		is_int(find(0x450), 0x450, "which begins there");
		is_int(find(0x54f), 0x450, "the last one");
		is_int(find(0x550), NONE, "behind all");
		is_int(find(0), NONE, "the lowest address");
		is_int(find(UINT64_MAX), NONE, "the highest address");
		is_int(find(0x410 + (1ull << 32)), NONE, "4 GiB off");
	}
	b.is32 = b.big = false;
	b.vaddr = 0x7000000000000000;
	write_file((struct function[]){{b.vaddr + 0x410, 0x20}}, 1);
	load();
	is_int(find(b.vaddr + 0x41f), (long long)b.vaddr + 0x410, "linked to a high address");
	is_int(find(0x41f), NONE, "not to a low one");
	b.vaddr = 0;
}

static void test_overlap(void)
{
	write_file((struct function[]){{0x410, 0x100}, {0x440, 0}, {0x440, 0x10}, {0x460, 0}}, 4);
	load();
	is_int(find(0x43f), 0x410, "ahead of the inner one");
	is_int(find(0x44f), 0x440, "of two with one start the larger");
	is_int(find(0x450), NONE, "behind the inner one nothing is known");
	is_int(find(0x460), NONE, "an empty one contains nothing");
}

/* One byte or word of a good file is changed; what is left of the table. */
static void broken(const char *what, size_t at, uint64_t value, size_t bytes, size_t count)
{
	write_file(three, 3);
	eb_put(&b, at, value, bytes);
	load();
	is_int(table.count, count, what);
	is_int(find(0x441), NONE, "nothing is found there");
	is_int(find(0x411), count ? 0x410 : NONE, "the others are as before");
	ok(table.loaded, "and nobody tries again");
}

static void test_broken(void)
{
	const size_t phdr = 0x40 + 0x38, fde = fde_at(1);

	broken("another version", HDR, 2, 1, 0);
	broken("another encoding of the first pointer", HDR + 1, 0x1c, 1, 0);
	broken("another encoding of the count", HDR + 2, 0x04, 1, 0);
	broken("another encoding of the table", HDR + 3, 0x3c, 1, 0);
	broken("no table", HDR + 3, 0xff, 1, 0);
	broken("no functions", HDR + 8, 0, 4, 0);
	broken("more than there is room for", HDR + 8, 4, 4, 0);
	broken("many more", HDR + 8, UINT32_MAX, 4, 0);
	broken("unsorted", HDR + 12, 0x500 - HDR, 4, 0);
	broken("a segment behind the end", phdr + 8, sizeof(b.buf) - 11, 8, 0);
	broken("a segment far behind the end", phdr + 8, UINT64_MAX - 4, 8, 0);
	broken("a table that the end cuts off", phdr + 8, sizeof(b.buf) - 24, 8, 0);
	broken("a segment too small for a head", phdr + 0x20, 11, 8, 0);
	broken("another kind of segment", phdr, PT_NULL, 4, 0);
	broken("a pointer behind the end", HDR + 24, 0x3fffffff, 4, 3);
	broken("a pointer ahead of the file", HDR + 24, 0xc0000000, 4, 3);
	broken("a pointer that is too large", HDR + 24, 0x7fffffff, 4, 3);
	broken("a pointer that is too small", HDR + 24, fde_at(1) - HDR + (1u << 31), 4, 3);
	broken("the FDE of another function", HDR + 24, fde_at(2) - HDR, 4, 3);
	broken("a CIE", fde + 4, 0, 4, 3);
	broken("too short", fde, 11, 4, 3);
	broken("64-bit DWARF", fde, UINT32_MAX, 4, 3);
	broken("a size as the upper half of an address", fde + 12, UINT32_MAX, 4, 3);
	broken("a function of 1 GiB", fde + 12, 1 << 30, 4, 3);
}

static void test_not_code(void)
{
	write_file((struct function[]){{0xffffffffffff0000, 0x3fffffff}}, 1);
	load();
	is_int(find(0x410), NONE, "a function from ahead of the object");
	write_file(three, 3);
	EB_SET(&b, b.phoff, Phdr, p_flags, PF_R);
	load();
	is_int(find(0x411), NONE, "code where nothing is executable");
	write_file(three, 3);
	EB_SET(&b, b.phoff, Phdr, p_memsz, 0x420);
	load();
	is_int(find(0x41f), 0x410, "an address in the segment");
	is_int(find(0x420), NONE, "one behind it");
}

/* Any damage: no crash, and what is found contains the address and lies in the segment. */
static void test_random(void)
{
	unsigned seed = 1, bad = 0, found = 0;

	for (int i = 0; i < 3000; i++) {
		write_file(three, 3);
		for (int k = 0; k < 1 + i % 4; k++) {
			size_t at;

			seed = seed * 1103515245 + 12345;
			at = seed >> 8 & 1 ? HDR + (seed >> 9) % 36 : FDES + (seed >> 9) % 96;
			b.buf[at] = (uint8_t)(seed >> 20);
		}
		load();
		for (uint64_t vaddr = 0x400; vaddr < 0x560; vaddr += 9) {
			uint64_t start;

			if (pa_fde_find(&table, &elf, &elf.src, vaddr, &start) < 0)
				continue;
			found++;
			bad += start > vaddr || vaddr - start >= 1 << 30;
		}
	}
	is_int(bad, 0, "damaged tables");
	ok(found > 1000, "%u functions are found nevertheless", found);
}

static void test_memory(void)
{
	struct pa_fde_table t = {0};

	write_file(three, 3);
	load();
	pa_mem_limit_set(0);
	is_int(pa_fde_load(&t, &elf), -ENOMEM, "no memory");
	ok(!t.loaded && !t.entries, "to be tried again");
	pa_mem_limit_set((size_t)64 << 20);
	is_int(pa_fde_load(&t, &elf), 0, "later");
	is_int(pa_fde_bytes(&t), 24, "eight bytes a function");
	pa_fde_done(&t);
	pa_fde_done(&table);
}

int main(void)
{
	dlopen("libcrypto.so.3", RTLD_NOW);
	test_simple();
	test_overlap();
	test_broken();
	test_not_code();
	test_random();
	test_memory();
	test_file("/usr/bin/redis-server");
	test_file("/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1");
	test_object("/usr/bin/redis-server");
	test_loaded("libc.so.6");
	test_loaded("libcrypto.so.3");
	pa_object_cache_drop();
	is_int(pa_object_cache_bytes(), 0, "nothing stays pinned");
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
