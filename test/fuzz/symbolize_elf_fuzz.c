/* SPDX-License-Identifier: Apache-2.0
 * ELF files as profagent-symbolize opens them: a file and an image in memory, compressed sections,
 * MiniDebugInfo, symbols. Sections may lie about the size they unpack to; what they take is limited
 * and was asked for. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/elf_file.h"
#include "agent/symbolize/symtab.h"

/* As agent/symbolize/ has them: the sections of an image, and the table of their headers. */
#define IMAGE_MAX  ((size_t)400 << 20)
#define TABLE_MAX  (65280 * sizeof(Elf64_Shdr))
#define CPU_MS     5000
#define MEMORY_MAX ((rlim_t)512 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* As the process's limit does: too much memory is refused, and no crash. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

static void check(bool good)
{
	if (!good)
		abort();
}

/* As the process has it. AddressSanitizer itself takes more. */
void __asan_init(void) __attribute__((weak));
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct rlimit most = {MEMORY_MAX, MEMORY_MAX};

	(void)argc;
	(void)argv;
	check(__asan_init || setrlimit(RLIMIT_DATA, &most) == 0);
	return 0;
}

static volatile uint8_t seen;

/* Each byte is there. */
static void touch(const struct pa_dbg_bytes *b)
{
	for (size_t i = 0; i < b->size; i += 64)
		seen ^= b->at[i];
	seen ^= b->at[b->size - 1];
}

static void use_sections(const struct pa_dbg_file *f)
{
	static const char *const names[] = {
		".debug_info", ".debug_line",     ".debug_str", ".debug_abbrev",  ".symtab",
		".strtab",     ".debug_line_str", ".dynsym",    ".gnu_debugdata", ".gnu_debuglink"};
	const uint8_t *image = f->image;

	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++) {
		struct pa_dbg_bytes b = {0};

		if (!pa_dbg_file_section(f->elf, names[i], &b))
			continue;
		check(b.size);
		if (image && b.at >= image && b.at < image + f->image_size)
			check(b.size <= f->image_size - (size_t)(b.at - image));
		touch(&b);
	}
}

static void use_symbols(Elf *elf)
{
	struct pa_dbg_symtab t = {0};

	if (pa_dbg_symtab_add(&t, elf) == 0) {
		pa_dbg_symtab_finish(&t);
		for (size_t i = 0; i < t.count && i < 200; i++) {
			const struct pa_dbg_symbol *s = &t.symbols[i], *found;

			check(s->start < s->end && s->end <= s->reach);
			check(!i || s[-1].start <= s->start);
			check(s->name[0] && strlen(s->name));
			found = pa_dbg_symtab_find(&t, s->start);
			check(found && found->start == s->start && found->end > s->start);
			found = pa_dbg_symtab_find(&t, s->end);
			check(!found || (found->start <= s->end && found->end > s->end));
		}
	}
	pa_dbg_symtab_free(&t);
}

static void use_file(const struct pa_dbg_file *f)
{
	struct pa_dbg_file mini;

	check(f->elf && strlen(f->build_id) < sizeof(f->build_id));
	check(f->image_size <= IMAGE_MAX + TABLE_MAX || !f->image);
	use_sections(f);
	use_symbols(f->elf);
	if (pa_dbg_file_minidebug(f->elf, &mini) == 0) {
		check(mini.image && mini.image_size <= IMAGE_MAX);
		use_sections(&mini);
		use_symbols(mini.elf);
		pa_dbg_file_close(&mini);
	}
}

/* At its exact size, so that a byte read behind the end is seen. */
static void unpack(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	void *image = NULL;
	size_t image_size = 0;
	Elf *elf;

	check(copy);
	memcpy(copy, data, size);
	elf = elf_memory(copy, size);
	if (elf && pa_dbg_file_unpack(elf, &image, &image_size) == 0 && image) {
		Elf64_Ehdr *ehdr = image;

		check(image_size <= IMAGE_MAX + TABLE_MAX);
		check(ehdr->e_shoff <= image_size &&
		      image_size - ehdr->e_shoff == ehdr->e_shnum * sizeof(Elf64_Shdr));
		munmap(image, image_size);
	}
	elf_end(elf);
	free(copy);
}

static int open_image(const uint8_t *data, size_t size, struct pa_dbg_file *ret)
{
	void *image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (image == MAP_FAILED)
		return -ENOMEM;
	memcpy(image, data, size);
	return pa_dbg_file_open_image(image, size, ret);
}

static int open_file(const uint8_t *data, size_t size, struct pa_dbg_file *ret)
{
	int fd = memfd_create("elf", MFD_CLOEXEC), r;

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	r = pa_dbg_file_open(fd, ret);
	close(fd);
	return r;
}

/* The same either way. One after the other: both may not have the memory. */
static void open_both(const uint8_t *data, size_t size)
{
	struct pa_dbg_file f;
	char build_id[sizeof(f.build_id)] = "";
	bool opened = open_file(data, size, &f) == 0, has_dwarf = false;

	if (opened) {
		use_file(&f);
		memcpy(build_id, f.build_id, sizeof(build_id));
		has_dwarf = f.dwarf;
		pa_dbg_file_close(&f);
	}
	if (!size)
		return;
	check((open_image(data, size, &f) == 0) == opened);
	if (opened) {
		use_file(&f);
		check(!strcmp(f.build_id, build_id) && !f.dwarf == !has_dwarf);
		pa_dbg_file_close(&f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const clock_t start = clock();

	elf_version(EV_CURRENT);
	unpack(data, size);
	open_both(data, size);
	check((clock() - start) / (CLOCKS_PER_SEC / 1000) < CPU_MS);
	return 0;
}
