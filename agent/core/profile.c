/* SPDX-License-Identifier: Apache-2.0
 * The neutral profile. A record (values and frames) lies in an arena, `records` lists them in
 * order of appearance, `index` leads from a stack's hash to its record. */
#include <stdarg.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/fmt.h"
#include "agent/base/hash.h"
#include "agent/core/profile.h"

#define COMMENT_BYTES 256
#define COMMENTS      32 /* more are dropped: they are for people */

struct record {
	size_t frame_count;
	int64_t values[PA_PROFILE_VALUES];
	uint64_t frames[];
};

/* Holds what does not fit, so it may not need memory itself. */
struct leftover {
	uint64_t frame;
	int64_t values[PA_PROFILE_VALUES];
	bool used;
};

struct profile {
	struct pa_profile fields; /* first: the public part is all that callers see */
	struct pa_arena arena;
	struct record **records;
	size_t records_cap, count;
	struct pa_map64 index;
	struct leftover leftover;
	bool full; /* memory was refused once: new stacks go to `leftover` from then on */
	int64_t totals[PA_PROFILE_VALUES];
	const char *comments[COMMENTS];
	size_t comment_count;
};

static struct profile *profile_of(struct pa_profile *p)
{
	return (struct profile *)p;
}

static const struct profile *profile_of_const(const struct pa_profile *p)
{
	return (const struct profile *)p;
}

const char *pa_pseudo_name(uint64_t addr)
{
	static const char *const names[PA_PSEUDO_COUNT] = {
		[PA_PSEUDO_LOST] = "[lost samples]",
		[PA_PSEUDO_SIGNALS_BLOCKED] = "[thread blocks all signals]",
		[PA_PSEUDO_SANDBOXED] = "[thread is in a seccomp sandbox]",
		[PA_PSEUDO_SMALL_STACK] = "[thread stack too small to sample]",
		[PA_PSEUDO_UNSAMPLED] = "[time missed by the timer]",
		[PA_PSEUDO_KERNEL] = "[kernel]",
		[PA_PSEUDO_NO_MEMORY] = "[profile over memory limit]",
		[PA_PSEUDO_TRUNCATED] = "[stack truncated]",
		[PA_PSEUDO_AGENT] = "[profagent]",
		[PA_PSEUDO_NO_STACK] = "[stack unknown]",
	};
	uint64_t offset = addr - PA_PSEUDO_FRAME(0);

	if (addr < PA_PSEUDO_FRAME(0) || offset % 16 || offset / 16 >= PA_PSEUDO_COUNT)
		return NULL;
	return names[offset / 16];
}

struct pa_profile *pa_profile_new(const char *name)
{
	struct profile *p = pa_pages_alloc(sizeof(*p));

	if (!p)
		return NULL;
	p->fields.name = name;
	p->leftover.frame = PA_PSEUDO_FRAME(PA_PSEUDO_NO_MEMORY);
	return &p->fields;
}

void pa_profile_free(struct pa_profile *pub)
{
	struct profile *p = profile_of(pub);

	if (!p)
		return;
	pa_map64_done(&p->index);
	pa_pages_free(p->records, p->records_cap);
	pa_arena_done(&p->arena);
	pa_pages_free(p, sizeof(*p));
}

static int64_t add_saturating(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static int type_count(const struct profile *p)
{
	return PA_MIN(PA_MAX(p->fields.type_count, 0), PA_PROFILE_VALUES);
}

static void add_values(const struct profile *p, int64_t *sum, const int64_t *values)
{
	for (int i = 0; i < type_count(p); i++)
		sum[i] = add_saturating(sum[i], values[i]);
}

/* The record with these frames; NULL when there is none, with *ret_key free for it. */
static struct record *find(const struct profile *p, const uint64_t *frames, size_t count,
			   uint64_t *ret_key)
{
	uint64_t key = pa_hash_words(frames, count), i;

	/* A stack whose hash is taken by another one goes to the next free key. */
	while (pa_map64_get(&p->index, key, &i)) {
		struct record *r = p->records[i];

		if (r->frame_count == count && !memcmp(r->frames, frames, count * sizeof(*frames)))
			return r;
		key++;
	}
	*ret_key = key;
	return NULL;
}

/* A profile that took all memory could not be named and encoded any more. */
static bool has_room(const struct profile *p)
{
	return !p->full && pa_mem_used() <= pa_mem_limit() / 4 * 3;
}

static struct record *record_new(struct profile *p, const uint64_t *frames, size_t count,
				 uint64_t key)
{
	struct record *r;
	void *records = p->records;

	if (count > (PTRDIFF_MAX - sizeof(*r)) / sizeof(*frames))
		return NULL;
	if (pa_pages_grow(&records, &p->records_cap, (p->count + 1) * sizeof(struct record *)))
		return NULL;
	p->records = records;
	r = pa_arena_alloc(&p->arena, sizeof(*r) + count * sizeof(*frames));
	if (!r || pa_map64_put(&p->index, key, p->count))
		return NULL;
	r->frame_count = count;
	memcpy(r->frames, frames, count * sizeof(*frames));
	p->records[p->count++] = r;
	return r;
}

void pa_profile_add(struct pa_profile *pub, const uint64_t *frames, size_t count,
		    const int64_t *values)
{
	static const uint64_t no_stack = PA_PSEUDO_FRAME(PA_PSEUDO_NO_STACK);
	struct profile *p = profile_of(pub);
	struct record *r = NULL;
	uint64_t key;

	if (!count) {
		frames = &no_stack;
		count = 1;
	}
	/* What another profile could not hold, when profiles are added up. */
	if (count > 1 || frames[0] != p->leftover.frame) {
		r = find(p, frames, count, &key);
		if (!r && has_room(p)) {
			r = record_new(p, frames, count, key);
			p->full = !r;
		}
	}
	p->leftover.used |= !r;
	add_values(p, r ? r->values : p->leftover.values, values);
	add_values(p, p->totals, values);
}

int64_t pa_profile_total(const struct pa_profile *p, int type)
{
	return type >= 0 && type < PA_PROFILE_VALUES ? profile_of_const(p)->totals[type] : 0;
}

size_t pa_profile_count(const struct pa_profile *pub)
{
	const struct profile *p = profile_of_const(pub);

	return p->count + p->leftover.used;
}

struct pa_sample pa_profile_sample(const struct pa_profile *pub, size_t i)
{
	const struct profile *p = profile_of_const(pub);
	const struct record *r = i < p->count ? p->records[i] : NULL;

	if (!r)
		return (struct pa_sample){&p->leftover.frame, 1, p->leftover.values};
	return (struct pa_sample){r->frames, r->frame_count, r->values};
}

void pa_profile_comment(struct pa_profile *pub, const char *fmt, ...)
{
	struct profile *p = profile_of(pub);
	char text[COMMENT_BYTES];
	const char *copy;
	va_list ap;

	if (p->comment_count == COMMENTS)
		return;
	va_start(ap, fmt);
	pa_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	copy = pa_arena_strndup(&p->arena, text, strlen(text));
	if (copy)
		p->comments[p->comment_count++] = copy;
}

const char *pa_profile_comment_get(const struct pa_profile *pub, size_t i)
{
	const struct profile *p = profile_of_const(pub);

	return i < p->comment_count ? p->comments[i] : NULL;
}
