/* SPDX-License-Identifier: Apache-2.0
 * The rings of the perf engine: mapped perf events, read by the agent thread. */
#ifndef PA_COLLECTORS_CPU_PERF_H
#define PA_COLLECTORS_CPU_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/unwind/unwind.h"

/* Registers of PERF_SAMPLE_REGS_USER that a walk needs, and their order by bit
 * (arch/x86/include/uapi/asm/perf_regs.h). */
#define PA_PERF_REGS_MASK  0xff01ffull
#define PA_PERF_REGS_COUNT 17

/* Stack bytes of a sample: as many as a record holds (header.size is 16 bits) beside registers and
 * kernel frames, because PostgreSQL's pg_regexec alone has a frame of 40 KiB. Less, but what most
 * programs need, where rings would be full too soon. */
#define PA_PERF_RECORD_MAX  (1u << 16)
#define PA_PERF_STACK       (60u << 10)
#define PA_PERF_STACK_SMALL (32u << 10)

#define PA_PERF_CPUS_MAX 1024

struct perf_event_mmap_page;

struct pa_perf_ring {
	struct perf_event_mmap_page *page;
	size_t size; /* data bytes, power of two */
};

/* What pa_perf_open has set up. Agent thread only. */
struct pa_perf {
	struct pa_perf_ring rings[PA_PERF_CPUS_MAX]; /* the first `cpus` are in use */
	int cpus;
	bool kernel;      /* kernel frames are sampled too */
	uint32_t stack;   /* stack bytes of a sample */
	uint8_t *scratch; /* PA_PERF_RECORD_MAX bytes */
};
extern struct pa_perf pa_perf;

/* Opens the events, disabled, for all threads that there are; those made later inherit them.
 * 0 or -errno. Agent thread only, once a process. */
int pa_perf_open(void) PA_CHECKED;

/* Applies PERF_EVENT_IOC_ENABLE or _DISABLE to every event that is still ours; returns how many
 * there were. Agent thread only. */
int pa_perf_switch(unsigned long request);

/* In a forked child, single-threaded: closes what it inherited. */
void pa_perf_fork_child(void);

struct pa_perf_sample {
	uint32_t tid;
	bool has_user; /* regs and stack are there: not for a thread on its way out */
	struct pa_regs regs;
	struct pa_stack_view stack;
	uint64_t kernel[64]; /* leaf first */
	int kernel_count;
};

/* Parses the body of a PERF_RECORD_SAMPLE as the engine asks for it; the layout is that of
 * perf_event_open(2). with_chain: PERF_SAMPLE_CALLCHAIN was asked for. Points into `record`.
 * 0 or -EINVAL for one that does not add up. Any thread. */
int pa_perf_sample_parse(const void *record, size_t len, bool with_chain,
			 struct pa_perf_sample *ret) PA_CHECKED;

#endif
