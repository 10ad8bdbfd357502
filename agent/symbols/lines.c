/* SPDX-License-Identifier: Apache-2.0
 * Functions and strings are kept once an object. Entries do not change once they are in, and go
 * with the whole object. No two locks are held at once. */
#include "agent/symbols/lines.h"

#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"
#include "agent/base/lock.h"

#define KEY_MAX   160
#define OWN_BYTES ((size_t)4096) /* of an object without lines: a page */
#define DEATHS_OK 1

struct pa_lines {
	/* Under list_lock. */
	struct pa_lines *next;
	unsigned pins;
	uint64_t used;

	char key[KEY_MAX]; /* constant */

	struct pa_lock lock;
	unsigned deaths;
	struct pa_map64 addresses; /* vaddr -> struct pa_address_lines */
	struct pa_map64 functions; /* hash -> struct pa_function; a taken hash goes to the next */
	struct pa_map64 strings;
	struct pa_arena arena;
	size_t bytes;
};

/* Relaxed wherever it is used: a sum that decides about eviction only. */
static _Atomic size_t all_bytes;

static struct pa_lock list_lock;
static struct pa_lines *list;
static uint64_t list_clock;

/* Caller holds l->lock, or nobody else knows l. */
static void set_bytes(struct pa_lines *l, size_t bytes)
{
	atomic_fetch_add_explicit(&all_bytes, bytes - l->bytes, memory_order_relaxed);
	l->bytes = bytes;
}

static void count_bytes(struct pa_lines *l)
{
	set_bytes(l, OWN_BYTES + l->addresses.bytes + l->functions.bytes + l->strings.bytes +
			     pa_arena_size(&l->arena));
}

static bool is_full(size_t max)
{
	return atomic_load_explicit(&all_bytes, memory_order_relaxed) >= max;
}

static void lines_free(struct pa_lines *l)
{
	set_bytes(l, 0);
	pa_map64_done(&l->addresses);
	pa_map64_done(&l->functions);
	pa_map64_done(&l->strings);
	pa_arena_done(&l->arena);
	pa_pages_free(l, sizeof(*l));
}

/* Caller holds list_lock. Drops the longest unused ones until fewer than `max` bytes are left or all
 * are pinned. */
