/* SPDX-License-Identifier: Apache-2.0
 * The journal of objects: who was where, when, and what is forgotten. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/modules_private.h"
#include "test/tap.h"

#define AT   0x7f0000000000ull
#define SIZE 0x5000ull

static uint32_t generation;

/* An object of five pages, of which the second is code, and its maps. */
struct fake {
	struct pa_module_object object;
	const char *path;
	bool deleted;
};

static struct fake fake(uint64_t lo, uint64_t identity)
{
	return (struct fake){
		.object = {.lo = lo,
			   .hi = lo + SIZE,
			   .head = lo,
			   .bias = lo,
			   .inode = 7,
			   .dev = 1,
			   .identity = identity,
			   .has_build_id = true},
		.path = "/nowhere/plugin.so",
	};
}

static struct pa_map map_of(const struct fake *f, uint64_t from, uint64_t to, bool exec)
{
	return (struct pa_map){
		.start = f->object.lo + from,
		.end = f->object.lo + to,
		.offset = from,
		.inode = f->object.inode,
		.dev = f->object.dev,
		.read = true,
		.exec = exec,
		.deleted = f->deleted,
		.path = f->path,
	};
}

static int update_at(const struct fake *f, size_t count, uint32_t at)
{
	struct pa_module_object objects[8];
	struct pa_map maps[24];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		objects[i] = f[i].object;
		maps[n++] = map_of(&f[i], 0, 0x1000, false);
		maps[n++] = map_of(&f[i], 0x1000, 0x2000, true);
		maps[n++] = map_of(&f[i], 0x2000, SIZE, false);
	}
	return pa_modules_update(maps, n, objects, count, at);
}

/* A new generation with these objects. */
static uint32_t update(const struct fake *f, size_t count)
{
	if (update_at(f, count, ++generation))
		ok(0, "an update");
	return generation;
}

static uint64_t frame(uint64_t addr, uint32_t at)
{
	pa_modules_frames(&addr, 1, at);
	return addr;
}

static struct pa_modules_stats stats(void)
{
	struct pa_modules_stats s;

	pa_modules_stats_get(&s);
	return s;
}

static void forget_all(void)
{
	update(NULL, 0);
	while (pa_modules_drop_oldest())
		;
	pa_modules_journal.others.count = 0;
}

static void test_alone(void)
{
	const struct fake f[] = {fake(AT, 1), fake(AT + 0x10000, 2)};
	uint32_t at = update(f, 2);

	ok(!pa_modules_ambiguous, "objects that are there alone need no look at frames");
	ok(frame(AT + 0x1234, at) == AT + 0x1234, "their frames are canonical");
	is_int(stats().count, 2, "both are known");
	is_int(stats().dead, 0, "and there");
	forget_all();
	is_int(stats().count, 0, "and can be forgotten");
}

static void test_overlap(void)
{
	const struct fake a = fake(AT, 1), b = fake(AT, 2), c = fake(AT + 0x2000, 3);
	const uint64_t addr = AT + 0x3456;
	uint32_t first = update(&a, 1), second = update(&b, 1), none, third, fourth, fifth;
	uint64_t of_b, of_c, of_none;

	of_b = frame(addr, second);
	ok(pa_modules_ambiguous, "two objects at one address");
	ok(frame(addr, first) == addr, "the first keeps its addresses");
	ok(pa_modules_is_alias(of_b) && (of_b & 0xffffffff) == 0x3456,
	   "the second moves as a whole");
	third = update(&a, 1);
	ok(frame(addr, third) == addr, "the first comes back");
	ok(frame(addr, second) == of_b && frame(addr, first) == addr, "and the past stays");
	fourth = update(&c, 1);
	of_c = frame(addr, fourth);
	ok(pa_modules_is_alias(of_c) && of_c >> 32 != of_b >> 32,
	   "one that overlaps is told apart");
	is_int(of_c & 0xffffffff, 0x1456, "by its own place");
	ok(frame(AT + SIZE + 0x100, fourth) >> 32 == of_c >> 32, "also where no other was");
	fifth = update(&b, 1);
	ok(frame(addr, fifth) == of_b, "the second comes back to its alias");
	none = update(NULL, 0);
	of_none = frame(addr, none);
	ok(pa_modules_is_alias(of_none) && of_none >> 32 != of_b >> 32 &&
		   of_none >> 32 != of_c >> 32,
	   "what lies there without being an object is none of them");
	ok(frame(addr, none) == of_none, "and always the same");
	ok(frame(addr, PA_MODULES_NOW) == addr, "a thread's routine is the first one's");
	ok(frame(addr, first) == addr && frame(addr, second) == of_b &&
		   frame(addr, third) == addr && frame(addr, fourth) == of_c &&
		   frame(addr, fifth) == of_b,
	   "each generation has its own truth");
	is_int(frame(AT - 1, second), AT - 1, "below them nothing changes");
	ok(frame(AT + SIZE, second) == AT + SIZE, "nor behind");
	is_int(stats().count, 3, "three objects are known");
	forget_all();
}

