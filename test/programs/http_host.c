/* SPDX-License-Identifier: Apache-2.0
 * A program that does nothing but exist, for tests of the endpoints: prints the address of a
 * function of its own, then sleeps until it is ended. With TITLE in the environment it writes that
 * over its arguments, as setproctitle does; with LEAVE its main thread ends and another stays. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int http_host_marker(int x);

__attribute__((noinline)) int http_host_marker(int x)
{
	return x * 3 + 1;
}

static void set_title(char **argv, const char *title)
{
	char *end = argv[0];

	for (char **a = argv; *a; a++)
		end = *a + strlen(*a) + 1;
	memset(argv[0], 0, (size_t)(end - argv[0]));
	strncpy(argv[0], title, (size_t)(end - argv[0]) - 1);
}

static void *stay(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argc;
	printf("0x%lx\n", (unsigned long)(uintptr_t)http_host_marker + (http_host_marker(0) == 0));
	fflush(stdout);
	if (getenv("TITLE"))
		set_title(argv, getenv("TITLE"));
	if (getenv("LEAVE")) {
		if (pthread_create(&thread, NULL, stay, NULL))
			return 1;
		pthread_exit(NULL);
	}
	stay(NULL);
}
