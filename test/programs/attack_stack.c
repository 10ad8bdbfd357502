/* SPDX-License-Identifier: Apache-2.0
 * Stack pointers that a sampling handler must not follow. Each way survives on its own, and must
 * with the agent: attack_stack HOW [thread] */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "test/programs/host.h"

#define PAGE   4096
#define RUN_NS 1200000000u

static uint64_t until;

static bool time_left(void)
{
	return host_clock(CLOCK_MONOTONIC) < until;
}

static char *pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(10);
	return p;
}

static void alternate_stack(void *at, size_t size)
{
	stack_t stack = {.ss_sp = at, .ss_size = size};

	if (sigaltstack(&stack, NULL))
		exit(11);
}

/* A thread that has run into its guard page and spends CPU time in the handler of SIGSEGV. */

static sigjmp_buf back;
static volatile unsigned faults;

static void on_fault(int signo)
{
	(void)signo;
	faults++;
	host_burn(150);
	siglongjmp(back, 1);
}

NOINLINE static uint64_t recurse_small(uint64_t n)
{
	volatile char pad[300];

	pad[n % sizeof(pad)] = 1;
	return n ? recurse_small(n + 1) + (uint64_t)pad[0] : 0;
}

NOINLINE static uint64_t recurse_large(uint64_t n)
{
	volatile char pad[6000];

	pad[n % sizeof(pad)] = 1;
	return n ? recurse_large(n + 1) + (uint64_t)pad[0] : 0;
}

/* Without a row for the unwinder: "sub $0xc00, %rsp; mov %rax, (%rsp); jmp" back. */
static void *generated(void)
{
	static const unsigned char code[] = {0x48, 0x81, 0xec, 0x00, 0x0c, 0x00, 0x00,
					     0x48, 0x89, 0x04, 0x24, 0xeb, 0xf3};
	char *p = pages(1);

	memcpy(p, code, sizeof(code));
	mprotect(p, PAGE, PROT_READ | PROT_EXEC);
	return p;
}

static void overflow(void)
{
	struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
	void (*jit)(void);
	void *code = generated();

	memcpy(&jit, &code, sizeof(jit));
	alternate_stack(pages(16), 16 * PAGE);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	while (faults < 6) {
		if (sigsetjmp(back, 1))
			continue;
		if (faults % 3 == 0)
			recurse_small(1);
		else if (faults % 3 == 1)
			recurse_large(1);
		else
			jit();
	}
	printf("overflows %u\n", faults);
}

/* Guard pages of its own inside the stack, as some coroutine libraries put there. */
NOINLINE static void holes(void)
{
	char room[16 * PAGE];
	char *hole = (char *)(((uintptr_t)room + 2 * PAGE) & ~(uintptr_t)(PAGE - 1));

	mprotect(hole, 2 * PAGE, PROT_NONE);
	while (time_left())
		host_spin(20000);
	mprotect(hole, 2 * PAGE, PROT_READ | PROT_WRITE);
}

/* An alternate stack of the classic minimum, in the middle of data. */
static void tiny(void)
{
	enum { BEFORE = 8192, SIZE = 2048 };
	static char data[3 * 8192] __attribute__((aligned(64)));
	unsigned changed = 0;

	memset(data, 'd', sizeof(data));
	alternate_stack(data + BEFORE, SIZE);
	while (time_left())
		host_spin(20000);
	for (size_t i = 0; i < sizeof(data); i++)
		changed += data[i] != 'd' && (i < BEFORE || i >= BEFORE + SIZE);
	printf("bytes changed around the alternate stack: %u\n", changed);
}

/* Registers that point nowhere, with and without rules for the unwinder. */

