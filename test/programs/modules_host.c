/* SPDX-License-Identifier: Apache-2.0
 * Loads, uses and unloads code as it is told:
 *
 *	open:FILE      dlopen
 *	again:FILE     dlopen, at the address of the one before or else: exit status 7
 *	dlmopen:FILE   into a namespace of its own
 *	memfd:FILE     dlopen of a copy in memory
 *	map:FILE       as a program's own loader would: mmap of each segment, relative relocations
 *	jit            a loop in anonymous memory, where the one closed last was
 *	burn:MS        CPU time in what was opened last
 *	close          it
 *	storm:FILE:N   opens, uses and closes it N times
 *	run:COMMAND    system(3)
 *	chroot:DIR     and gives up its privileges
 *	wait:FILE      until that is there
 *	hold           until it is killed
 *
 * Prints what it has done, with addresses, and at last "done". */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "test/programs/host.h"

typedef void (*burn_fn)(unsigned long);

#define PAGE 4096ul

static struct {
	void *handle;
	uintptr_t base;
	size_t size;
	burn_fn burn;
} last;

static int fail(const char *what, const char *arg)
{
	printf("%s %s: %s\n", what, arg, dlerror());
	exit(3);
}

static void opened(const char *what, const char *file)
{
	printf("%s %s %#lx\n", what, file, (unsigned long)last.base);
	fflush(stdout);
}

static void take(void *handle, const char *file)
{
	struct link_map *map;

	last.handle = handle;
	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map))
		fail("open", file);
	last.base = map->l_addr;
	*(void **)&last.burn = dlsym(handle, "plugin_burn");
	if (!last.burn)
		fail("dlsym", file);
}

static void do_open(const char *file)
{
	take(dlopen(file, RTLD_NOW | RTLD_LOCAL), file);
	opened("open", file);
}

static void do_again(const char *file)
{
	const uintptr_t before = last.base;

	do_open(file);
	if (last.base != before) {
		puts("another address");
		fflush(stdout);
		exit(7);
	}
}

static void do_dlmopen(const char *file)
{
	take(dlmopen(LM_ID_NEWLM, file, RTLD_NOW | RTLD_LOCAL), file);
	opened("dlmopen", file);
}

static void do_memfd(const char *file)
{
	static char bytes[1 << 20], path[64];
	int from = open(file, O_RDONLY | O_CLOEXEC), fd = memfd_create("plugin", MFD_CLOEXEC);
	ssize_t len = read(from, bytes, sizeof(bytes));

	if (len <= 0 || write(fd, bytes, (size_t)len) != len)
		fail("memfd", file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	do_open(path);
	close(from);
	close(fd);
}

static void relocate(uintptr_t bias, const Elf64_Dyn *d)
{
	const Elf64_Rela *rela = NULL;
	size_t bytes = 0;

	for (; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_RELA)
			rela = (const void *)(bias + d->d_un.d_ptr);
		else if (d->d_tag == DT_RELASZ)
			bytes = d->d_un.d_val;
	}
	for (size_t i = 0; rela && i < bytes / sizeof(*rela); i++)
		if (ELF64_R_TYPE(rela[i].r_info) == R_X86_64_RELATIVE)
			*(uint64_t *)(bias + rela[i].r_offset) = bias + (uint64_t)rela[i].r_addend;
}

static void map_segment(int fd, const Elf64_Phdr *p, uintptr_t bias)
{
	const uintptr_t from = (bias + p->p_vaddr) & ~(PAGE - 1);
	const size_t into = p->p_vaddr & (PAGE - 1);
	int prot = PROT_READ | (p->p_flags & PF_W ? PROT_WRITE : 0) |
		   (p->p_flags & PF_X ? PROT_EXEC : 0);

	if (mmap((void *)from, p->p_filesz + into, prot, MAP_PRIVATE | MAP_FIXED, fd,
		 (off_t)(p->p_offset - into)) == MAP_FAILED)
		exit(4);
}

