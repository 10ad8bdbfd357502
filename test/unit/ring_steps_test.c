/* SPDX-License-Identifier: Apache-2.0
 * The ring, interrupted everywhere: one side runs in single steps (x86 trap flag), and between
 * two of its instructions the other side runs. All such points are tried. */
#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

#include "agent/base/compiler.h"
#include "agent/base/ring.h"
#include "test/tap.h"

#if defined(__x86_64__)

enum { SIZE = 4096, BYTES = 56, SLOTS = SIZE / 64 };

/* A committed header as it stands in the ring: the worst that payload can be. */
#define FAKE_HEADER (0x0000000100000000ull + BYTES)

static struct pa_ring ring;
static uint64_t written, read_back; /* records so far; each carries its number */
static unsigned char seen[2 * SLOTS];
static bool whole, in_order;

static void (*volatile action)(void);
static volatile long target, steps;

/* Without the flag in the saved context, the rest runs at full speed. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (steps++ != target)
		return;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
	action();
}

/* Both skip the red zone, where the compiler may keep variables. */
static inline void steps_on(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq;"
			 "lea 128(%%rsp), %%rsp" ::
				 : "cc", "memory");
}

static inline void steps_off(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq;"
			 "lea 128(%%rsp), %%rsp" ::
				 : "cc", "memory");
}

static void fill(uint64_t *p)
{
	p[0] = written++;
	for (int i = 1; i < BYTES / 8; i++)
		p[i] = FAKE_HEADER;
}

static void check(const uint64_t *p, uint32_t bytes)
{
	whole = whole && bytes == BYTES && p[0] < sizeof(seen);
	for (int i = 1; i < BYTES / 8; i++)
		whole = whole && p[i] == FAKE_HEADER;
	in_order = in_order && p[0] == read_back;
	read_back++;
	seen[p[0] % sizeof(seen)]++;
}

static void write_one(void)
{
	uint64_t *p = pa_ring_reserve(&ring, BYTES);

	if (!p)
		return;
	fill(p);
	pa_ring_commit(p);
}

static void read_all(void)
{
	uint32_t bytes;
	uint64_t *p;

	/* Bounded: a broken ring may never be empty. */
	while (read_back < 2 * sizeof(seen) && (p = pa_ring_peek(&ring, &bytes))) {
		check(p, bytes);
		pa_ring_pop(&ring);
	}
}

static void write_in_steps(void)
{
	uint64_t *p;

	steps_on();
	p = pa_ring_reserve(&ring, BYTES);
	steps_off();
	if (!p)
		return;
	fill(p);
	steps_on();
	pa_ring_commit(p);
	steps_off();
}

static void read_in_steps(void)
{
	uint32_t bytes;
	uint64_t *p;

	steps_on();
	p = pa_ring_peek(&ring, &bytes);
	steps_off();
	if (!p)
		return;
	check(p, bytes);
	steps_on();
	pa_ring_pop(&ring);
	steps_off();
}

/* A ring with `filled` records, the first one at `offset` of the data. */
static void prepare(uint32_t offset, int filled)
{
	written = read_back = 0;
	memset(seen, 0, sizeof(seen));
	ring.head = ring.tail = SIZE + offset;
	ring.dropped = 0;
	memset(ring.data, 0, SIZE);
	for (int i = 0; i < filled; i++)
		write_one();
}

static bool each_once(void)
{
	for (uint64_t i = 0; i < written; i++) {
		if (seen[i] != 1)
			return false;
	}
	return read_back == written && ring.tail == ring.head;
}

/* Runs `stepped` once for each of its instructions with `between` in front of it. */
static void interrupt_everywhere(const char *name, void (*stepped)(void), void (*between)(void),
				 uint32_t offset, int filled)
{
	bool all_read = true;
	uint64_t most = 0;
	long points = 0;

	whole = in_order = true;
	action = between;
	for (target = 0;; target++) {
		prepare(offset, filled);
		steps = 0;
		stepped();
		if (steps <= target)
			break;
		points++;
		read_all();
		all_read = all_read && each_once();
		most = PA_MAX(most, written);
	}
	ok(points > 10, "%s: %ld points", name, points);
	ok(whole, "%s: records are whole", name);
	/* A nested writer may get its number first. */
	ok(in_order || (stepped == write_in_steps && between == write_one), "%s: and in order",
	   name);
	ok(all_read, "%s: each is read once", name);
	ok(most > 0, "%s: up to %d of them", name, (int)most);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &sa, NULL);
	if (pa_ring_init(&ring, SIZE) < 0)
		return 1;
	interrupt_everywhere("read full, write", read_in_steps, write_one, 0, SLOTS);
	interrupt_everywhere("read full across the end, write", read_in_steps, write_one, SIZE - 32,
			     SLOTS - 1);
	interrupt_everywhere("read none, write", read_in_steps, write_one, 64, 0);
	interrupt_everywhere("write first, read", write_in_steps, read_all, 64, 0);
	interrupt_everywhere("write when full, read", write_in_steps, read_all, 0, SLOTS);
	interrupt_everywhere("write across the end, read", write_in_steps, read_all, SIZE - 32, 0);
	interrupt_everywhere("write first, write", write_in_steps, write_one, 64, 0);
	interrupt_everywhere("write across the end, write", write_in_steps, write_one, SIZE - 32,
			     0);
	pa_ring_done(&ring);
	return tap_done();
}

#else

int main(void)
{
	tap_skip_all("single steps are implemented for x86-64");
}

#endif
