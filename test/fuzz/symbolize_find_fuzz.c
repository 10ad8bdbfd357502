/* SPDX-License-Identifier: Apache-2.0
 * Where separate debug files are looked for. The input makes a file with .gnu_debuglink,
 * .gnu_debugaltlink and a build id, the path it has, the environment, and what is found in a file
 * system in which each path exists but for the first few that are tried. Nothing is opened but in the folders that the documentation
 * names, and nothing is taken that is not of this build. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/find.h"
#include "agent/symbolize/guard.h"

#define ROOT      "/debug-root"
#define PART_MAX  6000
#define JOB_MS    2000
#define OPENS_MAX 8 /* build id; beside the program, .debug, root; four caches */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum flag {
	HAS_ID = 1,        /* a note, else none */
	TRUE_ID = 2,       /* what is found has the build id of the note */
	OTHER_ID = 4,      /* it has another one */
	TRUE_CRC = 8,      /* the link has the CRC of what is found */
	TEXT_ID = 16,      /* the agent gives the build id, whatever text */
	NOT_REGULAR = 32,  /* what is found is a device */
	ALL_VARIABLES = 64 /* each variable has the text, else the first one */
};

enum section { NOTHING, NAMES, NOTE, LINK, ALT, LINE, SECTIONS };

struct image {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdrs[SECTIONS];
	char bytes[3 * PART_MAX];
	size_t len; /* of all */
};

static struct {
	bool active;
	mode_t mode;
	struct image image;
	char path[PART_MAX + 1], variable[PART_MAX + 1];
	bool any_path;         /* an alternate file may be anywhere, but its build id decides */
	size_t opens, missing; /* paths that were tried; how many of them do not exist */
	char last[PATH_MAX];
} world;

static void check(bool good)
{
	if (!good)
		abort();
}

static bool takes_away(const char **path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*path, prefix, len) != 0)
		return false;
	*path += len;
	return true;
}

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

static bool is_build_id_path(const char *path)
{
	size_t len;

	if (!takes_away(&path, ROOT "/.build-id/") || !is_hex(path, 2) || path[2] != '/')
		return false;
	path += 3;
	len = strspn(path, "0123456789abcdef");
	return len >= 4 && !strcmp(path + len, ".debug");
}

static bool is_cache_path(const char *path)
{
	static const char *const below[] = {"", "/debuginfod_client", "/.cache/debuginfod_client",
					    "/.debuginfod_client_cache"};

	if (world.variable[0] != '/' || !takes_away(&path, world.variable))
		return false;
	for (size_t i = 0; i < PA_ARRAY_LEN(below); i++) {
		const char *rest = path;
		size_t len;

		if (!takes_away(&rest, below[i]) || !takes_away(&rest, "/"))
			continue;
		len = strspn(rest, "0123456789abcdef");
		if (len && !strcmp(rest + len, "/debuginfo"))
			return true;
	}
	return false;
}

/* A name, with no folder in it, in one of three folders. */
static bool is_link_path(const char *path)
{
	static const char *const roots[] = {"", "", ROOT}, *const below[] = {"/", "/.debug/", "/"};
	const char *slash = strrchr(world.path, '/');
	char folder[PART_MAX + 20];

	for (size_t i = 0; world.path[0] == '/' && i < PA_ARRAY_LEN(roots); i++) {
		const char *rest = path;

		snprintf(folder, sizeof(folder), "%s%.*s%s", roots[i], (int)(slash - world.path),
			 world.path, below[i]);
		if (takes_away(&rest, folder) && rest[0] && !strchr(rest, '/'))
			return true;
	}
	return false;
}

static void check_path(const char *path)
{
	check(++world.opens <= OPENS_MAX);
	check(strlen(path) < PATH_MAX);
	check(world.any_path || is_build_id_path(path) || is_cache_path(path) ||
	      is_link_path(path));
	memcpy(world.last, path, strlen(path) + 1);
}

