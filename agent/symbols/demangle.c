/* SPDX-License-Identifier: Apache-2.0
 * libiberty in a cage. A job runs on a stack with a guard page; whenever it wants too much output
 * or memory, control goes back to the caller at once and the stack is simply used anew. That is
 * also what bounds its time: nested substitutions double the output again and again. */
#include <errno.h>
#include <libiberty/demangle.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "agent/base/arena.h"
#include "agent/base/fmt.h"
#include "agent/symbols/demangle.h"

/* libiberty refuses C++ names above 1024 bytes itself (DEMANGLE_RECURSION_LIMIT components). */
#define MAX_MANGLED   4096
#define MAX_MANGLED_D 512 /* its D demangler has no limit of recursion */
#define STACK_BYTES   ((size_t)2 << 20)
#define HEAP_BYTES    ((size_t)512 << 10)
#define GUARD_BYTES   ((size_t)64 << 10) /* a page, however large pages are */

/* Printing a C++ name takes one 16-byte stack slot for each pair of reference-to-parameter and
 * template, each of them counted twice at most (d_print_init in cp-demangle.c). */
#define MAX_COPIES (((size_t)512 << 10) / 16)

enum language { NONE, CXX, RUST, DLANG };

struct pa_demangler {
	ucontext_t caller, worker;
	bool ready; /* worker waits for a job */
	enum language language;
	const char *mangled;
	char *buf;
	size_t size, len;
	bool good, cut;
	size_t heap_used;
	char *heap;
};

/* The job that runs on this thread: libiberty's callbacks for memory have no argument. */
static PA_TLS struct pa_demangler *current;

/* Linked instead of malloc and friends (see the Makefile). */
void *pa_iberty_malloc(size_t size);
void *pa_iberty_realloc(void *old, size_t size);
void pa_iberty_free(void *p);
void *pa_iberty_xmalloc(size_t size);
void *pa_iberty_xrealloc(void *old, size_t size);
int pa_iberty_sprintf(char *buf, const char *fmt, ...) PA_PRINTF(2, 3);
int pa_iberty_sprintf_chk(char *buf, int flag, size_t size, const char *fmt, ...) PA_PRINTF(4, 5);
int pa_iberty_snprintf(char *buf, size_t size, const char *fmt, ...) PA_PRINTF(3, 4);
int pa_iberty_snprintf_chk(char *buf, size_t max, int flag, size_t size, const char *fmt, ...)
	PA_PRINTF(5, 6);

__attribute__((noreturn)) static void give_up(void)
{
	struct pa_demangler *d = current;

	d->ready = false;
	setcontext(&d->caller);
	__builtin_unreachable();
}

/* Each block is preceded by its size. */
void *pa_iberty_malloc(size_t size)
{
	struct pa_demangler *d = current;
	char *block = d->heap + d->heap_used;

	if (size > HEAP_BYTES || HEAP_BYTES - d->heap_used < size + 32)
		return NULL;
	memcpy(block, &size, sizeof(size));
	d->heap_used += 16 + ((size + 15) & ~(size_t)15);
	return block + 16;
}

void *pa_iberty_realloc(void *old, size_t size)
{
	void *block = pa_iberty_malloc(size);
	size_t old_size;

	if (block && old) {
		memcpy(&old_size, (char *)old - 16, sizeof(old_size));
		memcpy(block, old, PA_MIN(old_size, size));
	}
	return block;
}

/* Everything is freed at once when the job is done. */
void pa_iberty_free(void *p)
{
	(void)p;
}

/* The x variants never return NULL: libiberty's end the process instead. */
void *pa_iberty_xmalloc(size_t size)
{
	void *block = pa_iberty_malloc(size);

	if (!block)
		give_up();
	return block;
}

void *pa_iberty_xrealloc(void *old, size_t size)
{
	void *block = pa_iberty_realloc(old, size);

	if (!block)
		give_up();
	return block;
}

#define NUMBER_BYTES 25 /* the buffers that libiberty formats numbers into */

int pa_iberty_sprintf(char *buf, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = pa_vfmt(buf, NUMBER_BYTES, fmt, ap);
	va_end(ap);
	return (int)n;
}

int pa_iberty_sprintf_chk(char *buf, int flag, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	(void)flag;
	va_start(ap, fmt);
	n = pa_vfmt(buf, PA_MIN(size, NUMBER_BYTES), fmt, ap);
	va_end(ap);
	return (int)n;
}

int pa_iberty_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = pa_vfmt(buf, size, fmt, ap);
	va_end(ap);
	return (int)n;
}

int pa_iberty_snprintf_chk(char *buf, size_t max, int flag, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	(void)flag;
	va_start(ap, fmt);
	n = pa_vfmt(buf, PA_MIN(max, size), fmt, ap);
	va_end(ap);
	return (int)n;
}

