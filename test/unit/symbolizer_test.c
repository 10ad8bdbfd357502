/* SPDX-License-Identifier: Apache-2.0
 * Talking to profagent-symbolize. This program plays both parts: a copy of it lies beside a link
 * with that name, and what is asked of it says what it is to do. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/symbolizer.h"
#include "test/tap.h"

/* --- the program's part ------------------------------------------------------------------------ */

static void put(const void *data, size_t len)
{
	if (send(0, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(0);
}

static void put_reply(uint32_t kind, uint32_t id, uint32_t size)
{
	const struct pa_symbolize_reply r = {PA_SYMBOLIZE_MAGIC, kind, id, size};

	put(&r, sizeof(r));
}

static void put_function(uint32_t id, unsigned number)
{
	const struct pa_symbolize_function f = {number, 8, 0, 0};
	char name[9];

	snprintf(name, sizeof(name), "f%07u", number % 10000000);
	put_reply(PA_SYMBOLIZE_FUNCTION, id, sizeof(f) + 8);
	put(&f, sizeof(f));
	put(name, 8);
}

static void put_address(uint32_t id, uint32_t index)
{
	const struct pa_symbolize_address a = {index, 1};
	const struct pa_symbolize_line line = {0, 100 + index, 0};

	put_reply(PA_SYMBOLIZE_ADDRESS, id, sizeof(a) + sizeof(line));
	put(&a, sizeof(a));
	put(&line, sizeof(line));
}

static void take(void *data, size_t len)
{
	while (len) {
		ssize_t n = recv(0, data, len, 0);

		if (n <= 0)
			_exit(0);
		data = (char *)data + n;
		len -= (size_t)n;
	}
}

static void play(const char *what, const struct pa_symbolize_request *q)
{
	if (!strcmp(what, "die"))
		_exit(1);
	if (!strcmp(what, "silent"))
		return;
	if (!strcmp(what, "late"))
		poll(NULL, 0, 300);
	for (unsigned i = 0; !strcmp(what, "talks on"); i++)
		put_function(q->id, i);
	for (unsigned i = 0; i < 3000 && !strcmp(what, "much"); i++)
		put_function(q->id, i);
	put_function(q->id, 0);
	for (uint32_t i = 0; i < q->addr_count; i++)
		put_address(q->id, i);
	for (unsigned i = 0; !strcmp(what, "repeats"); i++)
		put_address(q->id, 0);
	put_reply(PA_SYMBOLIZE_DONE, q->id, 0);
	if (!strcmp(what, "ends"))
		_exit(0);
}

static int program(void)
{
	struct pa_symbolize_request q;
	static uint64_t vaddrs[PA_SYMBOLIZE_ADDRS];
	static char text[PA_SYMBOLIZE_TEXT + 1];
	char file[PATH_MAX] = "";

	if (readlink("/proc/self/exe", file, sizeof(file) - 8) < 0)
		return 1;
	strcat(dirname(file), "/mute");
	if (access(file, F_OK) != 0)
		put_reply(PA_SYMBOLIZE_HELLO, 0, 0);
	for (;;) {
		take(&q, sizeof(q));
		take(vaddrs, q.addr_count * sizeof(vaddrs[0]));
		take(text, q.build_id_len);
		take(text, q.path_len);
		text[q.path_len] = '\0';
		play(text, &q);
	}
}

/* --- the agent's part -------------------------------------------------------------------------- */

static uint64_t in_ms(unsigned ms)
{
	return pa_clock_mono() + ms * PA_NS_PER_MS;
}

static int ask(struct pa_lines *l, const char *what, uint64_t vaddr, unsigned ms)
{
	const uint64_t vaddrs[] = {vaddr, vaddr + 1};
	const struct pa_symbolizer_query q = {-1, "", what, vaddrs, 2};

	return pa_symbolizer_ask(&q, l, in_ms(ms));
}

static bool knows(struct pa_lines *l, uint64_t vaddr)
{
	const struct pa_address_lines *found = pa_lines_find(l, vaddr);

	return found && found->count == 1 && found->lines[0].line == 100 &&
	       !strcmp(found->lines[0].function->name, "f0000000");
}

static void test_good(struct pa_lines *l)
{
	is_int(ask(l, "", 0x10, 5000), 0, "an answer");
	ok(knows(l, 0x10), "with lines");
	is_int(ask(l, "ends", 0x20, 5000), 0, "a program that ends behind its answer");
	is_int(ask(l, "", 0x30, 5000), 0, "is not missed");
	ok(knows(l, 0x30), "by anyone");
	is_int(ask(l, "late", 0x40, 50), -ETIMEDOUT, "an answer that is late");
	is_int(ask(l, "", 0x50, 5000), 0, "does not disturb the next");
	ok(knows(l, 0x40) && knows(l, 0x50), "and counts too");
	is_int(ask(l, "late", 0x60, 50), -ETIMEDOUT, "another one");
	poll(NULL, 0, 400);
	pa_symbolizer_round();
	ok(knows(l, 0x60), "is taken when nobody asks");
}

static void test_bad(void)
{
	struct pa_lines *l = pa_lines_get("bad");
	uint64_t begin = pa_clock_mono();

	is_int(ask(l, "talks on", 0x10, 200), -ETIMEDOUT, "one that talks on and on");
	ok(pa_clock_mono() - begin < PA_NS_PER_S, "is left alone in time");
	begin = pa_clock_mono();
	pa_symbolizer_round();
	ok(pa_clock_mono() - begin < 200 * PA_NS_PER_MS, "also when nobody asks");
	pa_lines_put(l);
	l = pa_lines_get("worse");
	is_int(ask(l, "repeats", 0x10, 20000), -EPROTO, "one that repeats itself: after the other");
	is_int(ask(l, "die", 0x10, 5000), -EPIPE, "one that dies");
	is_int(ask(l, "", 0x10, 5000), -EPIPE, "an object that kills it twice is not tried again");
	pa_lines_put(l);
	l = pa_lines_get("other");
	is_int(ask(l, "", 0x10, 5000), 0, "another object is");
	pa_lines_put(l);
}

static void test_memory(void)
{
	struct pa_lines *l = pa_lines_get("memory");

	for (int i = 0; i < 3; i++) {
		pa_mem_limit_set(pa_mem_used() + (16 << 10));
		is_int(ask(l, "much", 0x10, 5000), -ENOMEM, "memory that is used up");
		pa_mem_limit_set((size_t)64 << 20);
	}
	is_int(ask(l, "much", 0x10, 5000), 0, "is nobody's fault");
	pa_lines_put(l);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 2000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_no_descriptors(void)
{
	struct pa_lines *l = pa_lines_get("descriptors");
	struct rlimit before, none;

	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 3;
	is_int(ask(l, "ends", 0x10, 5000), 0, "a program ends");
	setrlimit(RLIMIT_NOFILE, &none);
	ok(ask(l, "", 0x20, 5000) < 0, "none is started without descriptors");
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(ask(l, "", 0x20, 5000), 0, "but as soon as there are some");
	pa_lines_put(l);
}

/* The socket to the program that runs: its inode. */
static ino_t socket_inode(void)
{
	struct stat st;

	for (int fd = 0; fd < 2000; fd++)
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			return st.st_ino;
	return 0;
}

static void *ask_one(void *arg)
{
	struct pa_lines *l = pa_lines_get("one");

	(void)arg;
	is_int(ask(l, "", 0x10, 5000), 0, "a thread asks, and ends");
	pa_lines_put(l);
	return NULL;
}

/* The program belongs to the process. */
static void test_thread(void)
{
	struct pa_lines *l = pa_lines_get("one");
	pthread_t thread;
	ino_t before;

	pa_symbolizer_end();
	pa_symbolizer_fork_child(); /* asking is allowed again */
	pthread_create(&thread, NULL, ask_one, NULL);
	pthread_join(thread, NULL);
	poll(NULL, 0, 50);
	before = socket_inode();
	is_int(ask(l, "", 0x20, 5000), 0, "another thread asks");
	ok(before && socket_inode() == before, "the same program");
	pa_lines_put(l);
}

/* A process that gives up its privileges has no helper that keeps them. */
static void test_privileges(const char *folder)
{
	struct pa_lines *l;
	ino_t before;

	if (geteuid() != 0)
		return;
	l = pa_lines_get("privileges");
	chmod(folder, 0755);
	is_int(ask(l, "", 0x10, 5000), 0, "root asks");
	before = socket_inode();
	if (seteuid(65534) != 0)
		ok(false, "seteuid");
	is_int(ask(l, "", 0x20, 5000), 0, "nobody asks");
	ok(before != socket_inode(), "another program");
	if (seteuid(0) != 0)
		ok(false, "seteuid");
	pa_lines_put(l);
}

/* The host closes all descriptors that it does not know, and gets their numbers. */
static void test_stolen(struct pa_lines *l)
{
	int stolen[2000], count = 0, pair[2];
	char byte;

	is_int(ask(l, "", 0x100, 5000), 0, "a program runs");
	for (int fd = 3; fd < 2000; fd++)
		if (close(fd) == 0)
			stolen[count++] = fd;
	is_int(count, 1, "it takes one descriptor");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || dup2(pair[1], stolen[0]) < 0 ||
	    write(pair[0], "x", 1) != 1)
		ok(false, "socketpair");
	is_int(ask(l, "", 0x110, 5000), 0, "the number is the host's now: another program");
	ok(knows(l, 0x110), "answers");
	ok(recv(pair[0], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "nothing was sent there");
	ok(recv(stolen[0], &byte, 1, MSG_DONTWAIT) == 1, "nothing taken");
	ok(close(stolen[0]) == 0, "nor was it closed");
	close(pair[0]);
	close(pair[1]);
}

static void *ask_many(void *arg)
{
	struct pa_lines *l = pa_lines_get(arg);
	intptr_t failed = 0;

	for (unsigned i = 0; i < 50; i++)
		failed += ask(l, i % 10 ? "" : "ends", 0x1000 + i * 16, 20000) != 0 ||
			  !knows(l, 0x1000 + i * 16);
	pa_lines_put(l);
	return (void *)failed;
}

static void test_many(void)
{
	static char names[16][16];
	pthread_t threads[16];
	intptr_t failed = 0;
	void *ret;

	for (int i = 0; i < 16; i++) {
		snprintf(names[i], sizeof(names[i]), "many%d", i);
		pthread_create(&threads[i], NULL, ask_many, names[i]);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i], &ret);
		failed += (intptr_t)ret;
	}
	is_int((long)failed, 0, "16 at once: each gets its answer");
}

static atomic_bool restarting;

static void *restart(void *arg)
{
	struct pa_lines *l = pa_lines_get("restart");
	intptr_t failed = 0;

	(void)arg;
	for (unsigned i = 0; atomic_load(&restarting); i++)
		failed += ask(l, "ends", i * 16, 5000) != 0;
	pa_lines_put(l);
	return (void *)failed;
}

static int count_sockets(void)
{
	struct stat st;
	int n = 0;

	for (int fd = 0; fd < 2000; fd++)
		n += fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	return n;
}

/* What a child that was forked in the middle of anything has: nothing, and it can ask. */
static int forked(int sockets, bool asks)
{
	struct pa_lines *l;
	int r = 0;

	alarm(30);
	pa_symbolizer_fork_child();
	pa_lines_fork_child();
	if (count_sockets() != sockets)
		r |= 1;
	if (asks) {
		l = pa_lines_get("child");
		if (!l || ask(l, "", 0x10, 10000) || !knows(l, 0x10))
			r |= 2;
		pa_symbolizer_end();
	}
	return r;
}

static void test_fork(void)
{
	enum { FORKS = 400 };
	int leaks = 0, failures = 0, sockets, status;
	pthread_t thread;
	void *ret;

	pa_symbolizer_end();
	pa_symbolizer_fork_child(); /* asking is allowed again */
	sockets = count_sockets();
	atomic_store(&restarting, true);
	pthread_create(&thread, NULL, restart, NULL);
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (!child)
			_exit(forked(sockets, i % 10 == 0));
		waitpid(child, &status, 0);
		failures += !WIFEXITED(status) || WEXITSTATUS(status) & 2;
		leaks += WIFEXITED(status) && WEXITSTATUS(status) & 1;
	}
	atomic_store(&restarting, false);
	pthread_join(thread, &ret);
	is_int((long)(intptr_t)ret, 0, "whose parent goes on");
	is_int(failures, 0, "children that were forked at any moment can ask");
	/* Those that are forked between a system call and the note of what it gave. */
	ok(leaks <= FORKS / 100, "%d of %d have a socket of their parent's", leaks, FORKS);
}

