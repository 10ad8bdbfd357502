/* SPDX-License-Identifier: Apache-2.0
 * What the tests of names share: a view of this process, and plugins and programs built from
 * test/programs/symbols_probe.c in a directory of the test's own. */
#ifndef PA_TEST_SYMBOLS_PROBE_H
#define PA_TEST_SYMBOLS_PROBE_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/symbols/symbols.h"

static char dir[] = "/tmp/symbols.XXXXXX";

__attribute__((unused)) static struct pa_symbols *open_view(void)
{
	struct pa_symbols *s = NULL;

	if (pa_symbols_open(&s) < 0) {
		ok(0, "a view opens");
		exit(1);
	}
	return s;
}

static struct pa_symbol resolve(struct pa_symbols *s, const void *addr)
{
	struct pa_symbol sym;

	pa_symbols_resolve(s, (uintptr_t)addr, &sym);
	return sym;
}

/* Builds test/programs/symbols_probe.c as `name` in the test's directory. */
static bool build(const char *name, const char *flags, char *ret_path, size_t size)
{
	const char *cc = getenv("CC") ? getenv("CC") : "cc";
	char cmd[600];

	snprintf(ret_path, size, "%s/%s", dir, name);
	snprintf(cmd, sizeof(cmd),
		 "%s -O1 -D_GNU_SOURCE %s -o %s test/programs/symbols_probe.c >/dev/null 2>&1", cc,
		 flags, ret_path);
	return system(cmd) == 0;
}

/* Names of a loaded probe, as far as its symbol table has them. */
__attribute__((unused)) static int wrong_names(struct pa_symbols *s, void *plugin)
{
	static const char *const names[] = {"probe_global", "probe_weak", "probe_far", "probe_asm"};
	int wrong = 0;

	for (size_t i = 0; i < 4; i++) {
		void *f = dlsym(plugin, names[i]);
		struct pa_symbol sym = resolve(s, f);

		if (strcmp(sym.name, names[i]) != 0 || sym.start != (uintptr_t)f) {
			printf("# %s: %s\n", names[i], sym.name);
			wrong++;
		}
	}
	return wrong;
}

#endif
