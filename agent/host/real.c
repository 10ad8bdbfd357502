/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/real.h"

#include <dlfcn.h>
#include <stddef.h>

struct pa_real pa_real;

/* Through a void pointer's storage: ISO C has no conversion from object to function pointer,
 * POSIX dlsym promises that the representation works. */
static void resolve(void *slot, const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (fn)
		__atomic_store_n((void **)slot, fn, __ATOMIC_RELEASE);
}

bool pa_real_thread_sanitizer(void)
{
	return dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
}

void pa_real_init(void)
{
#define RESOLVE(ret, name, params) resolve(&pa_real.name, #name);
	PA_REAL_FUNCTIONS(RESOLVE)
#undef RESOLVE
}
