/* SPDX-License-Identifier: Apache-2.0
 * Descriptors in a process that thinks all of them are its own. */
#ifndef PA_BASE_OWN_FD_H
#define PA_BASE_OWN_FD_H

#include <stdbool.h>
#include <sys/types.h>

/* One that the host may close behind our back (closefrom(3)) and whose number it may use again:
 * before each use the inode is compared. */
struct pa_own_fd {
	int fd; /* -1: none */
	dev_t dev;
	ino_t ino;
};

/* Takes over a fresh descriptor, moved high and close-on-exec. fd < 0 gives "none". Agent thread
 * only, as all here. */
void pa_own_fd_take(struct pa_own_fd *s, int fd);

/* The same where it is: the mere number is kept. */
void pa_own_fd_note(struct pa_own_fd *s, int fd);

/* Whether the number still stands for what was taken. */
bool pa_own_fd_ours(const struct pa_own_fd *s);

/* Closes it if it is ours; "none" afterwards. Also in a forked child. */
void pa_own_fd_close(struct pa_own_fd *s);

#endif
