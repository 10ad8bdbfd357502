/* SPDX-License-Identifier: Apache-2.0
 * Stacks that are not what they seem: alternate signal stacks, coroutines, jumps, deep frames.
 *
 *	host_stack alternate BYTES | coroutines | jumps | deep */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "test/programs/host.h"

/* With a page below that must not be touched. */
static char *stack_new(size_t size)
{
	size_t whole = 4096 + ((size + 4095) & ~(size_t)4095);
	char *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE))
		host_die("stack");
	return p + whole - size;
}

static volatile int handled;

static void burns(int signo)
{
	(void)signo;
	host_burn(120);
	handled++;
}

/* Ticks come while the thread runs normally and inside the handler, on the alternate stack. */
static void *alternate_thread(void *arg)
{
	size_t size = *(size_t *)arg;
	stack_t stack = {.ss_sp = stack_new(size), .ss_size = size}, now;

	if (sigaltstack(&stack, NULL))
		host_die("sigaltstack");
	for (int i = 0; i < 2; i++) {
		host_burn(80);
		raise(SIGUSR1);
	}
	sigaltstack(NULL, &now);
	printf("handled %d, stack %s\n", handled,
	       now.ss_sp == stack.ss_sp && now.ss_size == size && !now.ss_flags ? "as set"
										: "other");
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	return NULL;
}

static void alternate(size_t size)
{
	struct sigaction act = {.sa_handler = burns, .sa_flags = SA_ONSTACK};
	pthread_t thread;

	sigaction(SIGUSR1, &act, NULL);
	alternate_thread(&size);
	pthread_create(&thread, NULL, alternate_thread, &size);
	pthread_join(thread, NULL);
}

#define COROUTINES 8
static ucontext_t scheduler, coroutines[COROUTINES];
static uint64_t deadline, switches;
static _Atomic int finished;

static void coroutine(int number)
{
	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		host_spin(1000 + (uint64_t)number);
		switches++;
		swapcontext(&coroutines[number], &scheduler);
	}
	finished++;
}

static void run_coroutines(void)
{
	int done[COROUTINES] = {0};

	deadline = host_clock(CLOCK_MONOTONIC) + host_ms(1200) * 1000000ull;
	for (int i = 0; i < COROUTINES; i++) {
		getcontext(&coroutines[i]);
		coroutines[i].uc_stack.ss_size = 32768;
		coroutines[i].uc_stack.ss_sp = stack_new(32768);
		coroutines[i].uc_link = &scheduler;
		makecontext(&coroutines[i], (void (*)(void))(void *)coroutine, 1, i);
	}
	while (finished < COROUTINES) {
		for (int i = 0; i < COROUTINES; i++) {
			int before = finished;

			if (!done[i])
				swapcontext(&scheduler, &coroutines[i]);
			done[i] |= finished > before;
		}
	}
	printf("finished %d, switches %s\n", finished, switches > 100 ? "many" : "few");
}

static sigjmp_buf env;
static volatile int jumps;

static void jump_out(int signo)
{
	(void)signo;
	siglongjmp(env, 1);
}

NOINLINE static void down(int levels)
{
	volatile char fill[64];

	fill[0] = 1;
	if (levels)
		down(levels - 1);
	else if (jumps % 2)
		raise(SIGUSR1);
	else
		siglongjmp(env, 1);
	fill[1] = fill[0];
}

static void run_jumps(void)
{
	struct sigaction act = {.sa_handler = jump_out};

	deadline = host_clock(CLOCK_MONOTONIC) + host_ms(1200) * 1000000ull;
	sigaction(SIGUSR1, &act, NULL);
	sigsetjmp(env, 1);
	if (host_clock(CLOCK_MONOTONIC) < deadline) {
		jumps++;
		host_spin(2000);
		down(50);
	}
	printf("jumps: %s\n", jumps > 100 ? "many" : "few");
}

NOINLINE static unsigned large_frame(unsigned levels)
{
	volatile char fill[300 << 10];

	for (unsigned i = 0; i < sizeof(fill); i += 1024)
		fill[i] = (char)levels;
	if (levels)
		return large_frame(levels - 1) + (unsigned char)fill[levels * 1024];
	host_burn(20);
	return 1;
}

NOINLINE static unsigned recursion(unsigned levels)
{
	volatile unsigned below;

	if (!levels) {
		host_burn(20);
		return 0;
	}
	below = recursion(levels - 1);
	return below + 1;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	host_wait_file("HOST_GO");
	if (!strcmp(mode, "alternate")) {
		alternate(argc > 2 ? (size_t)atoi(argv[2]) : 8192);
	} else if (!strcmp(mode, "coroutines")) {
		run_coroutines();
	} else if (!strcmp(mode, "jumps")) {
		run_jumps();
	} else if (!strcmp(mode, "deep")) {
		for (int i = 0; i < 30; i++)
			printf("%u %u\n", large_frame(20), recursion(40000));
	}
	printf("end\n");
	return 0;
}