/* Stacks that are walked later than they were copied. */
static void test_since(void)
{
	const struct fake a = fake(AT, 1), b = fake(AT, 2);
	const uint64_t addr = AT + 0x1010, outside = AT + 0x100000;
	uint64_t frames[] = {addr, outside};
	uint32_t first = update(&a, 1), second, none, third;

	ok(pa_modules_frames_since(frames, 2, first, first) && frames[0] == addr,
	   "one object only: nothing to ask");
	second = update(&b, 1);
	ok(!pa_modules_frames_since(frames, 2, first, second) && frames[0] == addr,
	   "two objects: nobody knows");
	ok(pa_modules_frames_since(frames, 2, second, second) && frames[0] == frame(addr, second),
	   "the second all the time");
	frames[0] = addr;
	none = update(NULL, 0);
	ok(pa_modules_frames_since(frames, 2, second, none) && frames[0] == frame(addr, second),
	   "gone since: it was that");
	frames[0] = addr;
	third = update(&a, 1);
	ok(pa_modules_frames_since(frames, 2, none, third) && frames[0] == addr,
	   "come since: it is that");
	ok(frames[1] == outside, "others are what they are");
	forget_all();
}

static void test_reopened(void)
{
	const struct fake a = fake(AT, 1);
	uint32_t first = update(&a, 1), gone, again;
	struct pa_modules_stats s;

	gone = update(NULL, 0);
	is_int(stats().dead, 1, "an object is gone");
	again = update(&a, 1);
	s = stats();
	ok(s.count == 1 && !s.dead, "and the same again, no other");
	ok(!pa_modules_ambiguous, "nothing else was there meanwhile");
	ok(frame(AT + 0x1000, first) == AT + 0x1000 && frame(AT + 0x1000, gone) == AT + 0x1000 &&
		   frame(AT + 0x1000, again) == AT + 0x1000,
	   "so that its frames are its own");
	forget_all();
}

static void test_compiled_code(void)
{
	const struct fake a = fake(AT, 1);
	const struct pa_map jit = {
		.start = AT + 0x1000, .end = AT + 0x2000, .read = true, .exec = true, .path = ""};
	uint32_t at;

	update(NULL, 0);
	pa_modules_note_others(&jit, 1);
	ok(pa_modules_noted(AT + 0x1800) && !pa_modules_noted(AT + 0x2000), "code is noted");
	at = update(&a, 1);
	ok(pa_modules_is_alias(frame(AT + 0x1800, at)), "an object in its place has an alias");
	ok(frame(AT + 0x1800, at - 1) == AT + 0x1800, "and the code its address");
	forget_all();

	/* The code of objects is theirs. */
	at = update(&a, 1);
	pa_modules_note_others(&jit, 1);
	ok(!pa_modules_noted(AT + 0x1800), "an object's own code is not noted");
	forget_all();
}

static void test_same_generation(void)
{
	struct fake a = fake(AT, 1);
	uint32_t at = update(&a, 1);

	a.deleted = true;
	is_int(update_at(&a, 1, at), 0, "the same generation again");
	is_int(stats().count, 1, "changes nothing but the file");
	forget_all();
}

