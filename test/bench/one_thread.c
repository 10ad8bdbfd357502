/* SPDX-License-Identifier: Apache-2.0
 * one_thread COUNT FILE: the worst case of a process that stops being single-threaded: getc and
 * malloc with free, which libc does without atomic operations as long as there is one thread. */
#include "test/bench/bench.h"

int main(int argc, char **argv)
{
	long count = argc > 1 ? number(argv[1], 1000000000) : 1;
	FILE *f = argc > 2 ? fopen(argv[2], "r") : NULL;
	unsigned sum = 0;

	if (!f) {
		perror("one_thread: FILE");
		return 1;
	}
	for (long i = 0; i < count; i++) {
		char *p = malloc(16 + (size_t)(i & 63));
		int c = getc(f);

		if (c == EOF)
			rewind(f);
		if (p)
			*(volatile char *)p = (char)c;
		sum += (unsigned)c;
		free(p);
	}
	printf("%u\n", sum);
	fclose(f);
	return 0;
}
