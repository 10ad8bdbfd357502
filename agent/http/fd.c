/* SPDX-License-Identifier: Apache-2.0
 * Descriptors in a process that thinks all of them are its own. */
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/http/conn.h"

void pa_http_fd_take(struct pa_http_fd *s, int fd)
{
	struct stat st;

	s->fd = -1;
	fd = pa_fd_high(fd);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0) {
		/* Somebody closed it already; whose number this is now nobody knows. */
		return;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->fd = fd;
}

bool pa_http_fd_ours(const struct pa_http_fd *s)
{
	struct stat st;

	return s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

void pa_http_fd_close(struct pa_http_fd *s)
{
	if (pa_http_fd_ours(s))
		close(s->fd);
	s->fd = -1;
}
