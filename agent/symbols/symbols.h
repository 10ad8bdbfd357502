/* SPDX-License-Identifier: Apache-2.0
 * Mappings, build ids and names. A struct pa_symbols is one request's view of the process; tables
 * read from files are shared between views and kept in a cache bounded in bytes. Nothing here
 * takes a lock of the loader, maps a file (a truncated one would raise SIGBUS) or trusts one. */
#ifndef PA_SYMBOLS_SYMBOLS_H
#define PA_SYMBOLS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_symbols;

/* One executable mapping as profiles show it: neighbouring executable mappings of one file are
 * merged, so `start` is where the first executable segment lies (contract 3.4). */
struct pa_mapping {
	uint64_t start, limit; /* addresses, limit exclusive */
	uint64_t offset;       /* in the file, of start */
	const char *file;     /* "/usr/bin/redis-server", "[vdso]", "[kernel.kallsyms]", "//anon" */
	const char *build_id; /* lower-case hex of NT_GNU_BUILD_ID, "" when there is none */
};

struct pa_symbol {
	const char *name;        /* demangled; "0x55d0..." when nothing is known */
	const char *system_name; /* linkage name; same as name for C */
	uint64_t start;          /* address of the function, 0 when unknown; may be without name */
	size_t mapping;          /* index into pa_symbols_mappings, or PA_NO_MAPPING */
	bool known;              /* whether name is a real one */
	bool borrowed; /* but the one that callers use: debug information has a better one */
	/* Source that the compiler named for code that it made at run time; NULL and 0 otherwise. */
	const char *file;
	uint32_t line; /* at which the function begins */
};
#define PA_NO_MAPPING ((size_t)-1)

/* Reads the mappings of this process as they are now. 0 or -errno. Agent thread only. */
int pa_symbols_open(struct pa_symbols **ret) PA_CHECKED;
void pa_symbols_close(struct pa_symbols *s);

/* The executable's mapping first, then in address order; never empty (contract 3.4). Kernel
 * addresses, code in a perf map, and objects that are not there any more (agent/base/modules.h) get
 * a mapping at the end once one of them is looked up. All addresses are canonical. Valid until close. */
const struct pa_mapping *pa_symbols_mappings(const struct pa_symbols *s, size_t *ret_count);

/* The index of the mapping that contains an address, without reading symbols; PA_NO_MAPPING when
 * none does. Agent thread only. */
size_t pa_symbols_mapping(struct pa_symbols *s, uint64_t addr);

/* Names the function that contains addr. Strings are valid until close. Agent thread only. */
void pa_symbols_resolve(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret);

/* The same for those who have no use for the text of an address without a name: false then, and
 * the names are NULL. Takes no memory for such ones. Agent thread only. */
bool pa_symbols_name(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret);

/* One line of source code that an address belongs to. */
struct pa_line {
	const char *name, *system_name; /* of the function, as in struct pa_symbol */
	const char *file;               /* absolute path, "" when unknown */
	uint32_t line, column;          /* 0: unknown */
	uint32_t start_line;            /* of the function, 0: unknown */
};
#define PA_SYMBOLS_LINES 128 /* most lines of one address */

/* Asks profagent-symbolize about these addresses, so that pa_symbols_lines has something to tell;
 * what was asked before is not asked again. 0, or the first failure, -errno, with the number of
 * addresses added to *ret_missing that have no lines for that reason: -ETIMEDOUT at the deadline
 * (CLOCK_MONOTONIC, ns), -ENOENT without the program, -EPIPE where it crashed. Agent thread only. */
int pa_symbols_load_lines(struct pa_symbols *s, const uint64_t *addrs, size_t count,
			  uint64_t deadline, size_t *ret_missing) PA_CHECKED;

/* The lines of an address that pa_symbols_name or pa_symbols_resolve has looked up, innermost first:
 * inlined functions stand before what they were inlined into. The last one has the name of
 * *symbol, which gets that of the line when it had none. Returns how many; 0 when nothing is
 * known. Strings are valid until close. Agent thread only. */
size_t pa_symbols_lines(struct pa_symbols *s, uint64_t addr, struct pa_symbol *symbol,
			struct pa_line ret[PA_SYMBOLS_LINES]);

/* True for addresses in the kernel's half. */
static inline bool pa_symbols_is_kernel(uint64_t addr)
{
	return addr >= 0xffff800000000000ull; /* x86-64 and aarch64 with 48-bit addresses */
}

/* True for code of the agent itself, whose frames are never shown. Any thread. */
bool pa_symbols_is_agent(uint64_t addr);

/* In a forked child, single-threaded: resets the cache's lock. */
void pa_symbols_fork_child(void);

#endif