static void *stop_soon(void *arg)
{
	(void)arg;
	poll(NULL, 0, 100);
	pa_symbolizer_stop();
	return NULL;
}

static void test_stop(struct pa_lines *l)
{
	uint64_t begin;
	pthread_t thread;

	pthread_create(&thread, NULL, stop_soon, NULL);
	begin = pa_clock_mono();
	is_int(ask(l, "silent", 0x200, 20000), -ECANCELED, "who waits is told that the agent ends");
	ok(pa_clock_mono() - begin < PA_NS_PER_S, "soon");
	pthread_join(thread, NULL);
	is_int(ask(l, "", 0x200, 5000), -ECANCELED, "then nobody can ask");
	pa_symbolizer_end();
	is_int(waitpid(-1, NULL, WNOHANG | __WALL), -1, "nothing is left to wait for");
	pa_symbolizer_fork_child();
}

/* Last: it is not started again after this. */
static void test_mute(struct pa_lines *l, const char *folder)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/mute", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	is_int(ask(l, "", 0x300, 200), -ETIMEDOUT, "a program that does not say hello");
	is_int(ask(l, "", 0x300, 200), -ETIMEDOUT, "is waited for");
	unlink(path);
	pa_symbolizer_end();
	pa_symbolizer_fork_child();
	snprintf(path, sizeof(path), "%s/profagent-symbolize", folder);
	unlink(path);
	is_int(ask(l, "", 0x300, 5000), -ENOENT, "a program that is not there");
	is_int(ask(l, "", 0x300, 5000), -ENOENT, "is not looked for again");
}

