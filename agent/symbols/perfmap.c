/* SPDX-License-Identifier: Apache-2.0
 * One perf map: which file to believe, reading what is new in it, a single line again. Anybody can
 * put a file there before the process does, and the compiler writes it while we read. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/symbols/perfmap.h"
#include "agent/symbols/utf8.h"

#define BLOCK_BYTES ((size_t)64 << 10)  /* longer lines are passed over */
#define MIN_LINE    6                   /* "1 1 a" and a newline */
#define BATCH       ((size_t)32768)     /* lines that are put in order at once; a block has less */
#define BUDGET_PART 8                   /* of the agent's memory, for the ranges of one file */
#define ADDR_END    (UINT64_C(1) << 56) /* of user addresses, with five-level page tables */

void pa_perfmap_path(pid_t pid, char ret[PA_PERFMAP_PATH])
{
	pa_fmt(ret, PA_PERFMAP_PATH, "/tmp/perf-%d.map", (int)pid);
}

static int check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	return !st.st_uid || st.st_uid == geteuid() ? 0 : -EPERM;
}

int pa_perfmap_open(const char *path)
{
	int fd = pa_fd_high(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
	int r;

	if (fd < 0)
		return -errno;
	r = check_file(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static bool scan_hex(const char **s, const char *end, uint64_t *ret)
{
	if (end - *s > 2 && (*s)[0] == '0' && ((*s)[1] | 0x20) == 'x')
		*s += 2;
	return pa_scan_u64(s, end, 16, ret);
}

/* Passes over blanks; false when there are none. */
static bool scan_blank(const char **s, const char *end)
{
	const char *from = *s;

	while (*s < end && (**s == ' ' || **s == '\t'))
		++*s;
	return *s > from;
}

/* One line without its newline. The name lies between *ret_name and *ret_name_end, not empty. */
static bool parse_line(const char *s, const char *end, struct pa_perfmap_range *ret,
		       const char **ret_name, const char **ret_name_end)
{
	uint64_t start, size;

	if (!scan_hex(&s, end, &start) || !scan_blank(&s, end) || !scan_hex(&s, end, &size) ||
	    !scan_blank(&s, end))
		return false;
	while (end > s && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (s == end || !size || size > UINT32_MAX || start >= ADDR_END - size)
		return false;
	ret->start = start;
	ret->size = (uint32_t)size;
	*ret_name = s;
	*ret_name_end = end;
	return true;
}

/* Ranges that were read and are not in order yet. */
struct batch {
	struct pa_perfmap_range *items;
	size_t count, bytes;
	uint64_t pos; /* where reading them began, and whether that was in a long line */
	bool passing;
};

/* Takes what is in order now into m. If that fails, the lines will be read again. */
static int flush(struct pa_perfmap *m, struct batch *b)
{
	const size_t max = pa_mem_limit() / BUDGET_PART / sizeof(*b->items);
	int r = pa_perfmap_ranges_add(&m->ranges, b->items, b->count, max, &m->dropped);

	if (r < 0) {
		m->pos = b->pos;
		m->passing = b->passing;
	}
	b->pos = m->pos;
	b->passing = m->passing;
	b->count = 0;
	return r;
}

/* Takes the complete lines of a block. Returns the bytes used. */
static size_t take_lines(const char *block, size_t len, uint64_t pos, struct batch *b)
{
	const char *s = block, *end = block + len, *nl, *name, *name_end;

	while (s < end && (nl = memchr(s, '\n', (size_t)(end - s)))) {
		struct pa_perfmap_range *r = &b->items[b->count];

		if (parse_line(s, nl, r, &name, &name_end)) {
			r->line = (uint32_t)(pos + (uint64_t)(s - block));
			b->count++;
		}
		s = nl + 1;
	}
	return (size_t)(s - block);
}

/* Of a line too long for a block: how much of it is in this one. */
static size_t pass_over(struct pa_perfmap *m, const char *block, size_t len)
{
	const char *nl = memchr(block, '\n', len);

	m->passing = !nl;
	return nl ? (size_t)(nl + 1 - block) : len;
}

static int read_lines(struct pa_perfmap *m, int fd, uint64_t end, char *block, struct batch *b)
{
	while (m->pos < end) {
		const size_t want = (size_t)PA_MIN(BLOCK_BYTES, end - m->pos);
		const ssize_t n = pread(fd, block, want, (off_t)m->pos);
		size_t used;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		used = m->passing ? 0 : take_lines(block, (size_t)n, m->pos, b);
		if (m->passing || (!used && (size_t)n == BLOCK_BYTES))
			used = pass_over(m, block, (size_t)n);
		if (!used)
			return 0; /* the last line is not complete yet */
		m->pos += used;
		if (b->count + BLOCK_BYTES / MIN_LINE > b->bytes / sizeof(*b->items)) {
			int r = flush(m, b);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int read_new(struct pa_perfmap *m, int fd, uint64_t end)
{
	struct batch b = {.pos = m->pos, .passing = m->passing};
	char *block = pa_pages_alloc(BLOCK_BYTES);
	int r = -ENOMEM, flushed;

	/* Room for the lines of one block beside those of a batch. */
	b.bytes = (size_t)PA_MIN(BATCH, (end - m->pos) / MIN_LINE + 1) + BLOCK_BYTES / MIN_LINE;
	b.bytes *= sizeof(*b.items);
	b.items = pa_pages_alloc(b.bytes);
	if (block && b.items) {
		r = read_lines(m, fd, end, block, &b);
		flushed = flush(m, &b);
		r = r ? r : flushed;
	}
	pa_pages_free(block, BLOCK_BYTES);
	pa_pages_free(b.items, b.bytes);
	return r;
}

/* Both ends of what has been read. */
static bool read_ends(const struct pa_perfmap *m, int fd, char *head, char *tail)
{
	const size_t len = (size_t)PA_MIN(m->pos, sizeof(m->head));

	return pread(fd, head, len, 0) == (ssize_t)len &&
	       pread(fd, tail, len, (off_t)(m->pos - len)) == (ssize_t)len;
}

/* A file may be written anew in its place, with the same first line (jcmd does that). */
static bool same_ends(const struct pa_perfmap *m, int fd)
{
	const size_t len = (size_t)PA_MIN(m->pos, sizeof(m->head));
	char head[sizeof(m->head)], tail[sizeof(m->tail)];

	return read_ends(m, fd, head, tail) && !memcmp(head, m->head, len) &&
	       !memcmp(tail, m->tail, len);
}

static void start_over(struct pa_perfmap *m, const struct stat *st)
{
	pa_perfmap_ranges_done(&m->ranges);
	m->dev = st->st_dev;
	m->inode = st->st_ino;
	m->pos = 0;
	m->passing = m->too_large = false;
	m->version++;
}

static uint64_t readable_size(struct pa_perfmap *m, const struct stat *st)
{
	uint64_t size = (uint64_t)PA_MAX(st->st_size, 0);

	if (m->inherited)
		size = PA_MIN(size, m->limit);
	if (size > PA_PERFMAP_BYTES_MAX && !m->too_large) {
		m->too_large = true;
		pa_debug("perf map of process %d: only its first %llu MiB are read", (int)m->pid,
			 (unsigned long long)(PA_PERFMAP_BYTES_MAX >> 20));
	}
	return PA_MIN(size, PA_PERFMAP_BYTES_MAX);
}

int pa_perfmap_refresh(struct pa_perfmap *m, int fd)
{
	const uint64_t dropped = m->dropped;
	struct stat st;
	bool same_file;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	same_file = st.st_dev == m->dev && st.st_ino == m->inode;
	if (m->inherited && (!same_file || (uint64_t)st.st_size < m->limit))
		return -ESTALE;
	if (!same_file || (uint64_t)st.st_size < m->pos || !same_ends(m, fd))
		start_over(m, &st);
	if (readable_size(m, &st) > m->pos)
		r = read_new(m, fd, readable_size(m, &st));
	if (!read_ends(m, fd, m->head, m->tail))
		m->inode = 0; /* it has just become shorter: read it all the next time */
	if (m->dropped > dropped)
		pa_debug("perf map of process %d: %llu of the oldest entries have no room",
			 (int)m->pid, (unsigned long long)m->dropped);
	return r;
}

void pa_perfmap_done(struct pa_perfmap *m)
{
	pa_perfmap_ranges_done(&m->ranges);
}

bool pa_perfmap_read_name(int fd, const struct pa_perfmap_range *range, char *text,
			  struct pa_perfmap_name *ret)
{
	const ssize_t n = pread(fd, text, PA_PERFMAP_TEXT - 1, (off_t)range->line);
	const char *name, *name_end, *nl;
	struct pa_perfmap_range line;

	if (n <= 0)
		return false;
	nl = memchr(text, '\n', (size_t)n);
	if (!nl && n < PA_PERFMAP_TEXT - 1)
		return false;
	if (!parse_line(text, nl ? nl : text + n, &line, &name, &name_end) ||
	    range->start < line.start || range->start + range->size > line.start + line.size)
		return false;
	text[name_end - text] = '\0';
	for (char *s = text + (name - text); s < name_end; s++) {
		if (!*s)
			*s = '?';
	}
	pa_utf8_clean(text + (name - text));
	*ret = (struct pa_perfmap_name){.name = name, .file = "", .start = line.start};
	return true;
}
