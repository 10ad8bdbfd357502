/* SPDX-License-Identifier: Apache-2.0
 * Kernel names: the format, hidden addresses, and the running kernel where it shows them. */
#include "test/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/kallsyms.h"

static struct pa_kallsyms k;
static char path[] = "/tmp/kallsyms.XXXXXX";

static int load(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	pa_kallsyms_done(&k);
	if (!f || fwrite(text, 1, len, f) != len || fclose(f))
		return -EIO;
	return pa_kallsyms_load(&k, path);
}

static const char *name_at(uint64_t addr)
{
	uint64_t start = 0;
	const char *name = pa_kallsyms_find(&k, addr, &start);
	static char text[200];

	if (!name)
		return "-";
	snprintf(text, sizeof(text), "%s+%llu", name, (unsigned long long)(addr - start));
	return text;
}

static const char sample[] = "0000000000000000 A fixed_percpu_data\n"
			     "ffffffff81000000 T srso_alias\n"
			     "ffffffff81000000 T _stext\n"
			     "ffffffff81000000 T _text\n"
			     "ffffffff81000040 t do_one\n"
			     "ffffffff81000080 W weak_one\n"
			     "ffffffff81000100 D data_behind_it\n"
			     "ffffffff81000180 d more_data\n"
			     "ffffffff81000200 t __do_two\n"
			     "ffffffff81000200 t do_two_long\n"
			     "ffffffff81000200 t do_two\n"
			     "ffffffffc0201000 t ext4_sync\t[ext4]\n"
			     "ffffffffc0100000 T unsorted_module [m]\n"
			     "ffffffffc0100100 T bpf_prog_1\t[bpf]\n"
			     "not a line\n"
			     "ffffffff8100zzzz t broken\n"
			     "ffffffffffff0000 T high_one\n"
			     "ffffffffc0300000 t last_without_newline";

static void test_format(void)
{
	is_int(load(sample, sizeof(sample) - 1), 0, "loads");
	is_str(name_at(0xffffffff81000000), "srso_alias+0", "no underscore before one");
	is_str(name_at(0xffffffff8100003f), "srso_alias+63", "up to the next symbol");
	is_str(name_at(0xffffffff81000041), "do_one+1", "a static function");
	is_str(name_at(0xffffffff810000ff), "weak_one+127", "a weak one");
	is_str(name_at(0xffffffff81000100), "-", "data ends a function");
	is_str(name_at(0xffffffff810001ff), "-", "and is none");
	is_str(name_at(0xffffffff81000200), "do_two+0", "fewer underscores, then the shorter");
	is_str(name_at(0xffffffffc0100010), "unsorted_module+16", "modules come in any order");
	is_str(name_at(0xffffffffc0100110), "bpf_prog_1+16", "BPF programs");
	is_str(name_at(0xffffffffc0201004), "ext4_sync+4", "the module is not part of the name");
	is_str(name_at(0xffffffffffff0010), "high_one+16", "the highest page");
	is_str(name_at(0xffffffff80ffffff), "-", "ahead of the kernel");
	is_str(name_at(0x400000), "-", "an address of a program");
	is_str(name_at(0xffff888000000000), "-", "the direct map, far from the text");
}

static void test_last(void)
{
	static const char text[] = "ffffffff81000000 T only\n";

	is_int(load(text, sizeof(text) - 1), 0, "loads");
	is_str(name_at(0xffffffff81000010), "only+16", "the last function has a body");
	is_str(name_at(0xffffffff81100000), "-", "but not all the memory behind it");
}

static void test_hidden(void)
{
	static const char hidden[] = "0000000000000000 A a\n0000000000000000 T _stext\n";
	char *big = malloc(300000);

	is_int(load(hidden, sizeof(hidden) - 1), -EACCES, "addresses that are all zero");
	is_int(load("", 0), -EACCES, "an empty file");
	is_str(name_at(0xffffffff81000000), "-", "and no names");
	memset(big, 'f', 300000);
	is_int(load(big, 300000), -EINVAL, "a line without end");
	free(big);
	is_int(pa_kallsyms_load(&k, "/nonexistent/kallsyms"), -ENOENT, "no file");
}

static void test_memory(void)
{
	pa_mem_limit_set(64 << 10);
	is_int(load(sample, sizeof(sample) - 1), -ENOMEM, "over the budget");
	pa_mem_limit_set((size_t)64 << 20);
	is_int(pa_mem_used(), 0, "and nothing kept");
}

/* Every text symbol of the running kernel is found at its own address. */
static void test_running_kernel(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long addr;
	char type, name[512];
	int r = pa_kallsyms_load(&k, "/proc/kallsyms");
	unsigned checked = 0, wrong = 0;

	if (r == -EACCES || !f) {
		ok(1, "this kernel hides its names # SKIP");
		if (f)
			fclose(f);
		return;
	}
	is_int(r, 0, "loads the running kernel's");
	while (fscanf(f, "%llx %c %511s%*[^\n]", &addr, &type, name) >= 3) {
		uint64_t start = 0;

		if (!strchr("tTwW", type) || addr < 0xffff800000000000ull)
			continue;
		checked++;
		wrong += !pa_kallsyms_find(&k, addr, &start) || start != addr;
	}
	fclose(f);
	ok(checked > 1000, "%u functions", checked);
	is_int(wrong, 0, "each found at its address");
	ok(pa_mem_used() < (size_t)12 << 20, "in %zu KiB", pa_mem_used() >> 10);
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	test_format();
	test_last();
	test_hidden();
	test_memory();
	test_running_kernel();
	pa_kallsyms_done(&k);
	unlink(path);
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
