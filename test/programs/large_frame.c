/* SPDX-License-Identifier: Apache-2.0
 * Uses CPU time in a function whose caller has a frame of 48 KiB, most of its pages never touched:
 * in the main thread and in another one. Argument: seconds. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define FRAME (48u << 10)

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double end;

static __attribute__((noinline)) void frame_burn(volatile uint8_t *array, double until)
{
	while (now() < until) {
		for (unsigned i = 0; i < 100000; i++)
			array[0] += (uint8_t)i;
	}
}

static __attribute__((noinline)) void frame_large(double until)
{
	volatile uint8_t array[FRAME];

	array[0] = 1;
	frame_burn(array, until);
	array[FRAME - 1] = array[0];
}

static void *frame_thread(void *until)
{
	frame_large(*(double *)until);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;

	end = now() + (argc > 1 ? atof(argv[1]) : 1);
	if (pthread_create(&t, NULL, frame_thread, &end))
		return 1;
	frame_large(end);
	return pthread_join(t, NULL) ? 1 : 0;
}