/* In place of libc's, for the readers in libelf and libdw as well. */
int stat(const char *path, struct stat *ret)
{
	if (!world.active)
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0);
	check_path(path);
	if (world.opens <= world.missing) {
		errno = ENOENT;
		return -1;
	}
	*ret = (struct stat){.st_mode = world.mode};
	return 0;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!world.active)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	check(S_ISREG(world.mode) && !strcmp(path, world.last) && (flags & O_ACCMODE) == O_RDONLY);
	fd = memfd_create("found", MFD_CLOEXEC);
	if (fd >= 0)
		check(write(fd, &world.image, world.image.len) == (ssize_t)world.image.len);
	return fd;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

char *realpath(const char *path, char *buf)
{
	check(!buf);
	return path[0] == '/' ? strdup(path) : NULL;
}

struct input {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct input *in, size_t *ret_size)
{
	const uint8_t *at;
	size_t size;

	*ret_size = 0;
	if (in->left < 2)
		return NULL;
	size = PA_MIN((size_t)in->at[0] | (size_t)in->at[1] << 8, (size_t)PART_MAX);
	size = PA_MIN(size, in->left - 2);
	at = in->at + 2;
	in->at += size + 2;
	in->left -= size + 2;
	*ret_size = size;
	return at;
}

static void take_text(struct input *in, char *ret)
{
	size_t size;
	const uint8_t *bytes = take(in, &size);

	if (size)
		memcpy(ret, bytes, size);
	ret[size] = '\0';
}

static void add(struct image *m, enum section which, const char *name, Elf64_Word type,
		const void *bytes, size_t size)
{
	static const char names[] = "\0.names\0.note.gnu.build-id\0.gnu_debuglink\0"
				    ".gnu_debugaltlink\0.debug_line";
	const char *at = memmem(names, sizeof(names), name, strlen(name) + 1);

	if (which == NAMES) {
		bytes = names;
		size = sizeof(names);
	}
	m->shdrs[which] = (Elf64_Shdr){
		.sh_name = (Elf64_Word)(at - names),
		.sh_type = type,
		.sh_flags = type == SHT_NOTE ? SHF_ALLOC : 0,
		.sh_offset = m->len,
		.sh_size = size,
		.sh_addralign = 4,
	};
	if (size)
		memcpy((char *)m + m->len, bytes, size);
	m->len += (size + 3) & ~(size_t)3;
}

static void begin(struct image *m)
{
	memset(m, 0, sizeof(*m));
	m->ehdr = (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_shoff = offsetof(struct image, shdrs),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
		.e_shstrndx = NAMES,
	};
	m->len = offsetof(struct image, bytes);
	add(m, NAMES, ".names", SHT_STRTAB, NULL, 0);
	add(m, LINE, ".debug_line", SHT_PROGBITS, "", 1);
}

static void add_note(struct image *m, const uint8_t *id, size_t size)
{
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t id[256];
	} note = {{4, (Elf64_Word)PA_MIN(size, sizeof(note.id)), NT_GNU_BUILD_ID}, "GNU", {0}};

	if (size)
		memcpy(note.id, id, note.head.n_descsz);
	add(m, NOTE, ".note.gnu.build-id", SHT_NOTE, &note,
	    offsetof(__typeof__(note), id) + ((note.head.n_descsz + 3) & ~3u));
}

/* What each path leads to. */
static void make_found(unsigned flags, const uint8_t *id, size_t size)
{
	uint8_t other[PART_MAX];

	begin(&world.image);
	if (flags & TRUE_ID) {
		add_note(&world.image, id, size);
	} else if ((flags & OTHER_ID) && size) {
		memcpy(other, id, size);
		other[size / 2] ^= 1;
		add_note(&world.image, other, size);
	}
}

static int open_main(const struct image *m, struct pa_dbg_file *ret)
{
	int fd = memfd_create("main", MFD_CLOEXEC), r;

	check(fd >= 0 && write(fd, m, m->len) == (ssize_t)m->len);
	r = pa_dbg_file_open(fd, ret);
	close(fd);
	return r;
}

