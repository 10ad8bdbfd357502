/* SPDX-License-Identifier: Apache-2.0
 * main() for a fuzz target without libFuzzer: runs it over every file of the directories given,
 * and over a few inputs that a corpus cannot hold well (nothing, long runs of one byte). */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* On the heap, at its exact size: a sanitizer then sees every byte read past the end. */
static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
		return -errno;
	data = malloc(size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		return -EIO;
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 0;
}

static void run_bytes(int byte, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);

	if (!data)
		abort();
	memset(data, byte, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int run_directory(const char *name)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir = opendir(name);
	int count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (run_file(path)) {
			printf("# cannot read %s\n", path);
			closedir(dir);
			return -1;
		}
		count++;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {0, 1, 2, 7, 64, 4096, 100000};
	static const int bytes[] = {0, 0xff, 'A', 0x80};
	int ok = argc > 1, inputs = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		int count = run_directory(argv[i]);

		if (count <= 0)
			ok = 0;
		inputs += count;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(bytes) / sizeof(bytes[0]); j++)
			run_bytes(bytes[j], sizes[i]);
	printf("%s 1 - %d inputs of a corpus that is not empty\n1..1\n", ok ? "ok" : "not ok",
	       inputs);
	return !ok;
}