__asm__(".text\n"
	"spin_with_rule:\n"
	".cfi_startproc\n"
	"	mov	%rsp, %r8\n"
	"	mov	%rdi, %rsp\n"
	"1:	dec	%rsi\n"
	"	jnz	1b\n"
	"	mov	%r8, %rsp\n"
	"	ret\n"
	".cfi_endproc\n"
	"spin_without_rule:\n"
	"	mov	%rsp, %r8\n"
	"	mov	%rbp, %r9\n"
	"	mov	%rdi, %rsp\n"
	"	mov	%rdx, %rbp\n"
	"1:	dec	%rsi\n"
	"	jnz	1b\n"
	"	mov	%r9, %rbp\n"
	"	mov	%r8, %rsp\n"
	"	ret\n");
void spin_with_rule(uint64_t sp, uint64_t rounds);
void spin_without_rule(uint64_t sp, uint64_t rounds, uint64_t fp);

#define VALUES 20
static uint64_t values[VALUES];

static void values_fill(void)
{
	uint64_t here = (uintptr_t)__builtin_frame_address(0);
	char *page = pages(3) + PAGE; /* one page between two that cannot be read */
	const uint64_t v[VALUES] = {0,
				    8,
				    (uint64_t)-8,
				    (uint64_t)-1,
				    PAGE,
				    0x8000000000000000u,
				    0x0000800000000000u,
				    0x00007ffffffff000u,
				    (uintptr_t)page,
				    (uintptr_t)page + PAGE / 2,
				    (uintptr_t)page + PAGE - 8,
				    (uintptr_t)page + PAGE,
				    (uintptr_t)page - PAGE,
				    (uintptr_t)page + 2047,
				    (uintptr_t)spin_with_rule,
				    here - 65536,
				    here - (7u << 20),
				    here - (9u << 20),
				    here + 65536,
				    here + 1};

	mprotect(page - PAGE, PAGE, PROT_NONE);
	mprotect(page + PAGE, PAGE, PROT_NONE);
	memcpy(values, v, sizeof(values));
}

static void registers(void)
{
	alternate_stack(pages(16), 16 * PAGE);
	values_fill();
	for (unsigned i = 0; time_left(); i++) {
		spin_with_rule(values[i % VALUES], 3000000);
		spin_without_rule(values[i % VALUES], 3000000, values[i / VALUES % VALUES]);
	}
}

/* What looks like the frame of a signal handler, but leads anywhere. */

static uint64_t trampoline(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} now = {0};
	struct sigaction act = {.sa_handler = on_fault};

	sigaction(SIGUSR2, &act, NULL);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, &now, sizeof(now.mask));
	return (uintptr_t)now.restorer;
}

static void forged(void)
{
	uint64_t frame[512] __attribute__((aligned(16))) = {0};
	uint64_t loop = (uintptr_t)spin_with_rule + 8;
	ucontext_t *uc = (ucontext_t *)&frame[1];

	frame[0] = trampoline();
	alternate_stack(pages(16), 16 * PAGE);
	values_fill();
	for (unsigned i = 0; time_left(); i++) {
		greg_t *regs = uc->uc_mcontext.gregs;

		regs[REG_RSP] = (greg_t)(i % 5 ? values[i % VALUES] : (uintptr_t)frame);
		regs[REG_RBP] = (greg_t)values[i / 7 % VALUES];
		regs[REG_RIP] = (greg_t)(i % 3 ? loop : values[i / 3 % VALUES]);
		spin_with_rule((uintptr_t)frame, 3000000);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{"overflow", overflow},   {"holes", holes},   {"tiny", tiny},
	{"registers", registers}, {"forged", forged},
};

static void *run(void *name)
{
	until = host_clock(CLOCK_MONOTONIC) + RUN_NS;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!strcmp(ways[i].name, name)) {
			ways[i].run();
			puts("survived");
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2)
		return 2;
	host_wait_file("HOST_GO");
	if (argc < 3) {
		run(argv[1]);
		return 0;
	}
	if (pthread_create(&thread, NULL, run, argv[1]))
		return 3;
	pthread_join(thread, NULL);
	return 0;
}