/* Whether a file has the build id behind the name in .gnu_debugaltlink. */
static bool is_alt_id(const char *build_id, const uint8_t *alt, size_t size)
{
	const uint8_t *nul = memchr(alt, 0, size);
	char hex[3];

	for (const uint8_t *id = nul ? nul + 1 : alt + size; id < alt + size; id++, build_id += 2) {
		snprintf(hex, sizeof(hex), "%02x", *id);
		if (strncmp(build_id, hex, 2) != 0)
			return false;
	}
	return nul && nul + 1 < alt + size && !build_id[0];
}

struct job {
	const struct pa_dbg_file *file;
	const char *build_id;
	bool true_crc;
	const uint8_t *alt; /* contents of .gnu_debugaltlink */
	size_t alt_size;
};

static void find_debug(const struct job *j)
{
	struct pa_dbg_file found;
	char *path;

	if (pa_dbg_find_debug(j->file->elf, j->build_id, world.path, &found, &path) < 0)
		return;
	check(!strcmp(path, world.last));
	check(j->build_id[0] && found.build_id[0] ? !strcmp(j->build_id, found.build_id)
						  : j->true_crc);
	pa_dbg_file_close(&found);
	free(path);
}

static void find_alt(const struct job *j)
{
	struct pa_dbg_file found;

	if (pa_dbg_find_alt(j->file->dwarf, world.path, &found) < 0)
		return;
	check(j->alt && is_alt_id(found.build_id, j->alt, j->alt_size));
	pa_dbg_file_close(&found);
}

static void find(void *arg)
{
	world.active = true;
	world.opens = 0;
	world.any_path = false;
	find_debug(arg);
	world.opens = 0;
	world.any_path = true;
	find_alt(arg);
	world.active = false;
}

static void set_variables(bool all)
{
	static const char *const names[] = {"DEBUGINFOD_CACHE_PATH", "XDG_CACHE_HOME", "HOME"};

	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++) {
		if (world.variable[0] && (!i || all))
			setenv(names[i], world.variable, 1);
		else
			unsetenv(names[i]);
	}
}

static void add_link(struct image *m, const uint8_t *link, size_t size, bool true_crc)
{
	uint8_t copy[PART_MAX];
	uint32_t crc = (uint32_t)crc32(0, (const Bytef *)&world.image, (uInt)world.image.len);

	if (!size)
		return;
	memcpy(copy, link, size);
	if (true_crc && size >= sizeof(crc))
		memcpy(copy + size - sizeof(crc), &crc, sizeof(crc));
	add(m, LINK, ".gnu_debuglink", SHT_PROGBITS, copy, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct image main;
	static char build_id[PART_MAX + 1];
	struct input in = {data, size};
	size_t id_size, link_size;
	const uint8_t *id, *link;
	struct pa_dbg_file f;
	struct job job;
	unsigned flags;

	if (size < 2)
		return 0;
	flags = in.at[0];
	world.missing = in.at[1];
	in.at += 2;
	in.left -= 2;
	take_text(&in, world.path);
	take_text(&in, world.variable);
	id = take(&in, &id_size);
	link = take(&in, &link_size);
	job.alt = take(&in, &job.alt_size);
	take_text(&in, build_id);

	id_size = PA_MIN(id_size, (size_t)PA_DBG_BUILD_ID + 1);
	world.mode = flags & NOT_REGULAR ? S_IFCHR : S_IFREG;
	make_found(flags, id, id_size);
	begin(&main);
	if (flags & HAS_ID)
		add_note(&main, id, id_size);
	add_link(&main, link, link_size, flags & TRUE_CRC);
	if (job.alt_size)
		add(&main, ALT, ".gnu_debugaltlink", SHT_PROGBITS, job.alt, job.alt_size);
	set_variables(flags & ALL_VARIABLES);
	pa_dbg_find_root_set(ROOT);
	check(open_main(&main, &f) == 0 && f.dwarf);

	job.file = &f;
	job.build_id = flags & TEXT_ID ? build_id : f.build_id;
	job.true_crc = flags & TRUE_CRC;
	pa_dbg_budget_begin(JOB_MS);
	check(pa_dbg_guard(find, &job, JOB_MS) == 0);
	pa_dbg_file_close(&f);
	return 0;
}
