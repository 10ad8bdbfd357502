/* SPDX-License-Identifier: Apache-2.0
 * The ELF reader: build ids in every class and byte order, load bias, and files that lie. */
#include "test/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/symbols/elf.h"
#include "agent/symbols/symtab.h"
#include "test/unit/elf_builder.h"

static struct eb b;

static int open_built(struct pa_elf *e)
{
	struct pa_elf_source src;

	eb_write(&b);
	src = pa_elf_source_buffer(b.buf, b.len);
	return pa_elf_open(e, &src);
}

static void test_build_ids(void)
{
	for (int i = 0; i < 16; i++) {
		char id[PA_BUILD_ID_HEX], what[80];
		struct pa_elf e;

		memset(&b, 0, sizeof(b));
		b.is32 = i & 1;
		b.big = i & 2;
		b.no_segments = i & 4;
		b.note_align = i & 8 ? 8 : 4;
		snprintf(what, sizeof(what), "build id, %s bits, %s endian, %s, aligned to %d",
			 b.is32 ? "32" : "64", b.big ? "big" : "little",
			 b.no_segments ? "SHT_NOTE" : "PT_NOTE", (int)b.note_align);
		is_int(open_built(&e), 0, "opens");
		pa_elf_build_id(&e, id);
		is_str(id, EB_BUILD_ID_HEX, what);
	}
}

static void test_no_build_id(void)
{
	char id[PA_BUILD_ID_HEX] = "x";
	struct pa_elf e;

	memset(&b, 0, sizeof(b));
	b.no_note = true;
	is_int(open_built(&e), 0, "a file without notes opens");
	pa_elf_build_id(&e, id);
	is_str(id, "", "no build id");

	b.no_note = false;
	is_int(open_built(&e), 0, "opens");
	eb_put(&b, b.note_off + 28 + 4, 65, 4); /* longer than we keep, and than the note */
	pa_elf_build_id(&e, id);
	is_str(id, "", "an oversized build id is none");
	eb_put(&b, b.note_off + 4, UINT32_MAX, 4);
	pa_elf_build_id(&e, id);
	is_str(id, "", "a note longer than its section ends the search");
}

static void test_kernel_notes(void)
{
	char id[PA_BUILD_ID_HEX];

	memset(&b, 0, sizeof(b));
	eb_write(&b);
	pa_elf_notes_build_id(b.buf + b.note_off, 100, id);
	is_str(id, EB_BUILD_ID_HEX, "bare notes");
	pa_elf_notes_build_id(b.buf + b.note_off, 20, id);
	is_str(id, "", "bare notes, cut short");
}

/* readelf -n of real files says the same. */
static void test_real_build_ids(void)
{
	static const char *const files[] = {
		"/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
		"/bin/bash",      "/usr/bin/redis-server",           "/usr/sbin/nginx"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char cmd[200], want[200] = "", id[PA_BUILD_ID_HEX];
		struct pa_elf_source src;
		struct stat st;
		struct pa_elf e;
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		char real[100] = "";
		FILE *f;

		if (fd < 0)
			continue;
		if (readlink(files[i], real, sizeof(real) - 1) < 0 || real[0] != '/')
			snprintf(real, sizeof(real), "%s", files[i]);
		snprintf(cmd, sizeof(cmd),
			 "readelf -n '%s' 2>/dev/null | sed -n 's/.*Build ID: //p'", real);
		f = popen(cmd, "r");
		if (f && fgets(want, sizeof(want), f))
			want[strcspn(want, "\n")] = '\0';
		if (f)
			pclose(f);
		fstat(fd, &st);
		src = pa_elf_source_file(fd, (uint64_t)st.st_size);
		is_int(pa_elf_open(&e, &src), 0, files[i]);
		pa_elf_build_id(&e, id);
		if (want[0])
			is_str(id, want, "the build id that readelf prints");
		close(fd);
	}
}

