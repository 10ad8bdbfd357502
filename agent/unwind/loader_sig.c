/* SPDX-License-Identifier: Apache-2.0
 * Asks the dynamic loader about an address. */
#include <dlfcn.h>
#include <stddef.h>

#include "agent/unwind/object.h"

_Atomic(pa_find_object_fn) pa_find_object;

struct pa_loader_record pa_object_loader(uint64_t pc)
{
	/* Relaxed: the pointer is set once, to a function of libc. */
	pa_find_object_fn fn = atomic_load_explicit(&pa_find_object, memory_order_relaxed);
	struct dl_find_object found;

	if (!fn || fn((void *)pc, &found) != 0)
		return (struct pa_loader_record){0};
	return (struct pa_loader_record){
		.map_start = (uint64_t)found.dlfo_map_start,
		.map_end = (uint64_t)found.dlfo_map_end,
		.link_map = (uint64_t)found.dlfo_link_map,
		.eh_frame_hdr = (uint64_t)found.dlfo_eh_frame,
	};
}
