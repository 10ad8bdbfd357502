/* SPDX-License-Identifier: Apache-2.0
 * Finding separate debug files. */
#include "agent/symbolize/find.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "agent/symbolize/guard.h"

static const char *root = "/usr/lib/debug";

struct search {
	const char *build_id; /* that the file must have; "" when it is not known */
	const uint32_t *crc;  /* that it must have otherwise */
	struct pa_dbg_file found;
	char path[PATH_MAX];
};

void pa_dbg_find_root_set(const char *new_root)
{
	root = new_root;
}

static bool has_crc(Elf *elf, uint32_t wanted)
{
	size_t size, at = 0;
	const char *file = elf_rawfile(elf, &size);
	uLong crc = crc32(0, NULL, 0);

	while (file && at < size && !pa_dbg_late()) {
		uInt part = (uInt)PA_MIN(size - at, (size_t)64 << 10);

		crc = crc32(crc, (const Bytef *)file + at, part);
		at += part;
	}
	return file && at == size && crc == wanted;
}

static bool is_right(const struct search *s, const struct pa_dbg_file *f)
{
	if (s->build_id[0] && f->build_id[0])
		return !strcmp(s->build_id, f->build_id);
	return s->crc && !f->image && has_crc(f->elf, *s->crc);
}

/* Whether the file of that name is the one. */
static bool try_path(struct search *s, const char *fmt, ...) PA_PRINTF(2, 3);
static bool try_path(struct search *s, const char *fmt, ...)
{
	struct pa_dbg_file f;
	va_list ap;
	int fd, n, r;

	va_start(ap, fmt);
	n = vsnprintf(s->path, sizeof(s->path), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(s->path))
		return false;
	fd = pa_dbg_open_regular(s->path);
	if (fd < 0)
		return false;
	r = pa_dbg_file_open(fd, &f);
	close(fd);
	if (r < 0)
		return false;
	if (!is_right(s, &f)) {
		pa_dbg_file_close(&f);
		return false;
	}
	s->found = f;
	return true;
}

/* Becomes part of a path: nothing else than what a build id can be. */
static bool is_hex(const char *text)
{
	return !text[strspn(text, "0123456789abcdef")];
}

static bool try_build_id(struct search *s)
{
	return strlen(s->build_id) >= 6 &&
	       try_path(s, "%s/.build-id/%.2s/%s.debug", root, s->build_id, s->build_id + 2);
}

/* Files of debuginfod clients that fetched them earlier: CACHE/BUILDID/debuginfo. */
static bool try_caches(struct search *s)
{
	static const struct {
		const char *variable, *below;
	} caches[] = {
		{"DEBUGINFOD_CACHE_PATH", ""},
		{"XDG_CACHE_HOME", "/debuginfod_client"},
		{"HOME", "/.cache/debuginfod_client"},
		{"HOME", "/.debuginfod_client_cache"},
	};

	if (!s->build_id[0])
		return false;
	for (size_t i = 0; i < PA_ARRAY_LEN(caches); i++) {
		/* One thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		const char *folder = getenv(caches[i].variable);

		if (folder && folder[0] == '/' &&
		    try_path(s, "%s%s/%s/debuginfo", folder, caches[i].below, s->build_id))
			return true;
	}
	return false;
}

static bool try_debuglink(struct search *s, Elf *main, const char *path)
{
	GElf_Word crc;
	const char *link = main && path[0] == '/' ? dwelf_elf_gnu_debuglink(main, &crc) : NULL;
	int folder = link ? (int)(strrchr(path, '/') - path) : 0;
	bool found;

	if (!link || !link[0] || strchr(link, '/'))
		return false;
	s->crc = &crc;
	found = try_path(s, "%.*s/%s", folder, path, link) ||
		try_path(s, "%.*s/.debug/%s", folder, path, link) ||
		try_path(s, "%s%.*s/%s", root, folder, path, link);
	s->crc = NULL;
	return found;
}

int pa_dbg_find_debug(Elf *main, const char *build_id, const char *path, struct pa_dbg_file *ret,
		      char **ret_path)
{
	struct search s = {.build_id = build_id};
	char *found_path;

	if (!is_hex(build_id))
		return -ENOENT;
	if (!try_build_id(&s) && !try_debuglink(&s, main, path) && !try_caches(&s))
		return -ENOENT;
	found_path = strdup(s.path);
	if (!found_path) {
		pa_dbg_file_close(&s.found);
		return -ENOMEM;
	}
	*ret = s.found;
	*ret_path = found_path;
	return 0;
}

static bool try_alt_link(struct search *s, const char *link, const char *path)
{
	char *real;
	bool found;

	if (link[0] == '/')
		return try_path(s, "%s", link);
	real = realpath(path, NULL); /* the debug file may be a link into another folder */
	found = real && try_path(s, "%.*s/%s", (int)(strrchr(real, '/') - real), real, link);
	free(real);
	return found;
}

int pa_dbg_find_alt(Dwarf *dwarf, const char *path, struct pa_dbg_file *ret)
{
	char build_id[2 * PA_DBG_BUILD_ID + 1];
	struct search s = {.build_id = build_id};
	const char *link;
	const void *id;
	ssize_t len = dwelf_dwarf_gnu_debugaltlink(dwarf, &link, &id);

	if (len <= 0 || len > PA_DBG_BUILD_ID)
		return -ENOENT;
	for (ssize_t i = 0; i < len; i++)
		snprintf(build_id + 2 * i, 3, "%02x", ((const uint8_t *)id)[i]);
	if (!try_build_id(&s) && !try_alt_link(&s, link, path) && !try_caches(&s))
		return -ENOENT;
	*ret = s.found;
	return 0;
}
