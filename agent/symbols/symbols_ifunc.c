/* SPDX-License-Identifier: Apache-2.0
 * Code without symbols that a resolver has chosen: memcpy and strlen in a stripped libc. */
#include "agent/base/hash.h"
#include "agent/symbols/symbols_private.h"

static bool find_heads(struct pa_symbols *s)
{
	uint64_t *heads;

	if (s->ifunc_key)
		return true;
	heads = pa_arena_alloc(&s->arena, (s->mappings.image_count + 1) * sizeof(*heads));
	if (!heads)
		return false;
	for (size_t i = 0; i < s->mappings.image_count; i++) {
		const struct pa_image *image = &s->mappings.images[i];

		if (image->has_head && s->images[i].object)
			heads[s->ifunc_images.count++] = image->head;
	}
	s->ifunc_images.heads = heads;
	s->ifunc_key = pa_hash_words(heads, s->ifunc_images.count) | 1;
	return true;
}

bool pa_symbols_indirect(struct pa_symbols *s, size_t image, struct pa_symbol *ret)
{
	const struct pa_object_name *name = NULL;

	if (ret->start && find_heads(s))
		name = pa_image_ifunc(&s->images[image], &s->mappings.images[image], ret->start,
				      &s->ifunc_images, s->ifunc_key, &s->reader);
	if (!name)
		return false;
	ret->name = name->name;
	ret->system_name = name->system_name;
	ret->known = ret->borrowed = true;
	return true;
}
