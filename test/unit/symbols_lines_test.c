/* SPDX-License-Identifier: Apache-2.0
 * What a view says about addresses whose lines are known: which names are shown. */
#include <stdbool.h>

#include "agent/symbols/lines.h"
#include "agent/symbols/symbols.h"
#include "test/tap.h"

/* Two names of one function, as libc's are, and one that its callers do not know. */
__attribute__((noinline, noclone)) int __internal_name(int x);
int __internal_name(int x)
{
	return x * 3 + 1;
}
__attribute__((alias("__internal_name"))) int documented(int x);

static struct pa_lines *lines;
static struct pa_symbols *view;
static uint64_t bias;

static const struct pa_function *function(const char *name, const char *file, uint32_t start)
{
	const struct pa_function f = {name, name, file, start};
	const struct pa_function *kept = NULL;

	ok(pa_lines_add_function(lines, &f, &kept) == 0 && kept, "%s is kept", name);
	return kept;
}

static void add(uint64_t addr, const struct pa_code_line *of, size_t count)
{
	is_int(pa_lines_add(lines, addr - bias, of, count), 0, "lines are known");
}

static struct pa_symbol symbol;
static struct pa_line found[PA_SYMBOLS_LINES];

static size_t look_up(uint64_t addr)
{
	pa_symbols_resolve(view, addr, &symbol);
	return pa_symbols_lines(view, addr, &symbol, found);
}

static void test_names(void)
{
	const uint64_t addr = (uintptr_t)&documented;
	const struct pa_function *own = function("__internal_name", "/src/a.c", 10);
	const struct pa_code_line alone = {own, 12, 2};
	const struct pa_code_line chain[] = {
		{own, 13, 1}, {function("helper", "/src/a.h", 3), 5, 0}, {own, 14, 0}};

	is_int(look_up(addr), 0, "no lines yet");
	is_str(symbol.name, "documented", "but a name");
	add(addr, &alone, 1);
	is_int(look_up(addr), 1, "one line");
	is_str(found[0].name, "documented", "with the name that callers use");
	is_str(found[0].system_name, "documented", "also for the linker");
	is_str(found[0].file, "/src/a.c", "file");
	is_int(found[0].line, 12, "line");
	is_int(found[0].start_line, 10, "start");
	add(addr + 1, chain, 3);
	is_int(look_up(addr + 1), 3, "inlined functions");
	is_str(found[0].name, "documented", "what is inlined into itself has one name");
	is_str(found[1].name, "helper", "another one its own");
	is_str(found[2].name, "documented", "the outermost that of the symbol");
}

/* Code that only debug information has a name for. */
static void test_unnamed(void)
{
	const struct pa_code_line line = {function("local", "/src/b.c", 1), 2, 0};
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(view, &count);
	uint64_t addr = m[0].limit - 1; /* padding behind the last function */

	ok(!look_up(addr) && !symbol.known, "nothing is known about it");
	add(addr, &line, 1);
	is_int(look_up(addr), 1, "a line without a symbol");
	is_str(found[0].name, "local", "has the name of the debug information");
	ok(symbol.known && !strcmp(symbol.name, "local"), "and so has the symbol");
}

static void test_elsewhere(void)
{
	is_int(look_up(0x1000), 0, "an address in nothing has no lines");
	is_int(look_up((uintptr_t)&view), 0, "nor have data");
}

extern const char __executable_start[];

int main(void)
{
	const struct pa_mapping *m;
	size_t count;

	is_int(pa_symbols_open(&view), 0, "a view opens");
	m = pa_symbols_mappings(view, &count);
	ok(m[0].build_id[0] != '\0', "this program has a build id");
	bias = (uintptr_t)__executable_start;
	lines = pa_lines_get(m[0].build_id);
	test_names();
	test_unnamed();
	test_elsewhere();
	pa_lines_put(lines);
	pa_symbols_close(view);
	return tap_done();
}
