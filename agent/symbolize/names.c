/* SPDX-License-Identifier: Apache-2.0
 * Names of functions. */
#include "agent/symbolize/names.h"

#include <dwarf.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/fmt.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/module.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbolize/symtab.h"
#include "agent/symbols/demangle.h"

#define HOPS_MAX      16 /* from a call over abstract instances to a declaration */
#define DEPTH_MAX     32 /* of namespaces and classes */
#define FUNCTIONS_MAX 3  /* with a class inside, one inside the other */
#define TEXT_MAX      (PA_SYMBOLIZE_TEXT - 1)

static const char *text_of(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute attr;
	const char *text = dwarf_attr(die, at, &attr) ? dwarf_formstring(&attr) : NULL;

	return text && text[0] ? text : NULL;
}

static bool follow(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;

	if (!dwarf_attr(die, DW_AT_abstract_origin, &attr) &&
	    !dwarf_attr(die, DW_AT_specification, &attr))
		return false;
	if (!dwarf_formref_die(&attr, &next))
		return false;
	*die = next;
	return true;
}

void pa_dbg_name_origin(Dwarf_Die *die)
{
	follow(die);
}

struct facts {
	const char *linkage, *plain;
	Dwarf_Word line;
	Dwarf_Die declared; /* where it stands in its namespace or class */
};

static void collect(const Dwarf_Die *die, struct facts *f)
{
	Dwarf_Die d = *die;
	Dwarf_Attribute attr;

	*f = (struct facts){0};
	for (int hop = 0; hop < HOPS_MAX; hop++) {
		if (!f->linkage)
			f->linkage = text_of(&d, DW_AT_linkage_name);
		if (!f->linkage)
			f->linkage = text_of(&d, DW_AT_MIPS_linkage_name);
		if (!f->plain)
			f->plain = text_of(&d, DW_AT_name);
		if (!f->line && dwarf_attr(&d, DW_AT_decl_line, &attr) &&
		    dwarf_formudata(&attr, &f->line) < 0)
			f->line = 0;
		f->declared = d;
		if (!follow(&d))
			break;
	}
}

/* Whether functions of the language have full names that are more than their plain ones. */
static bool has_scopes(Dwarf_Die *die)
{
	Dwarf_Die unit;

	switch (dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1) {
	case DW_LANG_C:
	case DW_LANG_C89:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_Mips_Assembler:
		return false;
	default:
		return true;
	}
}

/* A namespace or class; NULL for what does not show in names. */
static const char *scope_name(Dwarf_Die *scope, const char *function)
{
	const char *name = text_of(scope, DW_AT_name);

	switch (dwarf_tag(scope)) {
	case DW_TAG_namespace:
	case DW_TAG_module:
		return name ? name : "(anonymous namespace)";
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_interface_type:
		if (name)
			return name;
		return !strcmp(function, "operator()") ? "{lambda}" : "{unnamed}";
	default:
		return NULL;
	}
}

/* The last sibling from *die on that does not begin behind the offset: the DIE there, or what it is
 * in. */
static void seek_sibling(Dwarf_Die *die, Dwarf_Off offset)
{
	Dwarf_Die next;

	while (!pa_dbg_late() && dwarf_siblingof(die, &next) == 0 &&
	       dwarf_dieoffset(&next) <= offset)
		*die = next;
}

static const char *keep(struct pa_dbg_names *n, const char *text)
{
	return pa_arena_strndup(n->arena, text, strnlen(text, TEXT_MAX));
}

static const char *readable(struct pa_dbg_names *n, const char *linkage)
{
	char buf[PA_SYMBOLIZE_TEXT];

	return keep(n, n->demangler && pa_demangle(n->demangler, linkage, buf, sizeof(buf))
			       ? buf
			       : linkage);
}

static size_t write_scopes(struct pa_dbg_names *n, const struct facts *f, char *buf, size_t size,
			   int functions);

