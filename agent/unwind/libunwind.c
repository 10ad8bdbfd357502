/* SPDX-License-Identifier: Apache-2.0
 * libunwind as the engine for copied stacks, through its interface for remote processes: stack
 * words come from the copy, unwind information from this process. It is opened privately, because
 * linking it would let its _Unwind_* functions take over the host's C++ exceptions. It allocates with the host's malloc and takes
 * the loader's lock, so it is for checking only. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/peek.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/dwarf_read.h"
#include "agent/unwind/libunwind_abi.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"

/* Pages of unwind information kept during one walk; libunwind reads a few bytes at a time. */
#define CACHE_PAGES 64

struct cached_page {
	uint64_t addr; /* 0: unused */
	size_t len;    /* bytes that could be read */
	uint8_t bytes[PA_ARCH_PAGE];
};

/* What one walk reads. */
struct remote {
	const struct pa_snapshot *snap;
	const struct pa_regs *regs;
	const struct pa_stack_view *copy;
	struct cached_page *cache;
	bool left_copy; /* it asked for stack above the copy */
};

/* X(return type, name, parameters): functions of libunwind-x86_64.so, without their prefix. */
#define FUNCTIONS(X)                                                                               \
	X(unwind_space, create_addr_space, (struct unwind_accessors *, int))                       \
	X(int, set_caching_policy, (unwind_space, int))                                            \
	X(int, init_remote, (struct unwind_cursor *, unwind_space, void *))                        \
	X(int, step, (struct unwind_cursor *))                                                     \
	X(int, get_reg, (struct unwind_cursor *, int, uint64_t *))                                 \
	X(int, dwarf_search_unwind_table,                                                          \
	  (unwind_space, uint64_t, struct unwind_dyn_info *, void *, int, void *))

static struct {
#define FIELD(ret, name, params) ret(*name) params;
	FUNCTIONS(FIELD)
#undef FIELD
} lib;

static bool use_libunwind;
static unwind_space space;
static struct cached_page *cache;

/* What the page holds; reads it when it is not at hand. */
static const struct cached_page *page_at(struct remote *r, uint64_t addr)
{
	uint64_t start = addr & ~(PA_ARCH_PAGE - 1);
	struct cached_page *p = &r->cache[start / PA_ARCH_PAGE % CACHE_PAGES];

	if (p->addr != start) {
		ssize_t n = pa_peek(start, p->bytes, sizeof(p->bytes));

		p->addr = start;
		p->len = n > 0 ? (size_t)n : 0;
	}
	return p;
}

/* A word of unwind information, which may cross a page. */
static bool read_object(struct remote *r, uint64_t addr, uint64_t *ret)
{
	uint8_t bytes[sizeof(*ret)];

	if (!r->snap || !pa_snapshot_find(r->snap, addr))
		return false;
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		const struct cached_page *p = page_at(r, addr + i);
		size_t at = (addr + i) % PA_ARCH_PAGE;

		if (at >= p->len)
			return false;
		bytes[i] = p->bytes[at];
	}
	memcpy(ret, bytes, sizeof(*ret));
	return true;
}

static int access_mem(unwind_space as, uint64_t addr, uint64_t *value, int write, void *arg)
{
	struct remote *r = arg;
	const struct pa_stack_view *v = r->copy;

	(void)as;
	if (write)
		return -UNWIND_EINVAL;
	if (addr >= v->lo && addr < v->hi && v->hi - addr >= sizeof(*value)) {
		memcpy(value, v->bytes + (addr - v->lo), sizeof(*value));
		return 0;
	}
	if (read_object(r, addr, value))
		return 0;
	r->left_copy |= addr >= v->hi - 7;
	return -UNWIND_EINVAL;
}

static int access_reg(unwind_space as, int reg, uint64_t *value, int write, void *arg)
{
	const struct remote *r = arg;

	(void)as;
	if (write || reg < 0 || reg >= PA_REG_COUNT)
		return -UNWIND_EBADREG;
	*value = r->regs->r[reg]; /* libunwind numbers them as DWARF does */
	return 0;
}

static int access_fpreg(unwind_space as, int reg, void *value, int write, void *arg)
{
	(void)as, (void)reg, (void)value, (void)write, (void)arg;
	return -UNWIND_EBADREG;
}

/* The search table of an .eh_frame_hdr, in the only form that linkers write and libunwind reads:
 * version 1, a relative 4-byte pointer, a 4-byte count, pairs of 4 bytes relative to the header. */
static bool search_table(struct remote *r, const struct pa_object *o, struct unwind_dyn_info *di)
{
	static const uint8_t form[4] = {1, PA_PE_PCREL | PA_PE_SDATA4, PA_PE_UDATA4, 0x3b};
	uint64_t head, count;

	if (!o->eh_frame_hdr || !read_object(r, o->eh_frame_hdr, &head) ||
	    !read_object(r, o->eh_frame_hdr + 8, &count) || memcmp(&head, form, sizeof(form)) != 0)
		return false;
	memset(di, 0, sizeof(*di));
	di->start_ip = o->lo;
	di->end_ip = o->hi;
	di->format = UNWIND_FORMAT_REMOTE_TABLE;
	di->segbase = o->eh_frame_hdr;
	di->table_data = o->eh_frame_hdr + 12;
	di->table_len = (uint32_t)count * UINT64_C(8) / sizeof(uint64_t);
	return true;
}