/* Segments as linkers lay them out: {vaddr, offset, filesz, exec}. */
static void test_bias(void)
{
	struct pa_elf e = {
		.is64 = true,
		.load_count = 4,
		.loads = {{.vaddr = 0x400000, .offset = 0, .filesz = 0x5123, .memsz = 0x5123},
			  {.vaddr = 0x406130,
			   .offset = 0x5130,
			   .filesz = 0x2000,
			   .memsz = 0x2000,
			   .exec = true},
			  {.vaddr = 0x40a000, .offset = 0x8000, .filesz = 0x1000, .memsz = 0x9000},
			  {.vaddr = 0x600000,
			   .offset = 0x20000,
			   .filesz = 0x800000,
			   .memsz = 0x800000,
			   .exec = true}},
	};
	uint64_t bias, low, high;

	is_int(pa_elf_bias(&e, 0x406000, 0x5000, &bias), 0, "text that shares its first page");
	is_int(bias, 0, "executable at its own address: no bias");
	is_int(pa_elf_bias(&e, 0x7f0000006000, 0x5000, &bias), 0, "loaded elsewhere");
	is_int(bias, 0x7f0000000000 - 0x400000, "bias counts from the linked address");
	is_int(pa_elf_bias(&e, 0x7f0000007000, 0x6000, &bias), 0, "text split by mprotect");
	is_int(bias, 0x7f0000000000 - 0x400000, "a later piece gives the same bias");
	is_int(pa_elf_bias(&e, 0x7f0000600000, 0x420000, &bias), 0,
	       "a huge page of the second text");
	is_int(bias, 0x7f0000600000 - (0x600000 + 0x400000), "bias of the second text segment");
	is_int(pa_elf_bias(&e, 0x1000, 0x8000, &bias), 0, "data made executable");
	is_int(bias, 0x1000 - 0x40a000, "bias of a data segment");
	bias = 42;
	is_int(pa_elf_bias(&e, 0x1000, 0x10000, &bias), -ENOENT, "an offset in no segment");
	is_int(bias, 42, "output untouched");
	ok(pa_elf_span(&e, &low, &high), "has a span");
	is_int(low, 0x400000, "span from");
	is_int(high, 0x600000 + 0x800000, "span to");
}

/* Everything a reader does with a file, whatever it says. */
static int use_all(const void *data, size_t size)
{
	struct pa_elf_source src = pa_elf_source_buffer(data, size);
	static struct pa_symtab_names names;
	char id[PA_BUILD_ID_HEX];
	struct pa_symtab t;
	struct pa_elf e;
	size_t first, count;
	int r = pa_elf_open(&e, &src);

	if (r < 0)
		return r;
	pa_elf_build_id(&e, id);
	r = pa_symtab_load(&t, &e);
	if (r < 0)
		return r;
	for (uint64_t a = 0; a < 0x1000; a += 8) {
		if (pa_symtab_find(&t, a, &first, &count))
			pa_symtab_choose(&t, &src, first, count, &names);
	}
	pa_symtab_done(&t);
	return 0;
}

static const struct eb_symbol some[] = {
	{"one", 0x400, 0x10, STT_FUNC, STB_GLOBAL, 0, false},
	{"two", 0x410, 0, STT_FUNC, STB_LOCAL, 0, false},
	{"three", 0x440, 0x10, STT_FUNC, STB_WEAK, 0, true},
};

static void test_truncated(void)
{
	uint8_t *copy;
	int opened = 0;

	memset(&b, 0, sizeof(b));
	b.symbols = some;
	b.symbol_count = 3;
	eb_write(&b);
	for (size_t len = 0; len <= b.len; len++) {
		copy = malloc(len + 1); /* exact, so that a sanitizer sees reads past the end */
		memcpy(copy, b.buf, len);
		opened += use_all(copy, len) == 0;
		free(copy);
	}
	ok(opened >= 1, "a file cut anywhere is refused or read (%d read)", opened);
}

