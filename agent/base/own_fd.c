/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/own_fd.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"

void pa_own_fd_note(struct pa_own_fd *s, int fd)
{
	struct stat st;

	s->fd = -1;
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

void pa_own_fd_take(struct pa_own_fd *s, int fd)
{
	pa_own_fd_note(s, pa_fd_high(fd));
}

bool pa_own_fd_ours(const struct pa_own_fd *s)
{
	struct stat st;

	return s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

void pa_own_fd_close(struct pa_own_fd *s)
{
	if (pa_own_fd_ours(s))
		close(s->fd);
	s->fd = -1;
}
