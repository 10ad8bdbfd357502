/* SPDX-License-Identifier: Apache-2.0
 * Finding a symbol by address, and choosing its name. */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/symtab.h"
#include "agent/symbols/symtab_build.h"

/* Symbols inside another one's extent that are looked past in search of it. */
#define MAX_BACK    4096
#define MAX_ALIASES 64
#define FIRST_READ  256 /* most names are shorter */

void pa_symtab_done(struct pa_symtab *t)
{
	pa_pages_free(t->entries, t->capacity * sizeof(*t->entries));
	pa_pages_free(t->reach, pa_symtab_reach_bytes(t->count));
	*t = (struct pa_symtab){0};
}

size_t pa_symtab_bytes(const struct pa_symtab *t)
{
	return t->capacity * sizeof(*t->entries) + pa_symtab_reach_bytes(t->count);
}

/* Index of the first entry that starts at or behind `start`. */
static size_t lower_bound(const struct pa_symtab *t, uint64_t start)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->entries[mid].start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Index of the last entry that contains offset, t->count when there is none. */
static size_t last_containing(const struct pa_symtab *t, uint32_t offset)
{
	size_t i = lower_bound(t, (uint64_t)offset + 1);

	for (int step = 0; i-- > 0 && step < MAX_BACK; step++) {
		if (offset - t->entries[i].start < t->entries[i].size)
			return i;
		if (i % PA_SYMTAB_BLOCK == 0 && i && t->reach[i / PA_SYMTAB_BLOCK - 1] <= offset)
			break;
	}
	return t->count;
}

bool pa_symtab_find(const struct pa_symtab *t, uint64_t vaddr, size_t *ret_first, size_t *ret_count)
{
	uint64_t offset = vaddr - t->base;
	size_t i, first, n = 0;

	if (offset > UINT32_MAX)
		return false;
	i = last_containing(t, (uint32_t)offset);
	if (i == t->count)
		return false;
	first = lower_bound(t, t->entries[i].start);
	/* Aliases stand in order of falling size: those that contain vaddr come first. */
	while (n < MAX_ALIASES && first + n <= i)
		n++;
	*ret_first = first;
	*ret_count = n;
	return true;
}

/* The name's length, -1 when it cannot be read. */
static ssize_t read_name(const struct pa_symtab *t, const struct pa_elf_source *src, size_t i,
			 char *buf)
{
	const struct pa_symtab_entry *s = &t->entries[i];
	uint64_t pos = t->strings[s->dynamic].pos + s->name;
	uint64_t left = t->strings[s->dynamic].size - s->name;
	size_t have = 0;

	while (have < left && have < PA_SYMTAB_NAME - 1) {
		size_t want = have ? PA_SYMTAB_NAME - 1 - have : FIRST_READ;
		ssize_t n = pos + have < src->size
				    ? src->read(src, pos + have, buf + have,
						PA_MIN(want,
						       PA_MIN(left - have, src->size - pos - have)))
				    : -1;
		const char *nul;

		if (n <= 0)
			return -1;
		nul = memchr(buf + have, '\0', (size_t)n);
		if (nul)
			return nul - buf;
		have += (size_t)n;
	}
	buf[have] = '\0';
	return (ssize_t)have;
}

/* Cuts "@VERSION" off; false for names that are none. */
static bool usable_name(char *name, bool label)
{
	char *at = name[0] ? strchr(name + 1, '@') : NULL;

	if (at)
		*at = '\0';
	return name[0] && strncmp(name, ".L", 2) != 0 && !(label && name[0] == '$');
}

/* Below zero when a is the better name. */
static int compare_names(const struct pa_symtab_entry *a, const char *a_name,
			 const struct pa_symtab_entry *b, const char *b_name)
{
	size_t a_len = strlen(a_name), b_len = strlen(b_name);
	size_t a_under = strspn(a_name, "_"), b_under = strspn(b_name, "_");

	if (a->label != b->label)
		return a->label ? 1 : -1;
	if (a->empty != b->empty)
		return a->empty ? 1 : -1;
	if (a->local != b->local)
		return a->local ? 1 : -1;
	if (a_under != b_under)
		return a_under < b_under ? -1 : 1;
	if (a->weak != b->weak)
		return a->weak ? 1 : -1;
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return strcmp(a_name, b_name);
}

const char *pa_symtab_choose(const struct pa_symtab *t, const struct pa_elf_source *src,
			     size_t first, size_t count, struct pa_symtab_names *n)
{
	const struct pa_symtab_entry *best = NULL;
	int free_text = 0;

	for (size_t i = first; i < first + count; i++) {
		const struct pa_symtab_entry *s = &t->entries[i];
		char *name = n->text[free_text];

		if (read_name(t, src, i, name) < 0 || !usable_name(name, s->label))
			continue;
		if (!best || compare_names(s, name, best, n->text[!free_text]) < 0) {
			best = s;
			free_text = !free_text;
		}
	}
	return best ? n->text[!free_text] : NULL;
}