static int find_proc_info(unwind_space as, uint64_t ip, void *info, int need_unwind_info, void *arg)
{
	struct remote *r = arg;
	const struct pa_snapshot_entry *e = r->snap ? pa_snapshot_find(r->snap, ip) : NULL;
	struct unwind_dyn_info di;

	if (!e || !search_table(r, &e->object, &di))
		return -UNWIND_ENOINFO;
	return lib.dwarf_search_unwind_table(as, ip, &di, info, need_unwind_info, arg);
}

static void put_unwind_info(unwind_space as, void *info, void *arg)
{
	(void)as, (void)info, (void)arg;
}

static int get_dyn_info_list_addr(unwind_space as, uint64_t *addr, void *arg)
{
	(void)as, (void)addr, (void)arg;
	return -UNWIND_ENOINFO;
}

static int resolve(void *handle)
{
	void *sym;

#define RESOLVE(ret, name, params)                                                                 \
	sym = dlsym(handle, "_Ux86_64_" #name);                                                    \
	if (!sym)                                                                                  \
		return -ENOENT;                                                                    \
	memcpy(&lib.name, &sym, sizeof(lib.name));
	FUNCTIONS(RESOLVE)
#undef RESOLVE
	return 0;
}

static int load_libunwind(void)
{
	static struct unwind_accessors accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = get_dyn_info_list_addr,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = access_fpreg,
	};
	void *handle;
	int err;

	if (space)
		return 0;
	handle = dlopen("libunwind-x86_64.so.8", RTLD_LOCAL | RTLD_NOW);
	if (!handle)
		return -ENOENT;
	err = resolve(handle);
	if (err)
		return err;
	cache = pa_pages_alloc(CACHE_PAGES * sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	space = lib.create_addr_space(&accessors, 0);
	if (!space)
		return -ENOMEM;
	/* What it would remember goes out of date with the next dlclose. */
	lib.set_caching_policy(space, UNWIND_CACHE_NONE);
	return 0;
}

int pa_unwind_engine_set(const char *name)
{
	bool wanted = !strcmp(name, "libunwind");
	int err;

	if (!wanted && strcmp(name, "table") != 0)
		return -EINVAL;
	if (wanted) {
		err = load_libunwind();
		if (err)
			return err;
	}
	use_libunwind = wanted;
	return 0;
}

/* What our own rows say about pc. libunwind (1.6) does not tell trampolines (unw_is_signal_frame
 * answers for the frame that was interrupted), nor whether the end of a walk is the outermost
 * frame or just as far as it got. */
static unsigned kind_at(const struct remote *r, uint64_t pc)
{
	const struct pa_snapshot_entry *e = r->snap ? pa_snapshot_find(r->snap, pc) : NULL;
	const struct pa_table *t = e ? atomic_load_explicit(&e->table, memory_order_acquire) : NULL;

	return t ? PA_RULE_KIND(pa_table_rule(t, (uint32_t)(pc - e->object.lo))) : PA_RULE_NONE;
}

static int walk_remote(struct remote *r, uint64_t *frames, int max, enum pa_walk_end *ret_end)
{
	unsigned kind = PA_RULE_NONE;
	bool exact = true;
	struct unwind_cursor cursor;
	int n = 0, more;

	if (max < 1) {
		*ret_end = PA_WALK_TRUNCATED;
		return 0;
	}
	frames[0] = r->regs->r[PA_REG_PC];
	*ret_end = PA_WALK_BROKEN;
	if (lib.init_remote(&cursor, space, r) < 0)
		return 1;
	do {
		uint64_t ip;

		if (lib.get_reg(&cursor, PA_REG_PC, &ip) < 0)
			return n ? n : 1;
		if (!exact && ip < PA_ARCH_CODE_MIN) {
			*ret_end = ip ? PA_WALK_BROKEN : PA_WALK_COMPLETE;
			return n;
		}
		if (n == max) {
			*ret_end = PA_WALK_TRUNCATED;
			return n;
		}
		kind = kind_at(r, ip - !exact);
		frames[n] = ip - !exact;
		/* Another object than the snapshot has there would be walked through with the wrong
		 * table. */
		if (!pa_unwind_ready(frames[n])) {
			*ret_end = PA_WALK_NO_TABLE;
			return n + 1;
		}
		exact = kind == PA_RULE_SIGNAL;
		n += !exact;
		more = lib.step(&cursor);
	} while (more > 0);
	if (!more && kind == PA_RULE_END)
		*ret_end = PA_WALK_COMPLETE;
	else if (r->left_copy)
		*ret_end = PA_WALK_NO_STACK;
	return n ? n : 1;
}

int pa_unwind_walk_copy(const struct pa_regs *regs, const struct pa_stack_view *copy,
			uint64_t *frames, int max, enum pa_walk_end *ret_end,
			uint32_t *ret_generation)
{
	struct remote r = {.regs = regs, .copy = copy, .cache = cache};
	int n;

	if (!use_libunwind)
		return pa_unwind_walk(regs, copy, NULL, frames, max, ret_end, ret_generation);
	for (unsigned i = 0; i < CACHE_PAGES; i++)
		cache[i].addr = 0;
	r.snap = pa_snapshot_enter();
	n = walk_remote(&r, frames, max, ret_end);
	if (ret_generation)
		*ret_generation = pa_snapshot_generation(r.snap);
	pa_snapshot_leave();
	return n;
}
