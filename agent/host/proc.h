/* SPDX-License-Identifier: Apache-2.0
 * Facts about threads from /proc/self/task/TID (proc(5)). */
#ifndef PA_HOST_PROC_H
#define PA_HOST_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

struct pa_thread_status {
	uint64_t blocked;         /* SigBlk: bit signo-1 */
	uint32_t seccomp;         /* 0 off, 1 strict, 2 filter */
	uint32_t seccomp_filters; /* installed; 0 before Linux 5.9 */
};

/* 0 or -errno, -ESRCH when the thread is gone. Agent thread only. */
int pa_proc_thread_status(pid_t tid, struct pa_thread_status *ret) PA_CHECKED;

#endif
