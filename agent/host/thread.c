/* SPDX-License-Identifier: Apache-2.0
 * The table of host threads: slots in chunks that are mapped when first needed and never
 * unmapped, so that a pointer to a slot stays valid in any signal handler. */
#include "agent/host/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/host/thread_table.h"
#include "agent/host/tid.h"

static struct {
	_Atomic bool active;
	struct pa_thread_events events;
	pthread_key_t exit_key;
	_Atomic uint32_t limit;     /* slots handed out at least once */
	_Atomic uint64_t free_list; /* tag << 32 | index + 1; the tag defeats ABA */
	_Atomic uint64_t seen, dropped;
} table;

static PA_TLS struct pa_thread *self_slot;
static PA_TLS bool self_sandboxed;

bool pa_threads_active(void)
{
	return atomic_load_explicit(&table.active, memory_order_acquire);
}

uint32_t pa_threads_limit(void)
{
	return PA_MIN(atomic_load(&table.limit), (uint32_t)PA_THREADS_MAX);
}

uint64_t pa_threads_dropped(void)
{
	return atomic_load(&table.dropped);
}

uint64_t pa_threads_seen(void)
{
	return atomic_load(&table.seen);
}

/* The chunk's slots, mapped on first use; a loser of the race gives its pages back. */
static struct pa_thread *chunk_get(uint32_t chunk)
{
	struct pa_thread *slots =
		atomic_load_explicit(&pa_thread_chunks[chunk], memory_order_acquire);
	struct pa_thread *expected = NULL;

	if (slots)
		return slots;
	if (self_sandboxed)
		return NULL; /* mmap may be forbidden */
	slots = pa_pages_alloc(PA_THREAD_CHUNK * sizeof(*slots));
	if (!slots)
		return NULL;
	if (atomic_compare_exchange_strong(&pa_thread_chunks[chunk], &expected, slots))
		return slots;
	pa_pages_free(slots, PA_THREAD_CHUNK * sizeof(*slots));
	return expected;
}

static struct pa_thread *free_list_pop(void)
{
	uint64_t head = atomic_load(&table.free_list);

	while ((uint32_t)head) {
		struct pa_thread *t = pa_thread_slot((uint32_t)head - 1);
		uint64_t next = ((head >> 32) + 1) << 32 | atomic_load(&t->next_free);

		if (atomic_compare_exchange_weak(&table.free_list, &head, next))
			return t;
	}
	return NULL;
}

static void free_list_push(struct pa_thread *t)
{
	uint64_t head = atomic_load(&table.free_list), next;

	do {
		atomic_store(&t->next_free, (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | (t->index + 1);
	} while (!atomic_compare_exchange_weak(&table.free_list, &head, next));
}

static struct pa_thread *slot_fresh(void)
{
	uint32_t i = atomic_load(&table.limit);
	struct pa_thread *slots;

	do {
		if (i >= PA_THREADS_MAX)
			return NULL;
		if (!chunk_get(i / PA_THREAD_CHUNK))
			return NULL;
	} while (!atomic_compare_exchange_weak(&table.limit, &i, i + 1));
	slots = chunk_get(i / PA_THREAD_CHUNK);
	slots[i % PA_THREAD_CHUNK].index = i;
	return &slots[i % PA_THREAD_CHUNK];
}

struct pa_thread *pa_thread_claim(pid_t tid, uint32_t state, uintptr_t stack_end, size_t stack_size,
				  uint64_t start_routine)
{
	struct pa_thread *t = free_list_pop();

	if (!t)
		t = slot_fresh();
	if (!t) {
		atomic_fetch_add(&table.dropped, 1);
		return NULL;
	}
	t->stack_end = stack_end;
	t->stack_low = stack_size && stack_size < stack_end ? stack_end - stack_size : 0;
	t->start_routine = start_routine;
	atomic_store(&t->cpu_reason, 0);
	atomic_store(&t->cpu_window, 0);
	atomic_store(&t->sandboxed, 0);
	atomic_store(&t->small_stack, 0);
	atomic_store(&t->tid, tid);
	atomic_store(&t->state, state);
	atomic_fetch_add(&table.seen, 1);
	return t;
}

bool pa_thread_release(struct pa_thread *t, uint32_t state)
{
	if (!atomic_compare_exchange_strong(&t->state, &state, PA_THREAD_FREE))
		return false;
	atomic_store(&t->tid, 0);
	atomic_fetch_add(&t->generation, 1);
	free_list_push(t);
	if (state == PA_THREAD_HOOKED)
		pa_thread_alive_add(-1);
	return true;
}

struct pa_thread *pa_thread_find(pid_t tid, uint32_t state)
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t && atomic_load(&t->tid) == tid && atomic_load(&t->state) == state)
			return t;
	}
	return NULL;
}

/* The scan may have met this thread in /proc before it came here and given it a slot, perhaps
 * with a timer. Both sides publish their slot before they look for the other's (all accesses
 * seq_cst), so at least one of them sees both; the compare-and-swap on the scanned slot's state
 * decides which of the two stays. */
static struct pa_thread *adopt_scanned(struct pa_thread *mine, pid_t tid)
{
	struct pa_thread *other;
	uint32_t state = PA_THREAD_SCANNED;