/* What stands before the names of things inside a function. */
static size_t write_function(struct pa_dbg_names *n, Dwarf_Die *die, char *buf, size_t size,
			     int functions)
{
	const char *linkage;
	struct facts f;
	size_t len = 0;

	collect(die, &f);
	linkage = f.linkage ? readable(n, f.linkage) : NULL;
	if (linkage)
		return pa_fmt(buf, size, "%s::", linkage);
	if (!f.plain)
		return 0;
	if (functions)
		len = write_scopes(n, &f, buf, size, functions - 1);
	return len + pa_fmt(buf + len, size - len, "%s::", f.plain);
}

/* Writes "a::b::" for what a declaration stands in; less than `size`, 0 when it does not fit. There
 * is no way up in DWARF, only one down. */
static size_t write_scopes(struct pa_dbg_names *n, const struct facts *f, char *buf, size_t size,
			   int functions)
{
	Dwarf_Die at, child, declared = f->declared;
	const Dwarf_Off offset = dwarf_dieoffset(&declared);
	size_t len = 0;

	if (!dwarf_diecu(&declared, &at, NULL, NULL))
		return 0;
	for (int depth = 0; depth < DEPTH_MAX && dwarf_child(&at, &child) == 0; depth++) {
		const char *name;

		seek_sibling(&child, offset);
		if (dwarf_dieoffset(&child) >= offset)
			break;
		name = scope_name(&child, f->plain);
		if (name)
			len += pa_fmt(buf + len, size - len, "%s::", name);
		else if (dwarf_tag(&child) == DW_TAG_subprogram)
			len = write_function(n, &child, buf, size, functions);
		if (len >= size)
			return 0;
		at = child;
	}
	return len;
}

static const char *full_name(struct pa_dbg_names *n, struct facts *f)
{
	char buf[PA_SYMBOLIZE_TEXT];
	size_t len = write_scopes(n, f, buf, sizeof(buf), FUNCTIONS_MAX);

	pa_fmt(buf + len, sizeof(buf) - len, "%s", f->plain);
	return keep(n, buf);
}

/* The linkage name of a function that has none in its DIE: without ".part.0" and the like, which
 * other functions do not have there either. */
static const char *linkage_at(struct pa_dbg_names *n, uint64_t entry)
{
	const struct pa_dbg_symbol *symbol = entry ? pa_dbg_module_symbol(n->module, entry) : NULL;
	size_t len;

	if (!symbol || symbol->start != entry || !pa_demangle_wanted(symbol->name))
		return NULL;
	len = strcspn(symbol->name, ".@");
	return pa_arena_strndup(n->arena, symbol->name, PA_MIN(len, TEXT_MAX));
}

bool pa_dbg_name_of_die(struct pa_dbg_names *n, Dwarf_Die *die, uint64_t entry,
			struct pa_dbg_name *ret)
{
	struct pa_dbg_name name;
	struct facts f;

	collect(die, &f);
	if (!f.linkage && f.plain && has_scopes(die))
		f.linkage = linkage_at(n, entry);
	name.start_line = (uint32_t)PA_MIN(f.line, UINT32_MAX);
	if (f.linkage) {
		name.name = readable(n, f.linkage);
		name.system_name = keep(n, f.linkage);
	} else if (f.plain) {
		name.name = has_scopes(die) ? full_name(n, &f) : keep(n, f.plain);
		name.system_name = keep(n, f.plain);
	} else {
		return false;
	}
	if (!name.name || !name.system_name)
		return false;
	*ret = name;
	return true;
}

bool pa_dbg_name_of_symbol(struct pa_dbg_names *n, const struct pa_dbg_symbol *symbol,
			   struct pa_dbg_name *ret)
{
	size_t len = strcspn(symbol->name, "@");
	const char *plain = pa_arena_strndup(n->arena, symbol->name, PA_MIN(len, TEXT_MAX));
	struct pa_dbg_name name = {.system_name = plain};

	if (!plain || !plain[0])
		return false;
	name.name = readable(n, plain);
	if (!name.name)
		return false;
	*ret = name;
	return true;
}
