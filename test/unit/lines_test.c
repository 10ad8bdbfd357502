/* SPDX-License-Identifier: Apache-2.0
 * The cache of lines. */
#include <errno.h>
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/symbols/lines.h"
#include "test/tap.h"

static const struct pa_function *function(struct pa_lines *l, const char *name, const char *file,
					  uint32_t start)
{
	char own_name[64], own_file[64];
	struct pa_function f = {own_name, own_name, own_file, start};
	const struct pa_function *ret = NULL;

	/* What is handed over may change afterwards. */
	snprintf(own_name, sizeof(own_name), "%s", name);
	snprintf(own_file, sizeof(own_file), "%s", file);
	if (pa_lines_add_function(l, &f, &ret) < 0)
		ret = NULL;
	memset(own_name, 'x', sizeof(own_name) - 1);
	return ret;
}

static void test_find(void)
{
	struct pa_lines *l = pa_lines_get("28b8");
	const struct pa_function *f = function(l, "f", "/a.c", 1), *g = function(l, "g", "/a.c", 9);
	const struct pa_code_line lines[] = {{f, 3, 4}, {g, 12, 0}};
	const struct pa_address_lines *found;

	ok(f && g && f != g, "two functions");
	ok(function(l, "f", "/a.c", 1) == f, "one that is there is not kept twice");
	ok(function(l, "f", "/a.c", 2) != f && function(l, "f", "/b.c", 1) != f,
	   "start and file tell functions apart");
	ok(f->file == g->file, "strings are shared");
	ok(!pa_lines_find(l, 0x1000), "nothing is known before it was asked for");
	is_int(pa_lines_add(l, 0x1000, lines, 2), 0, "lines are added");
	is_int(pa_lines_add(l, 0x2000, NULL, 0), 0, "as is that there are none");
	found = pa_lines_find(l, 0x1000);
	is_int(found->count, 2, "two lines");
	is_str(found->lines[0].function->name, "f", "innermost first");
	is_int(found->lines[0].column, 4, "with its column");
	is_int(found->lines[1].line, 12, "and line");
	is_int(pa_lines_find(l, 0x2000)->count, 0, "none is known too");
	is_int(pa_lines_add(l, 0x1000, lines, 1), 0, "a second answer");
	ok(pa_lines_find(l, 0x1000) == found && found->count == 2, "changes nothing");
	pa_lines_put(l);
}

static void test_shared(void)
{
	struct pa_lines *l = pa_lines_get("28b8"), *other = pa_lines_get("28b9");

	ok(pa_lines_find(l, 0x1000), "lines outlive the request");
	ok(!pa_lines_find(other, 0x1000), "another object has its own");
	ok(pa_lines_get("28b8") == l, "one with the same build id has the same");
	pa_lines_put(l);
	pa_lines_drop();
	ok(pa_lines_find(l, 0x1000), "what is pinned is not dropped");
	pa_lines_put(l);
	pa_lines_put(other);
	pa_lines_put(NULL);
	pa_lines_drop();
	is_int(pa_lines_bytes(), 0, "nothing is left");
	is_int(pa_mem_used(), 0, "of memory either");
	l = pa_lines_get("28b8");
	ok(!pa_lines_find(l, 0x1000), "it starts over then");
	pa_lines_put(l);
}

static void test_blame(void)
{
	struct pa_lines *l = pa_lines_get("bad");

	pa_lines_blame(l);
	ok(!pa_lines_hopeless(l), "one death may be another's fault");
	pa_lines_blame(l);
	ok(pa_lines_hopeless(l), "two are not");
	pa_lines_put(l);
}

/* Fills an object until it takes no more. Returns the number of addresses. */
static uint64_t fill(struct pa_lines *l)
{
	const struct pa_function *f = function(l, "f", "/a.c", 1);
	const struct pa_code_line line = {f, 1, 1};
	uint64_t n = 0;

	while (f && pa_lines_add(l, n, &line, 1) == 0)
		n++;
	return n;
}

static void test_bound(void)
{
	struct pa_lines *l = pa_lines_get("huge"), *small = pa_lines_get("small");
	uint64_t n = fill(l);

	ok(n > 100000, "%d addresses fit", (int)n);
	ok(pa_lines_bytes() < PA_LINES_MAX + PA_LINES_MAX / 2, "into %zu bytes", pa_lines_bytes());
	ok(!function(l, "one more", "/a.c", 1), "then no function does either");
	ok(pa_lines_find(l, n - 1) && !pa_lines_find(l, n), "what is there stays");
	is_int(pa_lines_add(small, 1, NULL, 0), -ENOMEM, "nor anything in another object");
	pa_lines_put(l);
	is_int(pa_lines_add(small, 1, NULL, 0), 0,
	       "which has room as soon as nobody needs the first");
	pa_lines_put(small);
	l = pa_lines_get("huge");
	ok(!pa_lines_find(l, 0), "it is dropped with its last pin");
	pa_lines_put(l);
	pa_lines_drop();
}

static void test_memory(void)
{
	struct pa_lines *l = pa_lines_get("x");
	uint64_t n;

	pa_mem_limit_set(pa_mem_used() + (1 << 20));
	n = fill(l);
	ok(n > 1000 && n < 100000, "the agent's budget counts: %d addresses", (int)n);
	pa_mem_limit_set(pa_mem_used());
	ok(!pa_lines_get("y") || n == 0, "nothing fits beside");
	pa_lines_put(l);
	l = pa_lines_get("y");
	ok(l, "unless something can be dropped");
	pa_lines_put(l);
	pa_mem_limit_set((size_t)64 << 20);
	pa_lines_drop();
	is_int(pa_mem_used(), 0, "no leak");
}

static void test_keys(void)
{
	char key[1000];

	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	ok(!pa_lines_get(key), "an absurd key is refused");
}

int main(void)
{
	test_find();
	test_shared();
	test_blame();
	test_bound();
	test_memory();
	test_keys();
	return tap_done();
}
