/* SPDX-License-Identifier: Apache-2.0
 * Mappings from the text of /proc/self/maps: the cases of Go's TestProcSelfMaps
 * (runtime/pprof/proto_test.go), merging, and the order. */
#include "test/tap.h"

#include "agent/base/arena.h"
#include "agent/symbols/mapping.h"

static struct pa_arena arena;
static struct pa_mappings m;

static void build(const char *text, uint64_t program)
{
	struct pa_map *maps = NULL;
	size_t count = 0;

	is_int(pa_maps_parse(text, strlen(text), &arena, &maps, &count), 0, "parses");
	is_int(pa_mappings_build(maps, count, program, &arena, &m), 0, "builds");
}

/* "start limit offset file" a line, as Go's test has it. */
static const char *shown(void)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < m.image_count; i++) {
		const struct pa_mapping *s = &m.images[i].shown;

		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%08" PRIx64 " %08" PRIx64 " %08" PRIx64 " %s\n", s->start,
					s->limit, s->offset, s->file);
	}
	return text;
}

/* Index of the image that an address belongs to, -1 for none, and its offset in the file. */
static int image_at(uint64_t addr, uint64_t *ret_offset)
{
	const struct pa_region *r = pa_mappings_find(&m, addr);

	if (!r)
		return -1;
	*ret_offset = r->offset + (addr - r->start);
	return (int)r->image;
}

#define GO_MAPS(cat)                                                                               \
	"00400000-0040b000 r-xp 00000000 fc:01 787766                             " cat "\n"       \
	"0060a000-0060b000 r--p 0000a000 fc:01 787766                             " cat "\n"       \
	"0060b000-0060c000 rw-p 0000b000 fc:01 787766                             " cat "\n"       \
	"014ab000-014cc000 rw-p 00000000 00:00 0                                  [heap]\n"        \
	"7f7d76af8000-7f7d7797c000 r--p 00000000 fc:01 1318064                    "                \
	"/usr/lib/locale/locale-archive\n"                                                         \
	"7f7d7797c000-7f7d77b36000 r-xp 00000000 fc:01 1180226                    "                \
	"/lib/x86_64-linux-gnu/libc-2.19.so\n"                                                     \
	"7f7d77b36000-7f7d77d36000 ---p 001ba000 fc:01 1180226                    "                \
	"/lib/x86_64-linux-gnu/libc-2.19.so\n"                                                     \
	"7f7d77d36000-7f7d77d3a000 r--p 001ba000 fc:01 1180226                    "                \
	"/lib/x86_64-linux-gnu/libc-2.19.so\n"                                                     \
	"7f7d77d3a000-7f7d77d3c000 rw-p 001be000 fc:01 1180226                    "                \
	"/lib/x86_64-linux-gnu/libc-2.19.so\n"                                                     \
	"7f7d77d3c000-7f7d77d41000 rw-p 00000000 00:00 0\n"                                        \
	"7f7d77d41000-7f7d77d64000 r-xp 00000000 fc:01 1180217                    "                \
	"/lib/x86_64-linux-gnu/ld-2.19.so\n"                                                       \
	"7f7d77f3f000-7f7d77f42000 rw-p 00000000 00:00 0\n"                                        \
	"7f7d77f61000-7f7d77f63000 rw-p 00000000 00:00 0\n"                                        \
	"7f7d77f63000-7f7d77f64000 r--p 00022000 fc:01 1180217                    "                \
	"/lib/x86_64-linux-gnu/ld-2.19.so\n"                                                       \
	"7f7d77f64000-7f7d77f65000 rw-p 00023000 fc:01 1180217                    "                \
	"/lib/x86_64-linux-gnu/ld-2.19.so\n"                                                       \
	"7f7d77f65000-7f7d77f66000 rw-p 00000000 00:00 0\n"                                        \
	"7ffc342a2000-7ffc342c3000 rw-p 00000000 00:00 0                          [stack]\n"       \
	"7ffc34343000-7ffc34345000 r-xp 00000000 00:00 0                          [vdso]\n"        \
	"ffffffffff600000-ffffffffff601000 r-xp 00000090 00:00 0                  [vsyscall]\n"
