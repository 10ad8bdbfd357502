/* SPDX-License-Identifier: Apache-2.0
 * The ring: order, bounds, stale bytes, and producers in threads and signal handlers at once. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "agent/base/ring.h"
#include "test/tap.h"

#define SIZE 4096

/* A committed header of an 8-byte record as it stands in the ring: as payload, the worst that a
 * stale byte could be taken for. */
#define FAKE_HEADER 0x0000000100000008ull

static bool put(struct pa_ring *r, uint32_t bytes, unsigned char fill)
{
	void *p = pa_ring_reserve(r, bytes);

	if (p) {
		memset(p, fill, bytes);
		pa_ring_commit(p);
	}
	return p;
}

/* The oldest record is `bytes` times `fill`. Takes it out. */
static bool take(struct pa_ring *r, uint32_t bytes, unsigned char fill)
{
	uint32_t got = 0;
	unsigned char *p = pa_ring_peek(r, &got);
	bool good = p && got == bytes && !((uintptr_t)p % 8);

	for (uint32_t i = 0; good && i < bytes; i++)
		good = p[i] == fill;
	pa_ring_pop(r);
	return good;
}

static bool empty(struct pa_ring *r)
{
	uint32_t bytes;

	return !pa_ring_peek(r, &bytes);
}

static void test_init(void)
{
	struct pa_ring r = {.size = 77};
	size_t used = pa_mem_used();

	is_int(pa_ring_init(&r, 0), -EINVAL, "size 0");
	is_int(pa_ring_init(&r, 2048), -EINVAL, "too small");
	is_int(pa_ring_init(&r, 5000), -EINVAL, "not a power of two");
	pa_mem_limit_set(used);
	is_int(pa_ring_init(&r, SIZE), -ENOMEM, "no memory");
	is_int(r.size, 77, "the ring is untouched");
	pa_mem_limit_set((size_t)64 << 20);
	is_int(pa_ring_init(&r, SIZE), 0, "init");
	ok(empty(&r), "a new ring is empty");
	pa_ring_pop(&r);
	ok(empty(&r) && put(&r, 8, 1) && take(&r, 8, 1), "pop on an empty ring does nothing");
	pa_ring_done(&r);
	is_int(pa_mem_used(), used, "done frees");
}

static void test_order(void)
{
	struct pa_ring r;
	void *a, *b;
	uint32_t bytes;

	is_int(pa_ring_init(&r, SIZE), 0, "init");
	ok(put(&r, 1, 1) && put(&r, 0, 2) && put(&r, 100, 3), "three records");
	ok(take(&r, 1, 1) && take(&r, 0, 2) && take(&r, 100, 3) && empty(&r), "come in order");
	a = pa_ring_reserve(&r, 16);
	b = pa_ring_reserve(&r, 16);
	memset(b, 5, 16);
	pa_ring_commit(b);
	ok(empty(&r), "a committed record waits for the one before it");
	pa_ring_pop(&r);
	memset(a, 4, 16);
	pa_ring_commit(a);
	ok(pa_ring_peek(&r, &bytes) == a && pa_ring_peek(&r, &bytes) == a, "peek takes nothing");
	ok(take(&r, 16, 4) && take(&r, 16, 5) && empty(&r), "then both come");
	pa_ring_done(&r);
}

static void test_full(void)
{
	struct pa_ring r;
	int n = 0;

	is_int(pa_ring_init(&r, SIZE), 0, "init");
	ok(!pa_ring_reserve(&r, SIZE / 4 + 1) && r.dropped == 1, "too large for the ring");
	ok(!pa_ring_reserve(&r, UINT32_MAX) && r.dropped == 2, "far too large");
	while (n < 1000 && put(&r, 56, (unsigned char)n))
		n++;
	is_int(n, SIZE / 64, "every byte can be used");
	is_int(r.dropped, 3, "what does not fit is counted");
	ok(take(&r, 56, 0) && put(&r, 56, 100) && !put(&r, 0, 0), "room for as much as was taken");
	for (int i = 1; i < n; i++)
		take(&r, 56, (unsigned char)i);
	ok(take(&r, 56, 100) && empty(&r), "empties");
	pa_ring_done(&r);
}

/* All lengths at all offsets: records never wrap, whatever must be skipped at the end. */
static void test_wrap(void)
{
	struct pa_ring r;
	bool good = true;

	is_int(pa_ring_init(&r, SIZE), 0, "init");
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t bytes = i * 37 % (SIZE / 4 + 1);

		good = good && put(&r, bytes, (unsigned char)i);
		if (i)
			good = good &&
			       take(&r, (i - 1) * 37 % (SIZE / 4 + 1), (unsigned char)(i - 1));
	}
	ok(good, "20000 records of all lengths, two at a time");
	is_int(r.dropped, 0, "none dropped");
	pa_ring_done(&r);
}

/* What earlier laps left behind must never pass for a committed header. */
static void test_stale(void)
{
	struct pa_ring r;
	bool good = true;

	is_int(pa_ring_init(&r, SIZE), 0, "init");
	for (uint32_t lap = 0; lap < 500; lap++) {
		uint64_t *p = pa_ring_reserve(&r, 8 * (1 + lap % 60));
		void *open;

		for (uint32_t i = 0; p && i < 1 + lap % 60; i++)
			p[i] = FAKE_HEADER;
		good = good && p;
		pa_ring_commit(p);
		pa_ring_pop(&r);
		good = good && empty(&r);
		open = pa_ring_reserve(&r, 8 * (lap % 3));
		good = good && open && empty(&r);
		pa_ring_commit(open);
		pa_ring_pop(&r);
		/* Behind a skipped end, too. */
		good = good && empty(&r);
	}
	ok(good, "old payload is never read as a record");
	pa_ring_done(&r);
}

