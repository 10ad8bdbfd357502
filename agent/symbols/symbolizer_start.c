/* SPDX-License-Identifier: Apache-2.0
 * Starting profagent-symbolize. */
#include "agent/symbols/symbolizer_start.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/maps.h"

#define PROGRAM     "profagent-symbolize"
#define ENVIRON_MAX ((size_t)4 << 20)

/* Path of the file that this code was loaded from, up to the last slash. 0 or -errno. */
static int folder_of_library(struct pa_arena *a, const struct pa_map *maps, size_t count,
			     char **ret)
{
	const uintptr_t here = (uintptr_t)&folder_of_library;

	for (size_t i = 0; i < count; i++) {
		char *path, *slash;

		if (here < maps[i].start || here >= maps[i].end)
			continue;
		path = pa_arena_strndup(a, maps[i].path, strlen(maps[i].path));
		if (!path)
			return -ENOMEM;
		slash = strrchr(path, '/');
		if (!slash)
			return -ENOENT;
		slash[1] = '\0';
		*ret = path;
		return 0;
	}
	return -ENOENT;
}

/* It ends a process that calls clone(2) in a way that libc does not ("Valgrind does not support
 * general clone()"). */
static bool under_valgrind(const struct pa_map *maps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(maps[i].path, "/vgpreload_"))
			return true;
	return false;
}

static int find_folder(struct pa_arena *a, char **ret)
{
	struct pa_map *maps;
	size_t count;
	int r = pa_maps_read(a, &maps, &count);

	if (r < 0)
		return r;
	if (under_valgrind(maps, count))
		return -ENOSYS;
	return folder_of_library(a, maps, count, ret);
}

/* Where a debuginfod client keeps files: the only variables that the program is given. They are
 * read as they were at the exec, since the host may be changing its environment now. */
static void pick_environment(char *block, size_t len, char *ret[4])
{
	static const char *const names[] = {"DEBUGINFOD_CACHE_PATH=", "XDG_CACHE_HOME=", "HOME="};
	size_t n = 0;

	for (char *at = block; at < block + len && n < PA_ARRAY_LEN(names); at += strlen(at) + 1)
		for (size_t i = 0; i < PA_ARRAY_LEN(names); i++)
			if (n < PA_ARRAY_LEN(names) && !strncmp(at, names[i], strlen(names[i])))
				ret[n++] = at;
}

static int run(const char *folder, int fd, struct pa_child *ret)
{
	static const char *const places[] = {"", "profagent/"};
	char *const argv[] = {(char *)(uintptr_t)PROGRAM, NULL};
	char path[PATH_MAX], *env[4] = {NULL}, *block = NULL;
	size_t cap = 0, len = 0;
	int r = -ENOENT;

	if (pa_file_read("/proc/self/environ", ENVIRON_MAX, &block, &cap, &len) == 0)
		pick_environment(block, len, env);
	for (size_t i = 0; i < PA_ARRAY_LEN(places) && r == -ENOENT; i++) {
		pa_fmt(path, sizeof(path), "%s%s" PROGRAM, folder, places[i]);
		r = pa_child_spawn(path, argv, env, fd, ret);
	}
	pa_pages_free(block, cap);
	return r;
}

static struct {
	dev_t dev;
	ino_t ino;
} first_root;

static void root_get(dev_t *dev, ino_t *ino)
{
	struct stat st;

	if (stat("/", &st) == 0) {
		*dev = st.st_dev;
		*ino = st.st_ino;
	}
}

void pa_symbolizer_program_init(void)
{
	root_get(&first_root.dev, &first_root.ino);
}

/* After a chroot the paths in /proc/self/maps still read as before, and lead to files of whoever
 * writes there. */
static bool in_first_root(void)
{
	dev_t dev = 0;
	ino_t ino = 0;

	root_get(&dev, &ino);
	return dev == first_root.dev && ino == first_root.ino;
}

static int start_in(const char *folder, struct pa_symbolizer_program *p)
{
	struct pa_own_fd peer;
	int pair[2], r = -EBADF; /* the host may close any descriptor */

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	memcpy(p->made_before, p->made, sizeof(p->made));
	pa_own_fd_note(&p->made[0], pair[0]);
	pa_own_fd_note(&p->made[1], pair[1]);
	pa_own_fd_take(&p->sock, pair[0]);
	p->made[2] = p->sock;
	pa_own_fd_take(&peer, pair[1]);
	p->made[3] = peer;
	p->uid = geteuid();
	p->gid = getegid();
	if (p->sock.fd >= 0 && peer.fd >= 0)
		r = run(folder, peer.fd, &p->child);
	pa_own_fd_close(&peer);
	if (r < 0)
		pa_own_fd_close(&p->sock);
	return r;
}

int pa_symbolizer_program_start(struct pa_symbolizer_program *p)
{
	struct pa_arena arena = {0};
	char *folder = NULL;
	int r = in_first_root() ? find_folder(&arena, &folder) : -ENOENT;

	if (r == 0)
		r = start_in(folder, p);
	pa_arena_done(&arena);
	return r;
}

bool pa_symbolizer_program_usable(const struct pa_symbolizer_program *p)
{
	return pa_own_fd_ours(&p->sock) && p->uid == geteuid() && p->gid == getegid();
}

void pa_symbolizer_program_end(struct pa_symbolizer_program *p)
{
	if (p->sock.fd < 0)
		return;
	pa_own_fd_close(&p->sock);
	pa_child_end(&p->child);
}

void pa_symbolizer_program_fork_child(struct pa_symbolizer_program *p, bool stable)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(p->made); i++) {
		pa_own_fd_close(&p->made[i]);
		pa_own_fd_close(&p->made_before[i]);
	}
	p->sock.fd = -1;
	if (stable)
		pa_child_fork_child(&p->child);
	p->child = (struct pa_child){0};
}
