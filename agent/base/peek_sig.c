/* SPDX-License-Identifier: Apache-2.0
 * Memory that may not be there. The calling thread's id stands for the process, because
 * /proc/self and getpid() name the main thread, which has no memory any more once it has called
 * pthread_exit. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "agent/base/peek.h"
#include "agent/base/syscall.h"

/* Set when process_vm_readv is refused for good: ENOSYS without CONFIG_CROSS_MEMORY_ATTACH, EPERM
 * under the seccomp profile of Docker before 19.03 or on kernels before 4.8. */
static _Atomic bool refused;

/* A filter may answer unusual calls by killing the process (systemd's SystemCallFilter=
 * @system-service does, and has no process_vm_readv), and a thread may get one at any time.
 * Opening and reading a file is in every filter. */
static bool may_read_vm(void)
{
	return !atomic_load_explicit(&refused, memory_order_relaxed) &&
	       pa_sys(SYS_prctl, PR_GET_SECCOMP) <= 0;
}

/* Opened each time: a descriptor kept in the host may be closed by it and its number reused. */
static long read_proc_mem(uintptr_t addr, void *buf, size_t len)
{
	long fd = pa_sys(SYS_openat, AT_FDCWD, "/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
	long n;

	if (fd == -ENOENT) /* before Linux 3.17 */
		fd = pa_sys(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	n = pa_sys(SYS_pread64, fd, buf, len, addr);
	pa_sys(SYS_close, fd);
	return n;
}

static long read_vm(uintptr_t addr, void *buf, size_t len)
{
	struct iovec local = {.iov_base = buf, .iov_len = len};
	struct iovec remote = {.iov_base = (void *)addr, .iov_len = len};

	return pa_sys(SYS_process_vm_readv, pa_sys(SYS_gettid), &local, 1, &remote, 1, 0);
}

ssize_t pa_peek(uintptr_t addr, void *buf, size_t len)
{
	long n = -ENOSYS;

	if (len > UINTPTR_MAX - addr)
		len = UINTPTR_MAX - addr;
	if (!len)
		return 0;
	if (may_read_vm()) {
		n = read_vm(addr, buf, len);
		if (n == -ENOSYS || n == -EPERM)
			atomic_store_explicit(&refused, true, memory_order_relaxed);
	}
	if (n < 0 && n != -EFAULT)
		n = read_proc_mem(addr, buf, len);
	return n > 0 ? n : -EFAULT;
}

int pa_peek_all(uintptr_t addr, void *buf, size_t len)
{
	ssize_t n = pa_peek(addr, buf, len);

	return n >= 0 && (size_t)n == len ? 0 : -EFAULT;
}

/* Linux copies the new mask in before it looks at `how` (kernel/signal.c), so that a bad one gives
 * EINVAL for memory that is there and EFAULT for memory that is not. */
static bool word_is_readable(uintptr_t addr)
{
	const int bad_how = -1;

	return addr && pa_sys(SYS_rt_sigprocmask, bad_how, addr, NULL, 8) == -EINVAL;
}

size_t pa_peek_span(uintptr_t addr, size_t len)
{
	const uintptr_t page = getauxval(AT_PAGESZ);
	uintptr_t end = len > UINTPTR_MAX - addr ? UINTPTR_MAX : addr + len;

	for (uintptr_t at = addr; at < end; at = (at | (page - 1)) + 1) {
		if (!word_is_readable(at & ~(uintptr_t)7))
			return at - addr;
	}
	return end - addr;
}
