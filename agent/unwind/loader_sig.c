/* SPDX-License-Identifier: Apache-2.0
 * Asks the dynamic loader about an address. */
#include <dlfcn.h>
#include <stddef.h>

#include "agent/base/peek.h"
#include "agent/unwind/object.h"

_Atomic(pa_find_object_fn) pa_find_object;

static inline struct pa_loader_record ask(uint64_t pc)
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

struct pa_loader_record pa_object_loader(uint64_t pc)
{
	return ask(pc);
}

/* Apart, so that its result is off the stack when memory is read. */
static __attribute__((noinline)) bool loader_agrees(const struct pa_object *o, uint64_t pc)
{
	struct pa_loader_record now = ask(pc);

	return pa_object_is(o, &now);
}

bool pa_object_present(const struct pa_object *o, uint64_t pc)
{
	uint64_t value;

	if (o->permanent)
		return true;
	if (!loader_agrees(o, pc))
		return false;
	/* Not read directly: when the walk has gone astray the object may be going away. */
	return !o->probe || pa_peek_all(o->probe, &value, sizeof(value)) || value == o->probe_value;
}
