/* SPDX-License-Identifier: Apache-2.0
 * What libunwind.c assumes about libunwind, compared with its headers and with the library. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <ucontext.h>
#include <unistd.h>

#include <libunwind.h>

#include "agent/base/peek.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/libunwind_abi.h"
#include "agent/unwind/unwind.h"
#include "test/tap.h"

#define SAME(member)                                                                               \
	is_int(offsetof(struct unwind_accessors, member), offsetof(unw_accessors_t, member),       \
	       "accessors: " #member)
#define SAME_DYN(member)                                                                           \
	is_int(offsetof(struct unwind_dyn_info, member), offsetof(unw_dyn_info_t, member),         \
	       "dyn_info: " #member)
#define SAME_TABLE(member)                                                                         \
	is_int(offsetof(struct unwind_dyn_info, member), offsetof(unw_dyn_info_t, u.rti.member),   \
	       "dyn_info: remote table: " #member)

static void test_abi(void)
{
	SAME(find_proc_info);
	SAME(put_unwind_info);
	SAME(get_dyn_info_list_addr);
	SAME(access_mem);
	SAME(access_reg);
	SAME(access_fpreg);
	ok(sizeof(struct unwind_accessors) >= sizeof(unw_accessors_t), "accessors: room for all");
	ok(sizeof(struct unwind_cursor) >= sizeof(unw_cursor_t), "cursor: large enough");
	SAME_DYN(start_ip);
	SAME_DYN(end_ip);
	SAME_DYN(format);
	SAME_TABLE(name_ptr);
	SAME_TABLE(segbase);
	SAME_TABLE(table_len);
	SAME_TABLE(table_data);
	is_int(UNWIND_EBADREG, UNW_EBADREG, "EBADREG");
	is_int(UNWIND_EINVAL, UNW_EINVAL, "EINVAL");
	is_int(UNWIND_ENOINFO, UNW_ENOINFO, "ENOINFO");
	is_int(UNWIND_CACHE_NONE, UNW_CACHE_NONE, "CACHE_NONE");
	is_int(UNWIND_FORMAT_REMOTE_TABLE, UNW_INFO_FORMAT_REMOTE_TABLE, "REMOTE_TABLE");
	is_int(PA_REG_PC, UNW_X86_64_RIP, "number of rip");
	is_int(PA_REG_SP, UNW_X86_64_RSP, "number of rsp");
	is_int(PA_REG_FP, UNW_X86_64_RBP, "number of rbp");
}

static uint64_t frames[64], again[64];
static struct pa_regs regs;
static uint8_t copy[65536];
static struct pa_stack_view view;

/* Registers and a copy of the stack as they are here. */
static __attribute__((noinline)) int take_copy(int depth)
{
	ucontext_t uc;
	size_t len;

	volatile char keep[32]; /* so that the recursion does not become a loop */

	keep[0] = 1;
	if (depth)
		return take_copy(depth - 1) + keep[0];
	if (getcontext(&uc))
		return -1000;
	pa_regs_from_ucontext(&regs, &uc);
	view.lo = regs.r[PA_REG_SP] - PA_STACK_RED_ZONE;
	len = (uintptr_t)environ - view.lo; /* lies above all frames */
	if (len > sizeof(copy))
		len = sizeof(copy);
	if (pa_peek_all(view.lo, copy, len))
		return -1000;
	view.hi = view.lo + len;
	view.bytes = copy;
	return 0;
}

static void test_walks(void)
{
	enum pa_walk_end end, end_again;
	int n, m;

	is_int(take_copy(5), 5, "a copy of the stack");
	n = pa_unwind_walk_copy(&regs, &view, frames, 64, &end, NULL);
	ok(n > 7 && end == PA_WALK_COMPLETE, "the tables walk it (%d frames)", n);
	is_int(pa_unwind_engine_set("libunwind"), 0, "libunwind can be chosen");
	m = pa_unwind_walk_copy(&regs, &view, again, 64, &end_again, NULL);
	ok(m == n && end_again == end && !memcmp(frames, again, (size_t)n * 8),
	   "and finds the same (%d frames)", m);
	is_int(pa_unwind_walk_copy(&regs, &view, again, 3, &end, NULL), 3,
	       "no more than asked for");
	is_int(end, PA_WALK_TRUNCATED, "  is truncated");
	is_int(pa_unwind_walk_copy(&regs, &view, again, 0, &end, NULL), 0, "not even one");
	view.hi = view.lo + PA_STACK_RED_ZONE + 64;
	m = pa_unwind_walk_copy(&regs, &view, again, 64, &end, NULL);
	ok(m >= 1 && m < n && end == PA_WALK_NO_STACK, "a copy that is too short (%d frames)", m);
	regs.r[PA_REG_PC] = 0x1000;
	m = pa_unwind_walk_copy(&regs, &view, again, 64, &end, NULL);
	ok(m >= 1 && end != PA_WALK_COMPLETE, "a pc in no object");
	is_int(pa_unwind_engine_set("table"), 0, "back to the tables");
	is_int(pa_unwind_engine_set("neither"), -EINVAL, "an engine of that name is refused");
}

int main(void)
{
	test_abi();
	pa_unwind_init(_dl_find_object);
	is_int(pa_unwind_update(), 0, "objects are compiled");
	test_walks();
	return tap_done();
}