#define GO_SHOWN(cat)                                                                              \
	"00400000 0040b000 00000000 " cat "\n"                                                     \
	"7f7d7797c000 7f7d77b36000 00000000 /lib/x86_64-linux-gnu/libc-2.19.so\n"                  \
	"7f7d77d41000 7f7d77d64000 00000000 /lib/x86_64-linux-gnu/ld-2.19.so\n"                    \
	"7ffc34343000 7ffc34345000 00000000 [vdso]\n"                                              \
	"ffffffffff600000 ffffffffff601000 00000090 [vsyscall]\n"

static void test_go(void)
{
	uint64_t offset;

	build(GO_MAPS("/bin/cat"), 0x400100);
	is_str(shown(), GO_SHOWN("/bin/cat"), "Go's first case");
	build(GO_MAPS("/bin/cat (deleted)"), 0x400100);
	is_str(shown(), GO_SHOWN("/bin/cat"), "deleted files keep their name");
	build(GO_MAPS("/bin/cat with space"), 0x400100);
	is_str(shown(), GO_SHOWN("/bin/cat with space"), "names with spaces");
	build("00400000-07000000 r-xp 00000000 00:00 0\n"
	      "07000000-07093000 r-xp 06c00000 00:2e 536754                             "
	      "/path/to/gobench_server_main\n"
	      "07093000-0722d000 rw-p 06c92000 00:2e 536754                             "
	      "/path/to/gobench_server_main\n"
	      "0722d000-07b21000 rw-p 00000000 00:00 0\n"
	      "c000000000-c000036000 rw-p 00000000 00:00 0\n",
	      0x400100);
	is_str(shown(), "07000000 07093000 06c00000 /path/to/gobench_server_main\n",
	       "text moved to huge pages makes no mapping");
	is_int(image_at(0x400100, &offset), 0, "but its addresses belong to the file");
	is_int(offset, 0x100, "at the right offset");
}

static void test_split(void)
{
	uint64_t offset;

	build("1000-2000 r--p 00000000 08:01 5 /a\n"
	      "2000-3000 r-xp 00001000 08:01 5 /a\n"
	      "3000-4000 rwxp 00002000 08:01 5 /a\n"
	      "4000-5000 r-xp 00003000 08:01 5 /a\n"
	      "5000-6000 r--p 00004000 08:01 5 /a\n",
	      0);
	is_str(shown(), "00002000 00005000 00001000 /a\n", "pieces made by mprotect are one");
	is_int(m.images[0].has_head && m.images[0].head == 0x1000, 1, "which begins at its header");

	build("1000-2000 r--p 00000000 08:01 5 /a\n"
	      "2000-3000 r-xp 00001000 08:01 5 /a\n"
	      "3000-5000 r-xp 00000000 00:00 0\n"
	      "5000-6000 r-xp 00004000 08:01 5 /a\n"
	      "6000-7000 rw-p 00006000 08:01 5 /a\n",
	      0);
	is_str(shown(), "00002000 00006000 00001000 /a\n",
	       "a huge page in the middle is part of it");
	is_int(image_at(0x3008, &offset), 0, "so are its addresses");
	is_int(offset, 0x2008, "at the offset they were read from");

	build("1000-2000 r--p 00000000 08:01 5 /a\n"
	      "2000-5000 r-xp 00000000 00:00 0\n"
	      "5000-6000 r--p 00004000 08:01 5 /a\n",
	      0);
	is_str(shown(), "00002000 00005000 00001000 /a\n", "all text moved to huge pages");
	is_int(image_at(0x2008, &offset), 0, "keeps its file");
	is_int(offset, 0x1008, "and its offset");

	build("1000-2000 r-xp 00000000 08:01 5 /a\n"
	      "2000-3000 r--p 00001000 08:01 5 /a\n"
	      "3000-4000 r-xp 00002000 08:01 5 /a\n",
	      0);
	is_str(shown(), "00001000 00004000 00000000 /a\n", "two text segments of one file are one");
}

