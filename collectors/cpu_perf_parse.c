/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "collectors/cpu_perf.h"

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static const void *take(struct cursor *c, uint64_t len)
{
	const uint8_t *at = c->at;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

static uint64_t take_u64(struct cursor *c)
{
	const void *p = take(c, 8);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, 8);
	return v;
}

/* Kernel addresses of the call chain, without the PERF_CONTEXT_* marks between them. */
static void parse_chain(struct cursor *c, struct pa_perf_sample *ret)
{
	uint64_t n = take_u64(c);

	for (uint64_t i = 0; i < n && !c->bad; i++) {
		uint64_t ip = take_u64(c);

		if (ip < (uint64_t)PERF_CONTEXT_MAX &&
		    ret->kernel_count < (int)PA_ARRAY_LEN(ret->kernel))
			ret->kernel[ret->kernel_count++] = ip;
	}
}

static void parse_regs(struct cursor *c, struct pa_perf_sample *ret)
{
	/* DWARF numbers in the order of the kernel's bits: ax bx cx dx si di bp sp ip r8-r15. */
	static const uint8_t dwarf[PA_PERF_REGS_COUNT] = {0, 3, 2,  1,  4,  5,  6,  7, 16,
							  8, 9, 10, 11, 12, 13, 14, 15};

	ret->has_user = take_u64(c) != PERF_SAMPLE_REGS_ABI_NONE;
	if (!ret->has_user)
		return;
	for (int i = 0; i < PA_PERF_REGS_COUNT; i++)
		ret->regs.r[dwarf[i]] = take_u64(c);
}

static void parse_stack(struct cursor *c, struct pa_perf_sample *ret)
{
	uint64_t size = take_u64(c), valid;
	const uint8_t *bytes = take(c, size);

	if (!size)
		return; /* and no dynamic size behind it */
	valid = take_u64(c);
	if (c->bad || valid > size || valid > UINTPTR_MAX - ret->regs.r[PA_REG_SP])
		return;
	ret->stack.lo = ret->regs.r[PA_REG_SP];
	ret->stack.hi = ret->stack.lo + valid;
	ret->stack.bytes = bytes;
}

int pa_perf_sample_parse(const void *record, size_t len, bool with_chain,
			 struct pa_perf_sample *ret)
{
	struct cursor c = {.at = record, .left = len};
	uint64_t pid_tid;

	memset(ret, 0, sizeof(*ret));
	take_u64(&c); /* PERF_SAMPLE_IP: also in regs, or in the chain */
	pid_tid = take_u64(&c);
	ret->tid = (uint32_t)(pid_tid >> 32);
	if (with_chain)
		parse_chain(&c, ret);
	parse_regs(&c, ret);
	parse_stack(&c, ret);
	return c.bad ? -EINVAL : 0;
}
