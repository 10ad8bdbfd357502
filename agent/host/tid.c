/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/tid.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/base/peek.h"

static ptrdiff_t tid_offset; /* of pthread_t's tid field from the thread pointer, 0: not known */

/* The main thread's field, 0 when not known. Its memory may be gone: a child's main thread can be
 * one that libc made. */
static uintptr_t main_field;
static pid_t main_tid;

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
	if (tid == getpid())
		pa_tid_fork_child();
}

void pa_tid_fork_child(void)
{
	if (!tid_offset)
		return;
	main_field = (uintptr_t)__builtin_thread_pointer() + (uintptr_t)tid_offset;
	main_tid = pa_tid_self();
}

bool pa_tid_main_ended(void)
{
	pid_t now;

	return main_field && (pa_peek_all(main_field, &now, sizeof(now)) || now != main_tid);
}

pid_t pa_tid_self(void)
{
	if (pa_likely(tid_offset))
		return tid_at(tid_offset);
	return (pid_t)syscall(SYS_gettid);
}