/* The host overwrote a header: nothing past the ring is read or cleared. */
static void test_scribbled(void)
{
	struct pa_ring r;
	uint32_t *header;

	is_int(pa_ring_init(&r, SIZE), 0, "init");
	put(&r, 16, 1);
	header = (uint32_t *)(void *)r.data;
	header[0] = UINT32_MAX;
	ok(empty(&r), "an impossible length is no record");
	pa_ring_pop(&r);
	is_int(r.tail, 0, "and is not taken out");
	while (put(&r, 1000, 2))
		;
	ok(r.dropped > 0, "the ring fills up and counts");
	pa_ring_done(&r);
}

/* Each producer writes records {stream, sequence, words...}; a thread and the handler that
 * interrupts it are two streams. */
enum { THREADS = 3, STREAMS = 2 * THREADS, RECORDS = 100000, MAX_WORDS = 60 };

static struct pa_ring ring;
static _Atomic uint64_t produced[STREAMS], refused;
static _Atomic bool done;
static _Atomic int ended;
static uint64_t deadline;
static pthread_t threads[THREADS];
static PA_TLS int self;

static uint64_t word_of(uint64_t stream, uint64_t seq, uint64_t i)
{
	return i % 2 ? FAKE_HEADER : pa_hash_mix(stream << 56 ^ seq << 8 ^ i);
}

static bool produce(unsigned stream, bool dawdle)
{
	uint64_t seq = produced[stream];
	uint32_t words = (uint32_t)(2 + pa_hash_mix(seq ^ stream) % (MAX_WORDS - 2));
	uint64_t *p = pa_ring_reserve(&ring, words * 8);

	if (!p) {
		refused++;
		return false;
	}
	p[0] = stream;
	p[1] = seq;
	for (uint32_t i = 2; i < words; i++)
		p[i] = word_of(stream, seq, i);
	if (dawdle)
		sched_yield();
	pa_ring_commit(p);
	produced[stream] = seq + 1;
	return true;
}

static void on_signal(int sig)
{
	(void)sig;
	produce((unsigned)(THREADS + self), false);
}

static void *producer(void *arg)
{
	self = (int)(intptr_t)arg;
	for (int i = 0; i < RECORDS && pa_clock_mono() < deadline; i++) {
		while (!produce((unsigned)self, i % 64 == 0) && pa_clock_mono() < deadline)
			sched_yield();
	}
	ended++;
	return NULL;
}

static void *pester(void *arg)
{
	for (int i = 0; !done; i++) {
		pthread_kill(threads[i % THREADS], SIGUSR1);
		sched_yield();
	}
	return arg;
}

static void consume_one(const uint64_t *p, uint32_t bytes, uint64_t *next, bool *whole,
			bool *in_order)
{
	uint32_t words = bytes / 8;
	uint64_t stream = words >= 2 ? p[0] : STREAMS;

	if (stream >= STREAMS || words != 2 + pa_hash_mix(p[1] ^ stream) % (MAX_WORDS - 2)) {
		*whole = false;
		return;
	}
	*in_order = *in_order && p[1] == next[stream];
	next[stream] = p[1] + 1;
	for (uint32_t i = 2; i < words; i++)
		*whole = *whole && p[i] == word_of(stream, p[1], i);
}

/* Reads until all producers have ended and nothing is left. */
static void *consumer(void *arg)
{
	uint64_t *next = arg;
	static bool verdict[2] = {true, true};

	for (;;) {
		bool last = done;
		uint32_t bytes;
		void *p = pa_ring_peek(&ring, &bytes);

		if (p) {
			consume_one(p, bytes, next, &verdict[0], &verdict[1]);
			pa_ring_pop(&ring);
		} else if (last) {
			return verdict;
		} else {
			sched_yield();
		}
	}
}

static void test_stress(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	uint64_t next[STREAMS] = {0};
	pthread_t reader, sender;
	bool counts = true;
	void *verdict;

	is_int(pa_ring_init(&ring, 2 * SIZE), 0, "init");
	deadline = pa_clock_mono() + 20 * PA_NS_PER_S;
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&reader, NULL, consumer, next);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, producer, (void *)(intptr_t)i);
	/* A producer that has ended, but is not joined, may be signalled still. */
	pthread_create(&sender, NULL, pester, NULL);
	while (ended < THREADS)
		sched_yield();
	done = true;
	pthread_join(sender, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(reader, &verdict);
	/* A handler may have run after the reader saw the end. */
	for (uint32_t bytes, *p; (p = pa_ring_peek(&ring, &bytes)); pa_ring_pop(&ring))
		consume_one((const uint64_t *)(const void *)p, bytes, next, verdict,
			    (bool *)verdict + 1);
	ok(pa_clock_mono() < deadline, "nobody is stuck");
	ok(((bool *)verdict)[0], "records come whole");
	ok(((bool *)verdict)[1], "and in order, none missing, none twice");
	for (int i = 0; i < STREAMS; i++)
		counts = counts && next[i] == produced[i];
	ok(counts, "all that was committed was read");
	ok(produced[THREADS] + produced[THREADS + 1] + produced[THREADS + 2] > 0,
	   "signal handlers took part");
	is_int(ring.dropped, refused, "every refusal was counted");
	pa_ring_done(&ring);
}

int main(void)
{
	test_init();
	test_order();
	test_full();
	test_wrap();
	test_stale();
	test_scribbled();
	test_stress();
	return tap_done();
}
