/* SPDX-License-Identifier: Apache-2.0
 * Prints "name address" for functions of each kind, an empty line, and its /proc/self/maps. The
 * symbol tests build it with every layout that linkers know, and as a plugin (-shared), of which
 * -DSECOND makes another version: the same code under other names. */
#include <stdio.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, used))

#ifdef SECOND
#define NAME(n) second_##n
#else
#define NAME(n) probe_##n
#endif

int NAME(global)(int n);
int NAME(weak)(int n);
int NAME(global_alias)(int n);
int NAME(asm)(void);
int NAME(far)(int n);

NOINLINE static int NAME(local)(int n)
{
	return n * 3 + 1;
}

NOINLINE int NAME(global)(int n)
{
	return NAME(local)(n) + 2;
}

int NAME(global_alias)(int n) __attribute__((alias(
#ifdef SECOND
	"second_global"
#else
	"probe_global"
#endif
	)));

__attribute__((weak)) NOINLINE int NAME(weak)(int n)
{
	return n + 7;
}

/* Pages away from the others, so that text can be split between them. */
__attribute__((aligned(8192))) NOINLINE int NAME(far)(int n)
{
	return NAME(global)(n) * 5;
}

#ifdef SECOND
#define ASM_FUNCTION "second_asm"
#else
#define ASM_FUNCTION "probe_asm"
#endif

/* Neither type nor size, as in much handwritten assembler. */
__asm__(".text\n\t.globl " ASM_FUNCTION "\n" ASM_FUNCTION ":\n\tnop\n\tret\n");

int main(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");

	printf("probe_local %lx\n", (unsigned long)&NAME(local));
	printf("probe_global %lx\n", (unsigned long)&NAME(global));
	printf("probe_weak %lx\n", (unsigned long)&NAME(weak));
	printf("probe_far %lx\n", (unsigned long)&NAME(far));
	printf("probe_asm %lx\n", (unsigned long)&NAME(asm));
	printf("main %lx\n\n", (unsigned long)&main);
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	return f ? 0 : 1;
}
