/* SPDX-License-Identifier: Apache-2.0
 * Opening modules, and the cache of them. */
#include "agent/symbolize/module.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/symbolize/find.h"
#include "agent/symbolize/guard.h"

#define MODULES      64
#define MEMORY_SOFT  ((size_t)384 << 20) /* main.c allows the process 512 MiB */
#define OPEN_CPU_MS  5000
#define FAULTS_LIMIT 3

static struct {
	struct pa_dbg_module *modules[MODULES];
	uint64_t clock;
} cache;

static void close_module(struct pa_dbg_module *m)
{
	pa_dbg_units_free(&m->units);
	pa_dbg_symtab_free(&m->symtab);
	pa_dbg_file_close(&m->mini);
	pa_dbg_file_close(&m->main);
	pa_dbg_file_close(&m->debug);
	pa_dbg_file_close(&m->alt); /* behind those that refer to it */
	free(m);
}

static bool has_info(const struct pa_dbg_file *f)
{
	struct pa_dbg_bytes info;

	return f->dwarf && pa_dbg_file_section(f->elf, ".debug_info", &info);
}

/* It is of use without, too. */
static void open_alt(struct pa_dbg_module *m, const char *path)
{
	if (pa_dbg_find_alt(m->info->dwarf, path, &m->alt) == 0 && m->alt.dwarf)
		dwarf_setalt(m->info->dwarf, m->alt.dwarf);
}

static int open_info(struct pa_dbg_module *m, const char *path)
{
	Elf *elf = m->info->elf;

	open_alt(m, path);
	pa_dbg_file_section(elf, ".debug_line", &m->lines.line);
	pa_dbg_file_section(elf, ".debug_line_str", &m->lines.line_str);
	pa_dbg_file_section(elf, ".debug_str", &m->lines.str);
	return pa_dbg_units_read(&m->units, m->info);
}

struct open_job {
	struct pa_dbg_module *m;
	const struct pa_dbg_object *o;
	int error;
	bool done;
};

static void open_job(void *arg)
{
	struct open_job *job = arg;
	struct pa_dbg_module *m = job->m;
	const char *build_id = job->o->build_id, *path = job->o->path;
	char *debug_path = NULL;
	int r;

	if (job->o->fd >= 0 && pa_dbg_file_open(job->o->fd, &m->main) == 0) {
		if (build_id[0] && strcmp(build_id, m->main.build_id) != 0)
			pa_dbg_file_close(&m->main); /* replaced by another build */
		else
			build_id = m->main.build_id;
	}
	if (has_info(&m->main)) {
		m->info = &m->main;
	} else {
		r = pa_dbg_find_debug(m->main.elf, build_id, path, &m->debug, &debug_path);
		if (r == 0 && has_info(&m->debug)) {
			m->info = &m->debug;
			path = debug_path;
		}
	}
	job->error = m->info ? open_info(m, path) : 0;
	free(debug_path);
	job->done = true;
}

static void identify(const struct pa_dbg_object *o, struct pa_dbg_identity *id)
{
	struct stat st;

	*id = (struct pa_dbg_identity){0};
	memcpy(id->build_id, o->build_id, strnlen(o->build_id, sizeof(id->build_id) - 1));
	if (o->fd < 0 || fstat(o->fd, &st) < 0)
		return;
	id->dev = st.st_dev;
	id->ino = st.st_ino;
	id->size = st.st_size;
	id->changed = st.st_mtim;
}

static bool is_same(const struct pa_dbg_identity *a, const struct pa_dbg_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	       !strcmp(a->build_id, b->build_id);
}

/* The module that was not used for longest; MODULES when there is none but `keep`. */
static size_t oldest(const struct pa_dbg_module *keep)
{
	size_t best = MODULES;

	for (size_t i = 0; i < MODULES; i++) {
		const struct pa_dbg_module *m = cache.modules[i];

		if (m && m != keep && (best == MODULES || m->used < cache.modules[best]->used))
			best = i;
	}
	return best;
}

