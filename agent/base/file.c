/* SPDX-License-Identifier: Apache-2.0
 * Whole files. */
#include <fcntl.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/syscall.h"

/* Room at first: files of /proc are best read with few calls, and unused pages cost nothing. */
#define FIRST_BYTES ((size_t)64 << 10)

struct growing {
	void *buf;
	size_t cap, len;
};

/* Reads to the end of file, one byte more than max at most. */
static int read_all(long fd, size_t max, struct growing *g)
{
	for (;;) {
		size_t want = g->cap ? g->len + 2 : PA_MIN(max, FIRST_BYTES - 2) + 2;
		int r = pa_pages_grow(&g->buf, &g->cap, want);
		long n;

		if (r < 0)
			return r;
		n = pa_sys(SYS_read, fd, (char *)g->buf + g->len, g->cap - 1 - g->len);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		g->len += (size_t)n;
		if (g->len > max)
			return -EFBIG;
	}
}

int pa_file_read(const char *path, size_t max, char **ret_buf, size_t *ret_cap, size_t *ret_len)
{
	struct growing g = {0};
	/* O_NONBLOCK: a FIFO without a writer would hold up the open. */
	long fd = pa_sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return (int)fd;
	r = read_all(fd, max, &g);
	pa_sys(SYS_close, fd);
	if (r < 0) {
		pa_pages_free(g.buf, g.cap);
		return r;
	}
	((char *)g.buf)[g.len] = '\0'; /* may be what a shorter second read left behind */
	*ret_buf = g.buf;
	*ret_cap = g.cap;
	*ret_len = g.len;
	return 0;
}
