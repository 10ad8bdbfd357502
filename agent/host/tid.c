/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/tid.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/compiler.h"

static ptrdiff_t tid_offset; /* of pthread_t's tid field from the thread pointer, 0: not known */

static pid_t tid_at(ptrdiff_t offset)
{
	pid_t tid;

	memcpy(&tid, (const char *)__builtin_thread_pointer() + offset, sizeof(tid));
	return tid;
}

void pa_tid_init(void)
{
	/* What libthread_db (gdb) reads: {size in bits, element count, offset} of
	 * struct pthread's tid; nptl_db/structs.def, glibc >= 2.3. */
	const uint32_t *field = dlsym(RTLD_DEFAULT, "_thread_db_pthread_tid");
	pid_t tid = (pid_t)syscall(SYS_gettid);

	if (field && field[0] == 32 && field[2] < 4096 && tid_at((ptrdiff_t)field[2]) == tid)
		tid_offset = (ptrdiff_t)field[2];
}

pid_t pa_tid_self(void)
{
	if (pa_likely(tid_offset))
		return tid_at(tid_offset);
	return (pid_t)syscall(SYS_gettid);
}
