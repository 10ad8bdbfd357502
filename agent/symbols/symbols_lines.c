/* SPDX-License-Identifier: Apache-2.0
 * Lines and inlined functions for the addresses of a view. */
#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/sort.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/symbolizer.h"
#include "agent/symbols/symbols_private.h"

#define FILE_KEY 80 /* four numbers in hex */

/* An address to ask about. */
struct wanted {
	size_t image;
	uint64_t vaddr;
};

static int compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	const struct wanted *x = a, *y = b;

	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* Copies of one file have one build id, and lines in common. Without one, only a file that has not
 * changed is surely the same. */
static struct pa_lines *lines_of(struct pa_image_symbols *image)
{
	const struct pa_object_id *id = pa_object_id(image->object);
	char key[FILE_KEY];

	if (image->lines)
		return image->lines;
	if (image->build_id[0]) {
		image->lines = pa_lines_get(image->build_id);
	} else if (image->path) {
		pa_fmt(key, sizeof(key), "%llx:%llx:%llx:%llx", (unsigned long long)id->dev,
		       (unsigned long long)id->inode, (unsigned long long)id->size,
		       (unsigned long long)id->mtime_ns);
		image->lines = pa_lines_get(key);
	}
	return image->lines;
}

/* Addresses that have not been asked for before, sorted. */
static size_t choose(struct pa_symbols *s, const uint64_t *addrs, size_t count, struct wanted *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct pa_region *region = pa_symbols_region(s, addrs[i]);
		struct pa_image_symbols *image = region ? &s->images[region->image] : NULL;
		struct pa_lines *lines;

		if (!image || !image->object || image->failed)
			continue;
		lines = lines_of(image);
		if (lines && !pa_lines_find(lines, addrs[i] - image->bias))
			ret[n++] = (struct wanted){region->image, addrs[i] - image->bias};
	}
	pa_sort(ret, n, sizeof(*ret), compare, NULL);
	return n;
}

/* Asks about addresses of one image, and keeps in mind which of them have none. */
static int ask(struct pa_symbols *s, const struct wanted *w, size_t count, uint64_t *vaddrs,
	       uint64_t deadline)
{
	struct pa_image_symbols *image = &s->images[w->image];
	struct pa_symbolizer_query q = {
		.fd = pa_image_file(image, &s->reader),
		.build_id = image->build_id,
		.path = image->path ? image->path : "",
		.vaddrs = vaddrs,
	};
	int r;

	if (q.fd < 0 && !q.build_id[0])
		return 0;
	for (size_t i = 0; i < count; i++)
		if (!q.count || vaddrs[q.count - 1] != w[i].vaddr)
			vaddrs[q.count++] = w[i].vaddr;
	r = pa_symbolizer_ask(&q, image->lines, deadline);
	for (size_t i = 0; r == 0 && i < q.count; i++)
		r = pa_lines_add(image->lines, vaddrs[i], NULL, 0);
	return r;
}

/* Whether the failure at one object is one for the others too. */
static bool is_final(int r)
{
	return r == -ETIMEDOUT || r == -ENOENT || r == -EAGAIN || r == -ECANCELED;
}

/* Asks about all of w[0..n), which are sorted. */
static int ask_all(struct pa_symbols *s, const struct wanted *w, size_t n, uint64_t *vaddrs,
		   uint64_t deadline, size_t *ret_missing)
{
	int r = 0, first = 0;

	for (size_t i = 0, end; i < n && !is_final(r); i = end) {
		for (end = i + 1; end < n && end - i < PA_SYMBOLIZE_ADDRS; end++)
			if (w[end].image != w[i].image)
				break;
		r = ask(s, &w[i], end - i, vaddrs, deadline);
		if (r < 0) {
			first = first ? first : r;
			*ret_missing += is_final(r) ? n - i : end - i;
		}
	}
	return first;
}

int pa_symbols_load_lines(struct pa_symbols *s, const uint64_t *addrs, size_t count,
			  uint64_t deadline, size_t *ret_missing)
{
	const size_t wanted_bytes = (count + 1) * sizeof(struct wanted);
	const size_t vaddr_bytes = PA_SYMBOLIZE_ADDRS * sizeof(uint64_t);
	struct wanted *wanted = pa_pages_alloc(wanted_bytes);
	uint64_t *vaddrs = pa_pages_alloc(vaddr_bytes);
	int r = -ENOMEM;

	if (wanted && vaddrs)
		r = ask_all(s, wanted, choose(s, addrs, count, wanted), vaddrs, deadline,
			    ret_missing);
	else
		*ret_missing += count;
	pa_symbolizer_rest();
	pa_pages_free(wanted, wanted_bytes);
	pa_pages_free(vaddrs, vaddr_bytes);
	return r;
}

static const struct pa_address_lines *known_lines(struct pa_symbols *s, uint64_t addr)
{
	const struct pa_region *region = pa_symbols_region(s, addr);
	struct pa_image_symbols *image = region ? &s->images[region->image] : NULL;
	struct pa_lines *lines = image && image->object ? lines_of(image) : NULL;

	return lines ? pa_lines_find(lines, addr - image->bias) : NULL;
}

/* The function around all has the name that callers use, `write` and not `__GI___libc_write`; so has
 * what was inlined into a part of itself. */
static void name_as_symbol(struct pa_line *lines, size_t count, const struct pa_symbol *symbol)
{
	const struct pa_line outer = lines[count - 1];

	for (size_t i = 0; i < count; i++) {
		if (strcmp(lines[i].name, outer.name) != 0 ||
		    strcmp(lines[i].system_name, outer.system_name) != 0)
			continue;
		lines[i].name = symbol->name;
		lines[i].system_name = symbol->system_name;
	}
}

size_t pa_symbols_lines(struct pa_symbols *s, uint64_t addr, struct pa_symbol *symbol,
			struct pa_line ret[PA_SYMBOLS_LINES])
{
	const struct pa_address_lines *known = known_lines(s, addr);
	const size_t count = known ? PA_MIN(known->count, PA_SYMBOLS_LINES) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct pa_code_line *l = &known->lines[i];

		ret[i] = (struct pa_line){
			.name = l->function->name,
			.system_name = l->function->system_name,
			.file = l->function->file,
			.line = l->line,
			.column = l->column,
			.start_line = l->function->start_line,
		};
	}
	if (!count)
		return 0;
	if (symbol->known && !symbol->borrowed) {
		name_as_symbol(ret, count, symbol);
	} else {
		symbol->name = ret[count - 1].name;
		symbol->system_name = ret[count - 1].system_name;
		symbol->known = true;
	}
	return count;
}
