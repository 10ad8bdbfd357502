/* SPDX-License-Identifier: Apache-2.0
 * The part of libunwind.so.8's binary interface that libunwind.c uses (versions 1.6 and later),
 * so that building the agent needs no libunwind. test/unit/unwind_engine_test.c compares it with
 * the real headers. */
#ifndef PA_UNWIND_LIBUNWIND_ABI_H
#define PA_UNWIND_LIBUNWIND_ABI_H

#include <stdint.h>

#define UNWIND_EBADREG 3
#define UNWIND_EINVAL  8
#define UNWIND_ENOINFO 10

#define UNWIND_CACHE_NONE          0
#define UNWIND_FORMAT_REMOTE_TABLE 2

typedef struct unw_addr_space *unwind_space;

struct unwind_cursor {
	uint64_t opaque[127];
};

struct unwind_dyn_info {
	void *next, *prev;
	uint64_t start_ip, end_ip, gp;
	int32_t format, pad;
	uint64_t load_offset;
	/* The form of the union for remote tables. */
	uint64_t name_ptr, segbase, table_len, table_data;
};

/* Later versions have more members, which they expect to be NULL when not provided. */
struct unwind_accessors {
	int (*find_proc_info)(unwind_space, uint64_t ip, void *info, int need_info, void *arg);
	void (*put_unwind_info)(unwind_space, void *info, void *arg);
	int (*get_dyn_info_list_addr)(unwind_space, uint64_t *addr, void *arg);
	int (*access_mem)(unwind_space, uint64_t addr, uint64_t *value, int write, void *arg);
	int (*access_reg)(unwind_space, int reg, uint64_t *value, int write, void *arg);
	int (*access_fpreg)(unwind_space, int reg, void *value, int write, void *arg);
	void *later[16];
};

#endif
