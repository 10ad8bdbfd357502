/* SPDX-License-Identifier: Apache-2.0
 * Compiles a small loop into memory of several kinds and runs each copy for the same time. What a
 * perf map names: jit_hot, and jit_again where jit_stale was before. What none names: anonymous
 * memory and a memfd. Argument: seconds. Prints "ready" when the map is written. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES 8192

/* A frame, and a loop of a million rounds. */
static const uint8_t loop[] = {
	0x55,                         /* push %rbp */
	0x48, 0x89, 0xe5,             /* mov %rsp, %rbp */
	0xb9, 0x40, 0x42, 0x0f, 0x00, /* mov $1000000, %ecx */
	0xff, 0xc9,                   /* dec %ecx */
	0x75, 0xfc,                   /* jnz to it */
	0x5d, 0xc3,                   /* pop %rbp; ret */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint8_t *code_memory(int fd)
{
	uint8_t *code = mmap(NULL, PAGES, PROT_READ | PROT_WRITE | PROT_EXEC,
			     fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (code == MAP_FAILED)
		exit(2);
	memcpy(code, loop, sizeof(loop));
	memcpy(code + 4096, loop, sizeof(loop));
	return code;
}

static void write_map(const uint8_t *code)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	f = fopen(path, "w");
	if (!f)
		exit(2);
	fprintf(f, "%lx %zx JS:*jit_hot /srv/app/hot loop.js:12:3\n", (long)code, sizeof(loop));
	fprintf(f, "%lx 100 jit_stale\n", (long)code + 4096);
	fprintf(f, "%lx %zx jit_again\n", (long)code + 4096, sizeof(loop));
	fclose(f);
}

static __attribute__((noinline)) void run(void *const code[4], double until)
{
	while (now() < until) {
		for (int i = 0; i < 4; i++) {
			void (*f)(void);

			memcpy(&f, &code[i], sizeof(f));
			f();
		}
	}
}

int main(int argc, char **argv)
{
	const int fd = memfd_create("jitmapper", MFD_CLOEXEC);
	uint8_t *named = code_memory(-1), *apart;
	void *code[4] = {named, named + 4096};

	if (fd < 0 || ftruncate(fd, PAGES) < 0)
		return 2;
	/* A page between them, so that these are two mappings. */
	apart = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	code[2] = code_memory(-1);
	code[3] = code_memory(fd);
	write_map(named);
	puts("ready");
	fflush(stdout);
	run(code, now() + (argc > 1 ? atof(argv[1]) : 1));
	return apart == MAP_FAILED;
}
