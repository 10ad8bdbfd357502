/* SPDX-License-Identifier: Apache-2.0
 * Small files, and descriptors out of the way of the host's. */
#include <fcntl.h>
#include <sys/resource.h>

#include "agent/base/file.h"
#include "agent/base/syscall.h"

#define HIGH_FD 1000

ssize_t pa_file_read_small(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	long fd, n = 0;

	if (!size)
		return -EINVAL;
	/* O_NONBLOCK: a FIFO without a writer would hold up the open. */
	fd = pa_sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	while (len < size - 1) {
		n = pa_sys(SYS_read, fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	pa_sys(SYS_close, fd);
	if (n < 0)
		return n;
	buf[len] = '\0';
	return (ssize_t)len;
}

/* Lowest number to ask for: the top quarter where the limit leaves less than HIGH_FD. */
static long high_start(void)
{
	struct rlimit limit;

	if (pa_sys(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0 || limit.rlim_cur > HIGH_FD)
		return HIGH_FD;
	return (long)PA_MAX(limit.rlim_cur - limit.rlim_cur / 4, 3);
}

int pa_fd_high(int fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = pa_sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, high_start());
	if (high < 0 && fd < 3)
		high = pa_sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0) {
		pa_sys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
		return fd;
	}
	pa_sys(SYS_close, fd);
	return (int)high;
}
