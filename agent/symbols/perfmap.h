/* SPDX-License-Identifier: Apache-2.0
 * Names of code that was compiled while the process ran, from /tmp/perf-PID.map: the text file that
 * node --perf-basic-prof, python -X perf, jcmd PID Compiler.perfmap, .NET, PHP and LuaJIT write,
 * with a line "START SIZE name" for each function (tools/perf/Documentation/jit-interface.txt in
 * the kernel). Only ranges of addresses are kept in memory; names are read when they are asked
 * for. Agent thread only. */
#ifndef PA_SYMBOLS_PERFMAP_H
#define PA_SYMBOLS_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "agent/symbols/perfmap_ranges.h"

/* Which file, and how much of it has been read. */
struct pa_perfmap {
	pid_t pid;
	bool inherited; /* of a parent: this very file, and no more than there was at the fork */
	uint64_t dev, inode; /* 0: not seen yet */
	uint64_t limit;      /* of an inherited one: its size at the fork */
	uint64_t pos;        /* read up to here, between two lines or in one that is passed over */
	bool passing;        /* the line at pos is too long for one */
	bool too_large;      /* said so */
	char head[64];       /* what it begins with, as far as pos */
	char tail[64];       /* and what stands before pos */
	uint64_t version;    /* rises when it turns out to be another file than before */
	uint64_t dropped;    /* ranges that were given up for others */
	struct pa_perfmap_ranges ranges;
};

#define PA_PERFMAP_BYTES_MAX (UINT64_C(1) << 30) /* what stands behind that in a file is not read */
#define PA_PERFMAP_TEXT      1536                /* bytes of a line; longer names are cut */
#define PA_PERFMAP_PATH      40

void pa_perfmap_path(pid_t pid, char ret[PA_PERFMAP_PATH]);

/* Opens such a file if it is one to be believed: regular, no symbolic link, owned by this user or
 * by root. A descriptor, or -ENOENT, -ELOOP, -EPERM (somebody else's), -ENOEXEC (not regular). */
int pa_perfmap_open(const char *path) PA_CHECKED;

/* Reads what was appended since last time, or everything if the file is another one than before.
 * 0, -ESTALE (an inherited one that is not the same file any more), -ENOMEM or an error of
 * pread(2). What has been read before stays. */
int pa_perfmap_refresh(struct pa_perfmap *m, int fd) PA_CHECKED;

void pa_perfmap_done(struct pa_perfmap *m);

struct pa_perfmap_name {
	const char *name; /* as in the file, cleaned */
	const char *file; /* source, where the name says it; "" otherwise */
	uint32_t line;    /* at which the function begins in it, 0: unknown */
	uint64_t start;   /* address of the function */
	pid_t pid;        /* whose map it is from */
};

/* Reads one line of the file, whose text is then in text[0..PA_PERFMAP_TEXT). False when it does not
 * tell about all of this range: the file has been written anew. */
bool pa_perfmap_read_name(int fd, const struct pa_perfmap_range *range, char *text,
			  struct pa_perfmap_name *ret);

/* Finds the source in a name: V8's "JS:*add /srv/app.js:10:5", CPython's "py::add:/srv/app.py",
 * LuaJIT's "TRACE_1::app.lua:10". Writes the file's name to file[0..size), "" when the name is of no
 * such form or leaves it open where the file's begins. Any thread. */
void pa_perfmap_source(const char *name, char *file, size_t size, uint32_t *ret_line);

/* The maps of this process, and of the parents that it inherited code from, as one request sees
 * them. Zero-initialise, set the arena. */
#define PA_PERFMAP_CHAIN 3

struct pa_perfmap_view {
	struct pa_arena *arena; /* for names */
	bool opened;
	size_t count;
	struct {
		int fd; /* -1: none */
		uint64_t version;
	} file[PA_PERFMAP_CHAIN];
	struct pa_map64 names; /* by file and line */
};

/* Names the code at an address; NULL when no map has it. The files are brought up to date at the
 * first call. Valid as long as the arena. */
const struct pa_perfmap_name *pa_perfmap_find(struct pa_perfmap_view *v, uint64_t addr);

void pa_perfmap_view_done(struct pa_perfmap_view *v);

/* In a forked child, single-threaded: what the parent had becomes inherited. */
void pa_perfmap_fork_child(void);

#endif
