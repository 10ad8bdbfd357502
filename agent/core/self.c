/* SPDX-License-Identifier: Apache-2.0
 * The counters' memory, names and texts. */
#include "agent/core/self.h"

#include <stddef.h>

_Atomic uint64_t pa_self_counters[PA_SELF_COUNT];

#define SELF_NAME(name, text) #name,
#define SELF_TEXT(name, text) text,
static const char *const names[] = {PA_SELF_COUNTERS(SELF_NAME)};
static const char *const texts[] = {PA_SELF_COUNTERS(SELF_TEXT)};

const char *pa_self_name(unsigned which)
{
	return which < PA_SELF_COUNT ? names[which] : NULL;
}

const char *pa_self_text(unsigned which)
{
	return which < PA_SELF_COUNT ? texts[which] : NULL;
}