static void test_rounds(void)
{
	const struct fake a = fake(AT, 1), b = fake(AT, 2), host = fake(AT - 0x100000, 9);
	const struct fake both[] = {host, a}, other[] = {host, b};
	const size_t memory = pa_mem_used();
	struct pa_modules_stats s;
	size_t bytes;
	bool right = true;

	update(&host, 1);
	update(both, 2);
	update(other, 2);
	bytes = stats().bytes;
	for (int i = 0; i < 100000; i++) {
		update(both, 2);
		update(&host, 1);
		if (i % 1000 == 0)
			right &= frame(AT + 0x1000, generation - 1) == AT + 0x1000;
	}
	s = stats();
	ok(s.count == 3 && s.bytes == bytes, "100000 rounds of one plugin take nothing");
	ok(right, "and its frames are its own");
	for (int i = 0; i < 10000; i++) {
		uint64_t was, is;

		update(both, 2);
		update(other, 2);
		was = frame(AT + 0x1000, generation - 1);
		is = frame(AT + 0x1000, generation);
		right &= was == AT + 0x1000 && pa_modules_is_alias(is) &&
			 (!i || (frame(AT + 0x1000, generation - 3) == was &&
				 frame(AT + 0x1000, generation - 2) == is));
	}
	s = stats();
	ok(s.count == 3 && s.bytes == bytes, "nor do two that take turns");
	ok(right, "and those of the last generations are told apart");
	is_int(pa_mem_used(), memory, "no memory at all");
	forget_all();
}

static void test_bounds(void)
{
	uint64_t aliases[2] = {0}, first = 0;
	struct pa_modules_stats s;
	bool distinct = true;
	uint64_t before = stats().dropped;
	size_t bytes = 0;

	for (uint64_t i = 1; i <= 5000; i++) {
		const struct fake f = fake(AT, i);
		uint64_t now = frame(AT + 0x1000, update(&f, 1));

		first = first ? first : now;
		distinct &= i < 2 ||
			    (pa_modules_is_alias(now) && now != aliases[0] && now != aliases[1]);
		aliases[i % 2] = now;
		if (i == 2500)
			bytes = stats().bytes;
	}
	s = stats();
	is_int(s.dead, PA_MODULES_DEAD_MAX, "so many dead ones are remembered");
	is_int(s.count, PA_MODULES_DEAD_MAX + 1, "and the living one");
	is_int(s.dropped - before, 5000 - PA_MODULES_DEAD_MAX - 1, "the others are counted");
	is_int(s.bytes, bytes, "memory does not grow");
	ok(first == AT + 0x1000, "the first of all had no alias");
	ok(distinct, "all others had one, also when the first was forgotten");
	ok(frame(AT + 0x1000, generation - 1) == aliases[1], "the one before is remembered");
	forget_all();
}

/* Far more paths than the pool has room for. */
static void test_paths(void)
{
	struct fake f = fake(AT, 1);
	char path[600];
	size_t bytes;

	update(&f, 1);
	bytes = stats().bytes;
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/tmp/%0*d.so", i % 500, i);
		f.path = path;
		update(&f, 1);
	}
	ok(stats().bytes <= bytes + (64 << 10),
	   "a file that changes its name takes little (%zu, %zu)", bytes, stats().bytes);
	ok(!strcmp(pa_modules_journal.pool + pa_modules_journal.entries[0].path, path),
	   "and has its last one");
	forget_all();
}

static void test_written_over(void)
{
	char path[] = "/tmp/modules.XXXXXX";
	int fd = mkstemp(path);
	struct fake f = fake(AT, 1);
	struct stat st;

	if (fd < 0 || write(fd, "a", 1) != 1 || fstat(fd, &st)) {
		ok(0, "a file");
		return;
	}
	f.path = path;
	f.object.has_build_id = false;
	f.object.inode = st.st_ino;
	update(&f, 1);
	update(NULL, 0);
	update(&f, 1);
	is_int(stats().count, 1, "a file that has not changed is the same object");
	update(NULL, 0);
	ok(write(fd, "b", 1) == 1, "it is written to");
	update(&f, 1);
	is_int(stats().count, 2, "then it is another one");
	f.object.has_build_id = true;
	update(&f, 1);
	update(NULL, 0);
	f.object.inode++;
	update(&f, 1);
	is_int(stats().count, 3, "with a build id the file does not matter");
	close(fd);
	unlink(path);
	forget_all();
}

static int kept, dropped, asked;
static char last_path[100];

static void *keep(const struct pa_module *m)
{
	asked++;
	snprintf(last_path, sizeof(last_path), "%s%s", m->path, m->deleted ? " deleted" : "");
	if (m->kept)
		return m->kept;
	kept++;
	return &kept;
}

static void drop(void *what)
{
	dropped += what == &kept;
}