static size_t empty_place(void)
{
	size_t i = 0;

	while (i < MODULES && cache.modules[i])
		i++;
	if (i == MODULES) {
		i = oldest(NULL);
		close_module(cache.modules[i]);
		cache.modules[i] = NULL;
	}
	return i;
}

/* Whether there was one. */
static bool close_all(void)
{
	bool any = false;

	for (size_t i = 0; i < MODULES; i++) {
		if (cache.modules[i]) {
			close_module(cache.modules[i]);
			any = true;
		}
		cache.modules[i] = NULL;
	}
	return any;
}

static struct pa_dbg_module *open_module(const struct pa_dbg_object *o,
					 const struct pa_dbg_identity *id)
{
	struct open_job job = {.o = o, .m = calloc(1, sizeof(*job.m))};
	int r;

	if (!job.m)
		return NULL;
	job.m->id = *id;
	r = pa_dbg_guard(open_job, &job, OPEN_CPU_MS);
	if (r == -ENOMEM && close_all()) {
		close_module(job.m);
		return open_module(o, id); /* once: now there is none to close */
	}
	if (!job.done)
		job.m->faults = FAULTS_LIMIT;
	if (!job.done || job.error < 0)
		job.m->info = NULL;
	return job.m;
}

struct pa_dbg_module *pa_dbg_module_get(const struct pa_dbg_object *o)
{
	struct pa_dbg_identity id;
	size_t place;

	identify(o, &id);
	cache.clock++;
	for (size_t i = 0; i < MODULES; i++) {
		struct pa_dbg_module *m = cache.modules[i];

		if (m && is_same(&m->id, &id)) {
			m->used = cache.clock;
			return m;
		}
	}
	pa_dbg_modules_trim(NULL);
	place = empty_place();
	cache.modules[place] = open_module(o, &id);
	if (cache.modules[place])
		cache.modules[place]->used = cache.clock;
	return cache.modules[place];
}

static int read_symbols(struct pa_dbg_module *m)
{
	const struct pa_dbg_file *files[] = {&m->main, &m->debug, &m->mini};
	int r = 0;

	if (m->main.elf && !m->debug.elf && pa_dbg_file_minidebug(m->main.elf, &m->mini) == -ENOMEM)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < PA_ARRAY_LEN(files); i++) {
		if (files[i]->elf)
			r = pa_dbg_symtab_add(&m->symtab, files[i]->elf);
	}
	pa_dbg_symtab_finish(&m->symtab);
	return r;
}

const struct pa_dbg_symbol *pa_dbg_module_symbol(struct pa_dbg_module *m, uint64_t addr)
{
	if (!m->symtab_read) {
		m->symtab_read = true;
		if (read_symbols(m) < 0)
			pa_dbg_symtab_free(&m->symtab);
	}
	return pa_dbg_symtab_find(&m->symtab, addr);
}

static size_t bytes_used(void)
{
	struct mallinfo2 info = mallinfo2();
	size_t bytes = info.uordblks + info.hblkhd;

	for (size_t i = 0; i < MODULES; i++) {
		const struct pa_dbg_module *m = cache.modules[i];

		if (m)
			bytes += m->main.image_size + m->debug.image_size + m->alt.image_size +
				 m->mini.image_size;
	}
	return bytes;
}

/* Functions of units are read again when they are needed again. */
static void drop_functions(struct pa_dbg_units *u)
{
	for (size_t i = 0; i < u->count; i++) {
		pa_dbg_ranges_free(&u->units[i].functions.ranges);
		u->units[i].functions.depth = PA_DBG_NOTHING;
	}
}

void pa_dbg_modules_trim(struct pa_dbg_module *keep)
{
	size_t i;

	while (bytes_used() > MEMORY_SOFT && (i = oldest(keep)) < MODULES) {
		close_module(cache.modules[i]);
		cache.modules[i] = NULL;
	}
	if (keep && bytes_used() > MEMORY_SOFT)
		drop_functions(&keep->units);
}