static void test_every_byte_wrong(void)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	int survived = 0;

	for (int is32 = 0; is32 < 2; is32++) {
		memset(&b, 0, sizeof(b));
		b.is32 = is32;
		b.text_size = 0x40;
		b.symbols = some;
		b.symbol_count = 3;
		eb_write(&b);
		for (size_t at = 0; at < b.len; at++) {
			for (size_t v = 0; v < sizeof(values); v++) {
				uint8_t old = b.buf[at];

				b.buf[at] = values[v];
				use_all(b.buf, b.len);
				b.buf[at] = old;
				survived++;
			}
		}
	}
	ok(survived > 10000, "%d files with one wrong byte", survived);
}

static void test_huge_counts(void)
{
	struct pa_elf e;
	struct pa_symtab t;
	uint64_t low, high;

	memset(&b, 0, sizeof(b));
	b.symbols = some;
	b.symbol_count = 3;
	is_int(open_built(&e), 0, "opens");
	EB_SET(&b, 0, Ehdr, e_phnum, 0xffff);
	struct pa_elf_source src = pa_elf_source_buffer(b.buf, b.len);
	is_int(pa_elf_open(&e, &src), 0, "65535 program headers are none");
	is_int(e.phnum, 0, "no program headers");
	EB_SET(&b, 0, Ehdr, e_phnum, 2);
	EB_SET(&b, 0, Ehdr, e_shnum, 0);
	EB_SET(&b, b.shoff, Shdr, sh_size, UINT32_MAX);
	is_int(pa_elf_open(&e, &src), 0, "four billion sections are none");
	is_int(e.shnum, 0, "no sections");
	EB_SET(&b, b.shoff, Shdr, sh_size, EB_SECTIONS);
	is_int(pa_elf_open(&e, &src), 0, "the count of sections in section 0");
	is_int(e.shnum, EB_SECTIONS, "is used");
	EB_SET(&b, b.shoff + EB_SYMTAB * sizeof(Elf64_Shdr), Shdr, sh_size, INT64_MAX);
	is_int(pa_symtab_load(&t, &e), 0, "a symbol table beyond the end of the file is none");
	is_int(t.count, 1, "leaves .dynsym");
	pa_symtab_done(&t);
	EB_SET(&b, b.phoff, Phdr, p_vaddr, UINT64_MAX - 4);
	is_int(pa_elf_open(&e, &src), 0, "a segment that wraps around");
	ok(!pa_elf_span(&e, &low, &high), "has no span");
	is_int(pa_symtab_load(&t, &e), -ENOENT, "and no symbols");
}

static void test_not_elf(void)
{
	struct pa_elf e;
	struct pa_elf_source src = pa_elf_source_buffer("#!/bin/sh\nexit 0\n", 17);
	char zeros[4096] = {0};
	int fds[2];

	ok(pa_elf_open(&e, &src) < 0, "a script is refused");
	src = pa_elf_source_buffer(zeros, sizeof(zeros));
	is_int(pa_elf_open(&e, &src), -ENOEXEC, "zeros are refused");
	memset(&b, 0, sizeof(b));
	eb_write(&b);
	EB_SET(&b, 0, Ehdr, e_type, ET_REL);
	src = pa_elf_source_buffer(b.buf, b.len);
	is_int(pa_elf_open(&e, &src), -ENOEXEC, "an object file is refused");
	src = pa_elf_source_memory(0, UINT64_MAX);
	is_int(pa_elf_open(&e, &src), -EFAULT, "unmapped memory is refused");
	is_int(pa_elf_open_image(&e, 0x1000), -EFAULT, "an image in unmapped memory is refused");
	is_int(pipe(fds), 0, "pipe");
	src = pa_elf_source_file(fds[0], 4096);
	ok(pa_elf_open(&e, &src) < 0, "a pipe is refused");
}

int main(void)
{
	test_build_ids();
	test_no_build_id();
	test_kernel_notes();
	test_real_build_ids();
	test_bias();
	test_truncated();
	test_every_byte_wrong();
	test_huge_counts();
	test_not_elf();
	return tap_done();
}