static void test_keeper(void)
{
	static const struct pa_modules_keeper k = {keep, drop};
	struct fake f[] = {fake(AT, 1), fake(AT + 0x10000, 2)};

	pa_modules_set_keeper(&k);
	f[1].object.permanent = true;
	update(f, 2);
	pa_modules_keep();
	pa_modules_keep();
	is_int(kept, 1, "what may go is kept, once");
	is_str(last_path, "/nowhere/plugin.so", "with its path");
	update(f, 2);
	pa_modules_keep();
	is_int(asked, 1, "nothing new, nothing to keep");
	f[0].deleted = true;
	update(f, 2);
	pa_modules_keep();
	is_int(asked, 2, "a deleted file is looked at again");
	is_str(last_path, "/nowhere/plugin.so deleted", "as deleted");
	is_int(kept, 1, "with what is kept already");
	update(&f[1], 1);
	is_int(dropped, 0, "what is gone is kept");
	update(f, 2);
	pa_modules_keep();
	is_int(asked, 2, "and needs not be kept again");
	forget_all();
	is_int(dropped, 1, "until it is forgotten");
	/* Gone before anybody could look. */
	update(f, 2);
	update(&f[1], 1);
	pa_modules_keep();
	is_int(asked, 2, "nobody looks at what is gone");
	forget_all();
	pa_modules_set_keeper(&(struct pa_modules_keeper){0});
}

static void test_memory(void)
{
	const struct fake a = fake(AT, 1), b = fake(AT, 2);
	const size_t limit = pa_mem_limit();
	struct pa_modules *j = &pa_modules_journal;
	int err;

	update(&a, 1);
	pa_pages_free(j->entries, j->entries_cap);
	pa_pages_free(j->index, j->index_cap);
	pa_pages_free(j->pool, j->pool_cap);
	memset(j, 0, sizeof(*j));
	pa_mem_limit_set(pa_mem_used());
	err = update_at(&b, 1, ++generation);
	pa_mem_limit_set(limit);
	is_int(err, -ENOMEM, "no memory for an object");
	is_int(stats().count, 0, "leaves it out");
	ok(frame(AT + 1, generation) == AT + 1, "and frames as they are");
	update(&b, 1);
	is_int(stats().count, 1, "it is entered later");
	forget_all();
}

static void test_fork(void)
{
	const struct fake a = fake(AT, 1), b = fake(AT, 2);
	uint32_t at;
	int status = -1;
	pid_t child;

	update(&a, 1);
	at = update(&b, 1);
	child = fork();
	if (!child) {
		pa_modules_fork_child();
		_exit(!pa_modules_is_alias(frame(AT + 1, at)));
	}
	waitpid(child, &status, 0);
	is_int(status, 0, "a child has the journal too");
	pa_lock(&pa_modules_journal.lock);
	child = fork();
	if (!child) {
		pa_modules_fork_child();
		_exit(frame(AT + 1, at) != AT + 1 || stats().count || update_at(&a, 1, at + 1) ||
		      stats().count != 1);
	}
	pa_unlock(&pa_modules_journal.lock);
	waitpid(child, &status, 0);
	is_int(status, 0, "or an empty one, when it was being written");
	forget_all();
}

/* Against a map of small pages. */
static void test_ranges(void)
{
	static struct pa_module_ranges r;
	unsigned char used[4096] = {0};
	bool right = true, apart = true;
	unsigned seed = 1;

	for (int round = 0; round < 40; round++) {
		unsigned lo = rand_r(&seed) % 4000, len = 1 + rand_r(&seed) % 60;

		pa_module_ranges_add(&r, lo, lo + len);
		memset(used + lo, 1, len);
		for (unsigned i = 0; i < 4096; i++)
			right &= pa_module_ranges_overlap(&r, i, i + 1) == used[i];
	}
	ok(right, "ranges are what was added to them");
	for (unsigned i = 0; i < 4000; i += 10) {
		pa_module_ranges_add(&r, 10000 + i, 10000 + i + 1);
		right &= pa_module_ranges_overlap(&r, 10000 + i, 10000 + i + 1);
	}
	for (size_t i = 1; i < r.count; i++)
		apart &= r.at[i - 1].hi < r.at[i].lo;
	ok(right && apart && r.count <= PA_MODULE_RANGES, "too many become larger ones");
}

int main(void)
{
	test_alone();
	test_overlap();
	test_since();
	test_reopened();
	test_compiled_code();
	test_same_generation();
	test_rounds();
	test_bounds();
	test_paths();
	test_written_over();
	test_keeper();
	test_memory();
	test_fork();
	test_ranges();
	return tap_done();
}