static int agent(const char *folder)
{
	struct pa_lines *l;
	sigset_t all;
	int fds;

	for (int fd = 3; fd < 2000; fd++)
		close(fd); /* of whoever runs the tests */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	fds = count_fds();
	pa_symbolizer_init();
	l = pa_lines_get("key");
	test_good(l);
	test_bad();
	test_memory();
	test_no_descriptors();
	test_thread();
	test_privileges(folder);
	test_many();
	test_stolen(l);
	test_fork();
	test_stop(l);
	test_mute(l, folder);
	pa_lines_put(l);
	pa_symbolizer_end();
	pa_lines_drop();
	is_int(pa_mem_used(), 0, "no leak");
	is_int(count_fds(), fds, "no descriptor is left open");
	is_int(waitpid(-1, NULL, WNOHANG | __WALL), -1, "no child");
	return tap_done();
}

static void copy_self(const char *to)
{
	static char buf[1 << 16];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			break;
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/symbolizer_test.XXXXXX", copy[64], link[64], mute[64];
	int status = 1 << 8;
	pid_t pid;

	if (!strcmp(basename(argv[0]), "profagent-symbolize"))
		return program();
	if (argc > 1)
		return agent(argv[1]);
	if (!mkdtemp(folder))
		return 1;
	snprintf(copy, sizeof(copy), "%s/test", folder);
	snprintf(link, sizeof(link), "%s/profagent-symbolize", folder);
	snprintf(mute, sizeof(mute), "%s/mute", folder);
	copy_self(copy);
	if (symlink("test", link))
		return 1;
	pid = fork();
	if (!pid) {
		execl(copy, copy, folder, NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	unlink(link);
	unlink(copy);
	unlink(mute);
	rmdir(folder);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}
