/* SPDX-License-Identifier: Apache-2.0
 * Prints what an inactive agent must not add: threads, descriptors, sockets, signal handlers,
 * mappings that are not the library's. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include "test/programs/host.h"

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		host_die(path);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void *nothing(void *arg)
{
	return arg;
}

int main(void)
{
	pthread_t thread;
	char line[4096];
	FILE *f;

	usleep(300000);
	printf("threads %d\n", entries("/proc/self/task") - 2);
	printf("descriptors %d\n", entries("/proc/self/fd"));
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
	signal(SIGPROF, SIG_IGN);
	signal(SIGPROF, SIG_DFL);
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if ((!strncmp(line, "Sig", 3) && line[3] != 'Q') || !strncmp(line, "Threads", 7))
			printf("%s", line);
	}
	if (f)
		fclose(f);
	return 0;
}
