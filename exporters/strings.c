/* SPDX-License-Identifier: Apache-2.0
 * Interned strings that every reader accepts. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/symbols/utf8.h"
#include "exporters/strings.h"

static const char *cleaned(struct pa_strings *t, const char *s)
{
	char *copy = pa_arena_strndup(&t->arena, s, strlen(s));

	if (copy)
		pa_utf8_clean(copy);
	return copy;
}

static bool lookup(const struct pa_strings *t, const char *s, uint64_t *key, uint64_t *ret)
{
	while (pa_map64_get(&t->index, *key, ret)) {
		if (!strcmp(t->items[*ret], s))
			return true;
		++*key; /* taken by another string with the same hash */
	}
	return false;
}

static int append(struct pa_strings *t, const char *s, uint64_t key)
{
	void *items = t->items;
	int r = pa_pages_grow(&items, &t->cap, (t->count + 1) * sizeof(*t->items));

	if (r < 0)
		return r;
	t->items = items;
	r = pa_map64_put(&t->index, key, t->count);
	if (r < 0)
		return r;
	t->items[t->count++] = s;
	return 0;
}

int pa_strings_add(struct pa_strings *t, const char *s, uint32_t *ret)
{
	uint64_t key, found;
	size_t len;
	int r;

	if (!t->count) {
		r = append(t, "", pa_hash_bytes("", 0));
		if (r < 0)
			return r;
	}
	if (!s)
		s = "";
	len = pa_utf8_good(s);
	if (s[len]) {
		s = cleaned(t, s);
		if (!s)
			return -ENOMEM;
		len = strlen(s);
	}
	key = pa_hash_bytes(s, len);
	if (!lookup(t, s, &key, &found)) {
		found = t->count;
		r = append(t, s, key);
		if (r < 0)
			return r;
	}
	*ret = (uint32_t)found;
	return 0;
}

void pa_strings_done(struct pa_strings *t)
{
	pa_map64_done(&t->index);
	pa_pages_free(t->items, t->cap);
	pa_arena_done(&t->arena);
	*t = (struct pa_strings){0};
}