static void append(const char *text, size_t len, void *arg)
{
	struct pa_demangler *d = arg;

	if (len >= d->size - d->len) {
		memcpy(d->buf + d->len, text, d->size - 1 - d->len);
		d->len = d->size - 1;
		d->good = d->cut = true;
		give_up();
	}
	memcpy(d->buf + d->len, text, len);
	d->len += len;
}

static void run_job(struct pa_demangler *d)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;
	char *text;

	switch (d->language) {
	case RUST:
		d->good = rust_demangle_callback(d->mangled, options, append, d);
		break;
	case CXX:
		d->good = cplus_demangle_v3_callback(d->mangled, options, append, d);
		break;
	case DLANG:
		text = dlang_demangle(d->mangled, options);
		if (text) {
			append(text, strlen(text), d);
			d->good = true;
		}
		break;
	case NONE:
		break;
	}
}

static void worker_main(void)
{
	for (;;) {
		struct pa_demangler *d = current;

		run_job(d);
		if (swapcontext(&d->worker, &d->caller) < 0)
			give_up();
	}
}

struct pa_demangler *pa_demangler_new(void)
{
	const size_t bytes = GUARD_BYTES + STACK_BYTES + HEAP_BYTES + sizeof(struct pa_demangler);
	char *pages = pa_pages_alloc(bytes);
	struct pa_demangler *d;

	if (!pages)
		return NULL;
	/* Without it an overflow would still hit the heap of another part of the agent. */
	if (mprotect(pages, GUARD_BYTES, PROT_NONE) < 0) {
		pa_pages_free(pages, bytes);
		return NULL;
	}
	d = (struct pa_demangler *)(pages + GUARD_BYTES + STACK_BYTES + HEAP_BYTES);
	d->heap = pages + GUARD_BYTES + STACK_BYTES;
	return d;
}

void pa_demangler_free(struct pa_demangler *d)
{
	if (d)
		pa_pages_free(d->heap - STACK_BYTES - GUARD_BYTES,
			      GUARD_BYTES + STACK_BYTES + HEAP_BYTES + sizeof(*d));
}

static bool prepare_worker(struct pa_demangler *d)
{
	if (d->ready)
		return true;
	if (getcontext(&d->worker) < 0)
		return false;
	d->worker.uc_stack.ss_sp = d->heap - STACK_BYTES;
	d->worker.uc_stack.ss_size = STACK_BYTES;
	d->worker.uc_link = NULL;
	makecontext(&d->worker, worker_main, 0);
	d->ready = true;
	return true;
}

/* "..17h0123456789abcdefE", the hash at the end of Rust's older mangling, perhaps followed by a
 * suffix of the compiler's. */
static bool has_rust_hash(const char *name)
{
	for (const char *p = strstr(name, "17h"); p; p = strstr(p + 1, "17h")) {
		if (strspn(p + 3, "0123456789abcdef") == 16 && p[19] == 'E')
			return true;
	}
	return false;
}

static enum language language_of(const char *name)
{
	if (name[0] != '_')
		return NONE;
	if (name[1] == 'R')
		return RUST;
	if (name[1] == 'Z')
		return has_rust_hash(name) ? RUST : CXX;
	if (name[1] == 'D' && ((name[2] >= '0' && name[2] <= '9') || !strcmp(name + 2, "main")))
		return DLANG;
	return strncmp(name, "_GLOBAL_", 8) == 0 ? CXX : NONE;
}

bool pa_demangle_wanted(const char *name)
{
	return language_of(name) != NONE;
}

static bool affordable(enum language language, const char *name)
{
	size_t templates = 0, references = 0, len;

	for (len = 0; name[len]; len++) {
		if (len == MAX_MANGLED)
			return false;
		templates += name[len] == 'I';
		references += name[len] == 'R' || name[len] == 'O';
	}
	if (language == CXX)
		return 4 * templates * references <= MAX_COPIES;
	return language != DLANG || len <= MAX_MANGLED_D;
}

static bool run(struct pa_demangler *d)
{
	if (!prepare_worker(d))
		return false;
	d->len = d->heap_used = 0;
	d->good = d->cut = false;
	current = d;
	if (swapcontext(&d->caller, &d->worker) < 0)
		d->good = false;
	current = NULL;
	return d->good;
}

size_t pa_demangle(struct pa_demangler *d, const char *mangled, char *buf, size_t size)
{
	enum language language = language_of(mangled);

	if (language == NONE || size < 8 || !affordable(language, mangled))
		return 0;
	d->language = language;
	d->mangled = mangled;
	d->buf = buf;
	d->size = size;
	if (!run(d) && language == RUST && mangled[1] == 'Z') {
		d->language = CXX; /* a C++ name that happens to end like that */
		run(d);
	}
	if (!d->good || !d->len)
		return 0;
	if (d->cut)
		memcpy(buf + d->len - 3, "...", 3);
	buf[d->len] = '\0';
	return d->len;
}