	if (!pa_thread_scanned_count())
		return mine;
	other = pa_thread_find(tid, PA_THREAD_SCANNED);
	if (!other || !atomic_compare_exchange_strong(&other->state, &state, PA_THREAD_HOOKED))
		return mine;
	other->stack_low = mine->stack_low;
	other->start_routine = mine->start_routine;
	other->stack_end = mine->stack_end;
	pa_thread_scanned_add(-1);
	pa_thread_alive_add(1);
	pa_thread_release(mine, PA_THREAD_HOOKED);
	return other;
}

void pa_thread_enter(uintptr_t stack_end, size_t stack_size, uint64_t start_routine, bool sandboxed)
{
	pid_t tid = pa_tid_self();
	int saved = errno;
	struct pa_thread *t;

	self_sandboxed = sandboxed;
	t = pa_thread_claim(tid, PA_THREAD_HOOKED, stack_end, stack_size, start_routine);

	if (!t)
		return;
	pa_thread_alive_add(1);
	t = adopt_scanned(t, tid);
	self_slot = t;
	/* The value makes the exit destructor run, also after pthread_exit and cancellation.
	 * Where it cannot be set, the scan notices the exit. */
	(void)pthread_setspecific(table.exit_key, t);
	atomic_store(&t->sandboxed, sandboxed);
	if (!sandboxed)
		table.events.start(t);
	errno = saved;
}

bool pa_thread_sandboxed(void)
{
	return self_sandboxed || (self_slot && atomic_load(&self_slot->sandboxed));
}

static void sandbox(struct pa_thread *t)
{
	if (!atomic_exchange(&t->sandboxed, 1))
		table.events.sandbox(t);
}

/* An agent that does not end in time is left to its fate. */
static void stop_agent(void)
{
	static _Atomic uint32_t never;
	uint64_t until = pa_clock_mono() + 2 * PA_NS_PER_S;

	table.events.stop();
	while (pa_thread_agents_any() && pa_clock_mono() < until)
		pa_futex_wait(&never, 0, PA_NS_PER_MS);
}

bool pa_thread_sandbox_enter(bool all)
{
	bool before = self_sandboxed;
	int saved = errno;

	if (all && !before)
		stop_agent();

	self_sandboxed = true;
	if (self_slot)
		sandbox(self_slot);
	for (uint32_t i = 0, n = all ? pa_threads_limit() : 0; i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t && atomic_load(&t->tid))
			sandbox(t);
	}
	errno = saved;
	return before;
}

/* Others that were marked for the sake of this one stay so: they just go unsampled. */
void pa_thread_sandbox_failed(bool before)
{
	self_sandboxed = before;
	if (self_slot)
		atomic_store(&self_slot->sandboxed, before);
}

void pa_thread_small_stack(bool small)
{
	int saved = errno;

	if (self_slot && !atomic_exchange(&self_slot->small_stack, small) && small)
		table.events.sandbox(self_slot);
	errno = saved;
}

static void thread_exit(void *slot)
{
	struct pa_thread *t = slot;
	int saved = errno;

	if (t != self_slot)
		return;
	if (!pa_thread_sandboxed())
		table.events.exit(t);
	self_slot = NULL;
	pa_thread_release(t, PA_THREAD_HOOKED);
	errno = saved;
}

/* The main stack grows down to its limit as it was at exec; a larger one, or none, is taken as
 * 64 MiB: a deeper stack pointer is treated as lying on no known stack, which is safe. */
static size_t main_stack_size(void)
{
	const size_t most = 64u << 20;
	struct rlimit lim;

	if (getrlimit(RLIMIT_STACK, &lim) || lim.rlim_cur > most)
		return most;
	return lim.rlim_cur;
}

int pa_threads_init(const struct pa_thread_events *events)
{
	extern void *__libc_stack_end; /* ld.so: where the kernel put argc */
	int err = pthread_key_create(&table.exit_key, thread_exit);

	if (err)
		return -err;
	pa_tid_init();
	table.events = *events;
	self_slot = pa_thread_claim(pa_tid_self(), PA_THREAD_HOOKED, (uintptr_t)__libc_stack_end,
				    main_stack_size(), 0);
	if (self_slot)
		(void)pthread_setspecific(table.exit_key, self_slot);
	if (!self_slot)
		return -ENOMEM;
	pa_thread_alive_add(1);
	atomic_store_explicit(&table.active, true, memory_order_release);
	return 0;
}

void pa_threads_fork_child(void)
{
	struct pa_thread *mine = self_slot;

	if (!pa_threads_active())
		return;
	atomic_store(&table.free_list, 0);
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (!t)
			continue;
		t->index = i; /* its owner may have been about to */
		atomic_store(&t->cpu_handling, 0);
		atomic_store(&t->cpu_timer, 0); /* timers are not inherited: fork(2) */
		atomic_fetch_add(&t->generation, 1);
		if (t == mine)
			continue;
		atomic_store(&t->state, PA_THREAD_FREE);
		atomic_store(&t->tid, 0);
		free_list_push(t);
	}
	if (mine)
		atomic_store(&mine->tid, (pid_t)syscall(SYS_gettid));
	pa_tid_fork_child();
	pa_thread_end_fork_child(mine ? 1 : 0);
	pa_thread_scan_fork_child();
	pa_thread_agent_fork_child();
}
