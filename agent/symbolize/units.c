/* SPDX-License-Identifier: Apache-2.0
 * The compile units of a file. */
#include "agent/symbolize/units.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/symbolize/guard.h"

#define UNITS_MAX ((size_t)1 << 20)

static int append(struct pa_dbg_units *u, const Dwarf_Die *die)
{
	if (u->count == u->cap) {
		size_t cap = u->cap ? u->cap * 2 : 256;
		void *bigger = cap <= UNITS_MAX ? realloc(u->units, cap * sizeof(*u->units)) : NULL;

		if (!bigger)
			return -ENOMEM;
		u->units = bigger;
		u->cap = cap;
	}
	u->units[u->count++] = (struct pa_dbg_unit){.die = *die};
	return 0;
}

static int add_unit(struct pa_dbg_units *u, Dwarf_Die *die)
{
	int r = append(u, die);
	struct pa_dbg_unit *unit;

	if (r < 0)
		return r;
	unit = &u->units[u->count - 1];
	return pa_dbg_ranges_add_die(&u->ranges, die, u->count - 1, &unit->ranged);
}

int pa_dbg_units_read(struct pa_dbg_units *u, const struct pa_dbg_file *f)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	uint64_t last = 0;
	int r = 0;

	*u = (struct pa_dbg_units){.folder = f->folder};
	while (r == 0 && !pa_dbg_late() &&
	       dwarf_get_units(f->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {
		if (u->count)
			u->units[u->count - 1].size += dwarf_dieoffset(&die) - last;
		last = dwarf_dieoffset(&die);
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			r = add_unit(u, &die);
	}
	pa_dbg_ranges_sort(&u->ranges);
	return r;
}

void pa_dbg_units_free(struct pa_dbg_units *u)
{
	for (size_t i = 0; i < u->count; i++)
		pa_dbg_ranges_free(&u->units[i].functions.ranges);
	free(u->units);
	pa_dbg_ranges_free(&u->ranges);
	*u = (struct pa_dbg_units){0};
}

static int add_functions(struct pa_dbg_units *u, size_t index)
{
	struct pa_dbg_unit *unit = &u->units[index];
	const struct pa_dbg_ranges *ranges = &unit->functions.ranges;
	Dwarf_Die die;
	int r;

	pa_dbg_unit_split(u, unit, &die);
	r = pa_dbg_functions_read(&unit->functions, &die, PA_DBG_EVERYTHING);
	for (size_t i = 0; r == 0 && i < ranges->count; i++)
		r = pa_dbg_ranges_add(&u->ranges, ranges->items[i].low, ranges->items[i].high,
				      index);
	return r;
}

int pa_dbg_units_read_unranged(struct pa_dbg_units *u)
{
	int r = 0;

	if (u->all_ranged)
		return 0;
	u->all_ranged = true;
	for (size_t i = 0; r == 0 && i < u->count && !pa_dbg_late(); i++) {
		if (!u->units[i].ranged)
			r = add_functions(u, i);
	}
	pa_dbg_ranges_sort(&u->ranges);
	return r;
}

static const char *text_of(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, at, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* Whether libdw may open the path that it makes of the three: a named pipe would keep it waiting. */
static bool is_harmless(const char *folder, const char *dir, const char *name)
{
	const char *slash = dir && dir[0] && dir[strlen(dir) - 1] != '/' ? "/" : "";
	char path[PATH_MAX];
	struct stat st;
	int n;

	if (name[0] == '/')
		n = snprintf(path, sizeof(path), "%s", name);
	else if ((dir && dir[0] == '/') || !folder)
		n = snprintf(path, sizeof(path), "%s%s%s", dir ? dir : "", slash, name);
	else
		n = snprintf(path, sizeof(path), "%s%s%s%s", folder, dir ? dir : "", slash, name);
	return n >= 0 && (size_t)n < sizeof(path) && (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

/* It looks in the folder of the file, then in that of the compilation. */
static bool is_harmless_split(const char *folder, const Dwarf_Die *skeleton)
{
	Dwarf_Die die = *skeleton;
	const char *name = text_of(&die, DW_AT_dwo_name);
	const char *dir = text_of(&die, DW_AT_comp_dir);

	if (!name)
		name = text_of(&die, DW_AT_GNU_dwo_name);
	if (!name || strnlen(name, PATH_MAX) == PATH_MAX ||
	    (dir && strnlen(dir, PATH_MAX) == PATH_MAX))
		return false;
	return is_harmless(folder, NULL, name) && is_harmless(folder, dir, name);
}

void pa_dbg_unit_split(const struct pa_dbg_units *all, const struct pa_dbg_unit *u, Dwarf_Die *ret)
{
	uint8_t type = 0;
	Dwarf_Die split;

	*ret = u->die;
	if (dwarf_cu_info(u->die.cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) < 0 ||
	    type != DW_UT_skeleton || !is_harmless_split(all->folder, &u->die) ||
	    dwarf_cu_info(u->die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) < 0 || !split.addr)
		return;
	dwarf_setalt(dwarf_cu_getdwarf(split.cu), pa_dbg_no_dwarf());
	*ret = split;
}