static void shrink(size_t max)
{
	while (is_full(max)) {
		struct pa_lines **oldest = NULL, *l;

		for (struct pa_lines **at = &list; *at; at = &(*at)->next) {
			if (!(*at)->pins && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
		}
		if (!oldest)
			return;
		l = *oldest;
		*oldest = l->next;
		lines_free(l);
	}
}

size_t pa_lines_bytes(void)
{
	return atomic_load_explicit(&all_bytes, memory_order_relaxed);
}

void pa_lines_drop(void)
{
	pa_lock(&list_lock);
	shrink(0);
	pa_unlock(&list_lock);
}

/* Caller holds list_lock. */
static struct pa_lines *lines_new(const char *key)
{
	struct pa_lines *l = pa_pages_alloc(sizeof(*l));

	if (!l) {
		shrink(0);
		l = pa_pages_alloc(sizeof(*l));
	}
	if (!l)
		return NULL;
	memcpy(l->key, key, strlen(key));
	count_bytes(l);
	l->next = list;
	list = l;
	return l;
}

struct pa_lines *pa_lines_get(const char *key)
{
	struct pa_lines *l;

	if (strlen(key) >= KEY_MAX)
		return NULL;
	pa_lock(&list_lock);
	for (l = list; l && strcmp(l->key, key) != 0; l = l->next)
		;
	if (!l)
		l = lines_new(key);
	if (l) {
		l->pins++;
		l->used = ++list_clock;
	}
	pa_unlock(&list_lock);
	return l;
}

struct pa_lines *pa_lines_pin(struct pa_lines *l)
{
	pa_lock(&list_lock);
	l->pins++;
	pa_unlock(&list_lock);
	return l;
}

void pa_lines_put(struct pa_lines *l)
{
	if (!l)
		return;
	pa_lock(&list_lock);
	l->pins--;
	shrink(PA_LINES_MAX);
	pa_unlock(&list_lock);
}

const struct pa_address_lines *pa_lines_find(struct pa_lines *l, uint64_t vaddr)
{
	uint64_t value = 0;

	pa_lock(&l->lock);
	pa_map64_get(&l->addresses, vaddr, &value);
	pa_unlock(&l->lock);
	return (const struct pa_address_lines *)(uintptr_t)value;
}

/* Whether one more may be kept, which may take the place of what nobody has pinned. */
static bool make_room(void)
{
	if (!is_full(PA_LINES_MAX))
		return true;
	pa_lock(&list_lock);
	shrink(PA_LINES_MAX);
	pa_unlock(&list_lock);
	return !is_full(PA_LINES_MAX);
}

/* Caller holds l->lock. The object's copy of a string. */
static const char *intern(struct pa_lines *l, const char *text)
{
	const size_t len = strlen(text);
	uint64_t key = pa_hash_bytes(text, len), value;
	char *copy;

	while (pa_map64_get(&l->strings, key, &value)) {
		if (!strcmp((const char *)(uintptr_t)value, text))
			return (const char *)(uintptr_t)value;
		key++;
	}
	copy = pa_arena_strndup(&l->arena, text, len);
	if (!copy || pa_map64_put(&l->strings, key, (uintptr_t)copy) < 0)
		return NULL;
	return copy;
}

/* Caller holds l->lock. The strings of *f are the object's own, so that pointers tell them apart. */
static const struct pa_function *find_function(const struct pa_lines *l,
					       const struct pa_function *f, uint64_t *ret_key)
{
	const uint64_t words[] = {(uintptr_t)f->name, (uintptr_t)f->system_name, (uintptr_t)f->file,
				  f->start_line};
	uint64_t key = pa_hash_words(words, PA_ARRAY_LEN(words)), value;

	while (pa_map64_get(&l->functions, key, &value)) {
		const struct pa_function *there = (const struct pa_function *)(uintptr_t)value;

		if (there->name == f->name && there->system_name == f->system_name &&
		    there->file == f->file && there->start_line == f->start_line)
			return there;
		key++;
	}
	*ret_key = key;
	return NULL;
}

/* Caller holds l->lock. */
static const struct pa_function *keep_function(struct pa_lines *l, const struct pa_function *f)
{
	struct pa_function own = {
		.name = intern(l, f->name),
		.system_name = intern(l, f->system_name),
		.file = intern(l, f->file),
		.start_line = f->start_line,
	};
	const struct pa_function *there;
	struct pa_function *copy;
	uint64_t key;

	if (!own.name || !own.system_name || !own.file)
		return NULL;
	there = find_function(l, &own, &key);
	if (there)
		return there;
	copy = pa_arena_alloc(&l->arena, sizeof(*copy));
	if (!copy || pa_map64_put(&l->functions, key, (uintptr_t)copy) < 0)
		return NULL;
	*copy = own;
	return copy;
}

int pa_lines_add_function(struct pa_lines *l, const struct pa_function *f,
			  const struct pa_function **ret)
{
	const struct pa_function *kept;

	if (!make_room())
		return -ENOMEM;
	pa_lock(&l->lock);
	kept = keep_function(l, f);
	count_bytes(l);
	pa_unlock(&l->lock);
	if (!kept)
		return -ENOMEM;
	*ret = kept;
	return 0;
}

/* Caller holds l->lock. */
static int keep_lines(struct pa_lines *l, uint64_t vaddr, const struct pa_code_line *lines,
		      size_t count)
{
	static const struct pa_address_lines none;
	const struct pa_address_lines *kept = &none;
	uint64_t value;

	if (pa_map64_get(&l->addresses, vaddr, &value))
		return 0;
	if (count) {
		struct pa_address_lines *copy =
			pa_arena_alloc(&l->arena, sizeof(*copy) + count * sizeof(*lines));

		if (!copy)
			return -ENOMEM;
		copy->count = (uint32_t)count;
		memcpy(copy->lines, lines, count * sizeof(*lines));
		kept = copy;
	}
	return pa_map64_put(&l->addresses, vaddr, (uintptr_t)kept);
}

int pa_lines_add(struct pa_lines *l, uint64_t vaddr, const struct pa_code_line *lines, size_t count)
{
	int r;

	if (!make_room())
		return -ENOMEM;
	pa_lock(&l->lock);
	r = keep_lines(l, vaddr, lines, count);
	count_bytes(l);
	pa_unlock(&l->lock);
	return r;
}

void pa_lines_blame(struct pa_lines *l)
{
	pa_lock(&l->lock);
	l->deaths++;
	pa_unlock(&l->lock);
}

bool pa_lines_hopeless(struct pa_lines *l)
{
	bool hopeless;

	pa_lock(&l->lock);
	hopeless = l->deaths > DEATHS_OK;
	pa_unlock(&l->lock);
	return hopeless;
}

void pa_lines_fork_child(void)
{
	size_t sum = 0;

	/* A lock held at the fork means that what it guards may be half changed: that is left
	 * behind, pages and all. */
	if (atomic_load_explicit(&list_lock.state, memory_order_relaxed))
		list = NULL;
	list_lock = (struct pa_lock){0};
	for (struct pa_lines **at = &list; *at;) {
		struct pa_lines *l = *at;

		if (atomic_load_explicit(&l->lock.state, memory_order_relaxed)) {
			*at = l->next;
			continue;
		}
		l->pins = 0;
		sum += l->bytes;
		at = &l->next;
	}
	atomic_store_explicit(&all_bytes, sum, memory_order_relaxed);
}
