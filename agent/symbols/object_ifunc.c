/* SPDX-License-Identifier: Apache-2.0
 * Names of the implementations of an object's indirect functions, learnt anew when other objects
 * are there than last time: their relocations tell some of them. */
#include "agent/symbols/object_private.h"

static const struct pa_object_name *known(struct pa_object *o, uint64_t vaddr)
{
	uint64_t value;

	return pa_map64_get(&o->names, vaddr | PA_OBJECT_KEY_IFUNC, &value)
		       ? (const struct pa_object_name *)(uintptr_t)value
		       : NULL;
}

/* Caller holds o->lock. What was learnt before stays: the dynamic linker resolves each once. */
static void learn(struct pa_object *o, const struct pa_elf_source *src, uint64_t head,
		  const struct pa_ifunc_images *images, struct pa_object_scratch *scratch)
{
	struct pa_arena arena = {0};
	struct pa_ifunc *found;
	size_t count;

	if (pa_ifunc_collect(&o->symtab, src, head, images, &arena, &found, &count) < 0)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		const uint64_t key = found[i].vaddr | PA_OBJECT_KEY_IFUNC;

		if (!known(o, found[i].vaddr) &&
		    !pa_object_add_name(o, key, found[i].vaddr, found[i].name, "", scratch))
			break;
	}
	pa_arena_done(&arena);
	pa_object_count_bytes(o);
}

const struct pa_object_name *pa_object_ifunc(struct pa_object *o, uint64_t vaddr,
					     const struct pa_elf_source *src, uint64_t head,
					     const struct pa_ifunc_images *images, uint64_t key,
					     struct pa_object_scratch *scratch)
{
	const struct pa_object_name *n;

	pa_lock(&o->lock);
	if (o->loaded && o->ifunc_key != key) {
		learn(o, src, head, images, scratch);
		o->ifunc_key = key;
	}
	n = known(o, vaddr);
	pa_unlock(&o->lock);
	return n;
}
