/* SPDX-License-Identifier: Apache-2.0
 * Functions of an answer. */
#include "agent/symbolize/answer.h"

#include "agent/symbolize/module.h"
#include "agent/symbolize/symtab.h"

#define UNKNOWN "(unknown function)"

struct pa_dbg_known {
	struct pa_dbg_function function;
	const void *key;
	const char *file; /* compared as a pointer: each line table has its own texts */
	struct pa_dbg_known *next;
};

static struct pa_dbg_known **slot_of(struct pa_dbg_answer *a, const void *key, const char *file)
{
	uint64_t mixed = ((uintptr_t)key ^ (uintptr_t)file << 7) * UINT64_C(0x9e3779b97f4a7c15);
	struct pa_dbg_known **slot = &a->functions[mixed >> 32 & (PA_ARRAY_LEN(a->functions) - 1)];

	while (*slot && ((*slot)->key != key || (*slot)->file != file))
		slot = &(*slot)->next;
	return slot;
}

static const struct pa_dbg_function *append(struct pa_dbg_answer *a, struct pa_dbg_known **slot,
					    const void *key, const struct pa_dbg_name *name,
					    const char *file)
{
	struct pa_dbg_known *k = pa_arena_alloc(&a->arena, sizeof(*k));

	if (!k)
		return NULL;
	k->key = key;
	k->file = file;
	k->function = (struct pa_dbg_function){
		.name = name->name,
		.system_name = name->system_name,
		.file = file,
		.start_line = name->start_line,
		.number = a->function_count++,
	};
	*slot = k;
	return &k->function;
}

/* Where the file with the names is missing, chains and lines are right all the same. */
static bool name_without_die(struct pa_dbg_answer *a, uint64_t entry, struct pa_dbg_name *ret)
{
	const struct pa_dbg_symbol *symbol =
		entry ? pa_dbg_module_symbol(a->names.module, entry) : NULL;

	if (symbol)
		return pa_dbg_name_of_symbol(&a->names, symbol, ret);
	*ret = (struct pa_dbg_name){UNKNOWN, UNKNOWN, 0};
	return true;
}

const struct pa_dbg_function *pa_dbg_answer_die(struct pa_dbg_answer *a, Dwarf_Die *die,
						uint64_t entry, const char *file)
{
	struct pa_dbg_known **slot = slot_of(a, die->addr, file);
	struct pa_dbg_name name;

	if (*slot)
		return &(*slot)->function;
	if (!pa_dbg_name_of_die(&a->names, die, entry, &name) && !name_without_die(a, entry, &name))
		return NULL;
	return append(a, slot, die->addr, &name, file);
}

const struct pa_dbg_function *
pa_dbg_answer_symbol(struct pa_dbg_answer *a, const struct pa_dbg_symbol *symbol, const char *file)
{
	struct pa_dbg_known **slot = slot_of(a, symbol, file);
	struct pa_dbg_name name;

	if (*slot)
		return &(*slot)->function;
	if (!pa_dbg_name_of_symbol(&a->names, symbol, &name))
		return NULL;
	return append(a, slot, symbol, &name, file);
}

void pa_dbg_answer_give(struct pa_dbg_answer *a, size_t index, const struct pa_dbg_frame *frames,
			size_t count)
{
	if (a->wanted[index].done)
		return;
	a->wanted[index].done = true;
	a->sink->address(a->sink->arg, index, frames, count);
}