static void do_map(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	const size_t size = 1 << 20;
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Phdr *p;
	const Elf64_Ehdr *e;
	char head[PAGE];
	uintptr_t bias;

	if (pread(fd, head, sizeof(head), 0) != sizeof(head))
		fail("map", file);
	e = (const void *)head;
	p = (const void *)(head + e->e_phoff);
	bias = (uintptr_t)mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD)
			map_segment(fd, &p[i], bias);
		else if (p[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(bias + p[i].p_vaddr);
	}
	if (dynamic)
		relocate(bias, dynamic);
	close(fd);
	last.handle = NULL;
	last.base = bias;
	last.size = size;
	last.burn = (burn_fn)(bias + e->e_entry);
	opened("map", file);
}

static void do_jit(void)
{
	static const unsigned char loop[] = {0x48, 0x89, 0xf8,  /* mov %rdi, %rax */
					     0x48, 0xff, 0xc8,  /* dec %rax */
					     0x75, 0xfb, 0xc3}; /* jne, ret */
	const uintptr_t at = last.base + PAGE;
	unsigned char *code = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (code != (void *)at)
		exit(7);
	memcpy(code + 0x100, loop, sizeof(loop));
	last.handle = NULL;
	last.base = at;
	last.size = PAGE;
	last.burn = (burn_fn)(at + 0x100);
	opened("jit", "");
}

static void do_close(void)
{
	if (last.handle)
		dlclose(last.handle);
	else
		munmap((void *)last.base, last.size);
	last.handle = NULL;
	puts("close");
	fflush(stdout);
}

static void do_burn(const char *ms)
{
	const uint64_t end = host_clock(CLOCK_THREAD_CPUTIME_ID) + strtoull(ms, NULL, 10) * 1000000;

	while (host_clock(CLOCK_THREAD_CPUTIME_ID) < end)
		last.burn(200000);
}

static void do_storm(char *arg)
{
	char *colon = strrchr(arg, ':');
	unsigned long rounds = strtoul(colon + 1, NULL, 10);

	*colon = '\0';
	for (unsigned long i = 0; i < rounds; i++) {
		take(dlopen(arg, RTLD_NOW | RTLD_LOCAL), arg);
		last.burn(1000);
		dlclose(last.handle);
	}
	printf("storm %lu\n", rounds);
	fflush(stdout);
}

static void do_chroot(const char *dir)
{
	if (chroot(dir) || chdir("/") || setgid(65534) || setuid(65534))
		exit(5);
}

static void do_run(const char *command)
{
	if (system(command))
		exit(6);
}

static void do_wait(const char *file)
{
	while (access(file, F_OK)) /* alarm(2) ends it */
		usleep(2000);
}

static bool does(const char *op, const char *name, const char **ret_arg)
{
	size_t len = strlen(name);

	*ret_arg = op + len + (op[len] == ':');
	return !strncmp(op, name, len) && (op[len] == ':' || !op[len]);
}

static void step(char *op)
{
	const char *arg;

	if (does(op, "open", &arg))
		do_open(arg);
	else if (does(op, "again", &arg))
		do_again(arg);
	else if (does(op, "dlmopen", &arg))
		do_dlmopen(arg);
	else if (does(op, "memfd", &arg))
		do_memfd(arg);
	else if (does(op, "map", &arg))
		do_map(arg);
	else if (does(op, "jit", &arg))
		do_jit();
	else if (does(op, "burn", &arg))
		do_burn(arg);
	else if (does(op, "close", &arg))
		do_close();
	else if (does(op, "storm", &arg))
		do_storm(op + 6);
	else if (does(op, "run", &arg))
		do_run(arg);
	else if (does(op, "chroot", &arg))
		do_chroot(arg);
	else if (does(op, "wait", &arg))
		do_wait(arg);
	else
		exit(2);
}

int main(int argc, char **argv)
{
	alarm(120);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "hold")) {
			puts("done");
			fflush(stdout);
			for (;;)
				pause();
		}
		step(argv[i]);
	}
	puts("done");
	return 0;
}