static void test_copies(void)
{
	uint64_t offset;

	build("1000-2000 r--p 00000000 08:01 5 /a\n"
	      "2000-3000 r-xp 00001000 08:01 5 /a\n"
	      "3000-4000 r--p 00000000 08:01 5 /a\n"
	      "4000-5000 r-xp 00001000 08:01 5 /a\n"
	      "5000-6000 r-xp 00000000 08:01 6 /b\n"
	      "6000-7000 r-xp 00000000 08:01 6 /b\n"
	      "7000-8000 r-xp 00000000 08:02 6 /b\n",
	      0x4000);
	is_str(shown(),
	       "00004000 00005000 00001000 /a\n"
	       "00002000 00003000 00001000 /a\n"
	       "00005000 00006000 00000000 /b\n"
	       "00006000 00007000 00000000 /b\n"
	       "00007000 00008000 00000000 /b\n",
	       "two copies of a file stay two; so do two files of one name; the program's is "
	       "first");
	is_int(image_at(0x4800, &offset), 0, "regions follow their image to the front");
	is_int(image_at(0x2800, &offset), 1, "and the others move behind");
	is_int(image_at(0x5800, &offset), 2, "no further than that");
	is_int(m.images[0].head, 0x3000, "each copy has a header of its own");
	is_int(m.images[1].head, 0x1000, "the other one too");
}

static void test_jit(void)
{
	uint64_t offset;

	build("1000-2000 r-xp 00000000 08:01 5 /a\n"
	      "3000-4000 rwxp 00000000 00:00 0\n"
	      "4000-5000 r-xp 00000000 00:00 0\n"
	      "5000-6000 rw-p 00000000 00:00 0\n"
	      "6000-7000 r-xp 00000000 00:00 0\n"
	      "7000-8000 r-xp 00000000 00:00 0 [anon:jit]\n"
	      "8000-9000 r-xp 00000000 08:01 7 /b\n"
	      "9000-a000 r-xp 00000000 00:00 0\n"
	      "a000-b000 rwxp 00001000 00:01 9 /memfd:code (deleted)\n",
	      0x1000);
	is_str(shown(),
	       "00001000 00002000 00000000 /a\n"
	       "00003000 00005000 00000000 //anon\n"
	       "00006000 00007000 00000000 //anon\n"
	       "00007000 00008000 00000000 [anon:jit]\n"
	       "00008000 00009000 00000000 /b\n"
	       "00009000 0000a000 00000000 //anon\n"
	       "0000a000 0000b000 00001000 /memfd:code\n",
	       "JIT memory beside everything else");
	is_int(image_at(0x4008, &offset), 1, "neighbours are one");
	is_int(image_at(0x9008, &offset), 5, "between two files is in neither");
	is_int(image_at(0x5008, &offset), -1, "data is in no mapping");
	is_int(image_at(0x2fff, &offset), -1, "nor is a gap");
	is_int(image_at(0xb000, &offset), -1, "nor what is behind the last");
	is_int(image_at(0, &offset), -1, "nor what is ahead of the first");
}

static void test_nothing(void)
{
	uint64_t offset;

	build("", 0);
	is_int(m.image_count, 0, "no text");
	build("1000-2000 rw-p 00000000 08:01 5 /a\n", 0);
	is_int(m.image_count, 0, "nothing executable");
	is_int(image_at(0x1000, &offset), -1, "nothing is found");
	build("ffffffffffffe000-ffffffffffffffff r-xp 00000000 00:00 0\n"
	      "ffffffffffffffff-ffffffffffffffff r-xp ffffffffffffffff 08:01 5 /x\n"
	      "2000-1000 r-xp 00000000 08:01 5 /b\n"
	      "1000-2000 r-xp ffffffffffffffff 08:01 5 /b\n",
	      0);
	ok(m.image_count <= 4, "lines that lie");
}

int main(void)
{
	test_go();
	test_split();
	test_copies();
	test_jit();
	test_nothing();
	pa_arena_done(&arena);
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
