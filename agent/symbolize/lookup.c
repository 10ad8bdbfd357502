/* SPDX-License-Identifier: Apache-2.0
 * An object's addresses, unit by unit, small units first: one that takes long or is malformed keeps
 * the others from nothing. */
#include "agent/symbolize/lookup.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/symbolize/answer.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/module.h"
#include "agent/symbols/demangle.h"

#define REQUEST_CPU_MS 12000
#define UNIT_CPU_MS    3000
#define FAULTS_LIMIT   3

struct visit {
	uint64_t size, unit;
	uint32_t index;
};

/* A guarded piece of work: the visits of one unit, or all addresses (count: what is new). */
struct piece {
	struct pa_dbg_answer *a;
	const struct visit *visits;
	size_t count;
	bool all_units;
	int error;
};

static int compare_visits(const void *a, const void *b)
{
	const struct visit *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Runs it; false when the module's debug information is better left alone. */
static bool guarded(void (*job)(void *), struct piece *p)
{
	struct pa_dbg_module *m = p->a->names.module;
	int r = pa_dbg_guard(job, p, UNIT_CPU_MS);

	if (r == -ENOMEM || p->error == -ENOMEM)
		pa_dbg_modules_trim(m);
	if (r < 0)
		m->faults++;
	return m->faults < FAULTS_LIMIT;
}

static void find_units(void *arg)
{
	struct piece *p = arg;
	struct pa_dbg_units *units = &p->a->names.module->units;

	const size_t before = units->ranges.count;

	if (p->all_units && pa_dbg_units_read_unranged(units) < 0)
		return;
	p->count = units->ranges.count - before;
	for (size_t i = 0; i < p->a->count; i++) {
		struct pa_dbg_wanted *w = &p->a->wanted[i];

		if (!w->done)
			w->unit_count = (uint32_t)pa_dbg_ranges_find(&units->ranges, w->addr,
								     w->units, PA_DBG_CANDIDATES);
	}
}

static void look_up_unit(void *arg)
{
	struct piece *p = arg;
	uint32_t *indexes = malloc(p->count * sizeof(*indexes));

	p->error = -ENOMEM;
	if (!indexes)
		return;
	for (size_t i = 0; i < p->count; i++)
		indexes[i] = p->visits[i].index;
	p->error = pa_dbg_unit_lookup(p->a, p->visits[0].unit, indexes, p->count);
	free(indexes);
}

/* Addresses whose `rank`th unit is to be asked. */
static size_t list_visits(const struct pa_dbg_answer *a, uint32_t rank, struct visit *ret)
{
	const struct pa_dbg_units *units = &a->names.module->units;
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct pa_dbg_wanted *w = &a->wanted[i];

		if (!w->done && rank < w->unit_count)
			ret[count++] = (struct visit){units->units[w->units[rank]].size,
						      w->units[rank], (uint32_t)i};
	}
	qsort(ret, count, sizeof(*ret), compare_visits);
	return count;
}

static bool visit_units(struct pa_dbg_answer *a, struct visit *visits, size_t count)
{
	bool go_on = true;
	size_t from = 0, to;

	for (; go_on && from < count && !pa_dbg_budget_over(); from = to) {
		struct piece p = {.a = a, .visits = visits + from};

		for (to = from; to < count && visits[to].unit == visits[from].unit; to++)
			p.count++;
		go_on = guarded(look_up_unit, &p);
		a->sink->pause(a->sink->arg);
	}
	return go_on;
}

static bool all_done(const struct pa_dbg_answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!a->wanted[i].done)
			return false;
	}
	return true;
}

static void look_up_units(struct pa_dbg_answer *a)
{
	struct visit *visits = malloc(a->count * sizeof(*visits));
	struct piece all = {.a = a};
	bool go_on = visits && a->names.module->faults < FAULTS_LIMIT;

	for (int pass = 0; go_on && pass < 2 && !all_done(a); pass++) {
		all.all_units = pass == 1;
		go_on = guarded(find_units, &all) && (pass == 0 || all.count);
		for (uint32_t rank = 0; go_on && rank < PA_DBG_CANDIDATES; rank++)
			go_on = visit_units(a, visits, list_visits(a, rank, visits));
	}
	free(visits);
}

/* Names from the symbol table for what no unit knows. */
static void look_up_symbols(void *arg)
{
	struct pa_dbg_answer *a = ((struct piece *)arg)->a;

	for (size_t i = 0; i < a->count; i++) {
		const struct pa_dbg_wanted *w = &a->wanted[i];
		struct pa_dbg_frame frame = {.line = w->line, .column = w->column};
		const struct pa_dbg_symbol *symbol;

		if (w->done)
			continue;
		symbol = pa_dbg_module_symbol(a->names.module, w->addr);
		if (symbol)
			frame.function = pa_dbg_answer_symbol(a, symbol, w->file ? w->file : "");
		if (frame.function)
			pa_dbg_answer_give(a, i, &frame, 1);
	}
}

static void look_up(struct pa_dbg_answer *a)
{
	struct piece all = {.a = a};

	if (a->names.module->info)
		look_up_units(a);
	if (!all_done(a))
		guarded(look_up_symbols, &all);
}

void pa_dbg_lookup(const struct pa_dbg_object *o, const uint64_t *addrs, size_t count,
		   const struct pa_dbg_sink *sink)
{
	struct pa_dbg_answer *a = calloc(1, sizeof(*a));

	if (!a)
		return;
	pa_dbg_budget_begin(REQUEST_CPU_MS);
	a->sink = sink;
	a->count = count;
	a->wanted = calloc(count, sizeof(*a->wanted));
	a->names.arena = &a->arena;
	a->names.demangler = pa_demangler_new();
	a->names.module = pa_dbg_module_get(o);
	if (count && a->wanted && a->names.module) {
		for (size_t i = 0; i < count; i++)
			a->wanted[i].addr = addrs[i];
		look_up(a);
	}
	pa_demangler_free(a->names.demangler);
	pa_arena_done(&a->arena);
	free(a->wanted);
	free(a);
}
