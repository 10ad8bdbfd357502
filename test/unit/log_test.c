/* SPDX-License-Identifier: Apache-2.0
 * The log: what a line looks like, where it may go, and what it must never do to the host. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "test/tap.h"

static char dir[] = "/tmp/profagent-log.XXXXXX";
static char path[64], text[1 << 16];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* What is in the file, as a string. */
static const char *content(const char *name)
{
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* What can be read from the descriptor without waiting. */
static const char *drain(int fd)
{
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* "profagent[PID]: rest\n" */
static const char *line(const char *rest)
{
	static char expected[2048];

	snprintf(expected, sizeof(expected), "profagent[%d]: %s\n", (int)getpid(), rest);
	return expected;
}

/* Makes the write end of a new pipe the host's stderr; returns the read end. */
static int stderr_to_pipe(enum pa_log_level level)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	dup2(ends[1], 2);
	close(ends[1]);
	pa_log_setup(level, NULL);
	return ends[0];
}

static void test_line(void)
{
	static char big[5000], cut[1025];
	int fd = stderr_to_pipe(PA_LOG_INFO);
	size_t head;

	pa_warn("port %d: %s", 6060, "in use");
	is_str(drain(fd), line("port 6060: in use"), "one line with the process id");
	pa_debug("no");
	is_str(drain(fd), "", "nothing above the level");
	pa_log(PA_LOG_OFF, "no");
	is_str(drain(fd), "", "off is not a level to write at");
	ok(pa_log_enabled(PA_LOG_WARN) && pa_log_enabled(PA_LOG_INFO) &&
		   !pa_log_enabled(PA_LOG_DEBUG),
	   "and says so");
	pa_info("a\nb\r\x1b[31mc\x7f\td\xc3\xa4");
	is_str(drain(fd), line("a?b??[31mc??d\xc3\xa4"), "control characters cannot forge a line");
	memset(big, 'x', sizeof(big) - 1);
	pa_warn("%s", big);
	head = (size_t)snprintf(cut, sizeof(cut), "profagent[%d]: ", (int)getpid());
	memset(cut + head, 'x', 1023 - head);
	cut[1023] = '\n';
	is_str(drain(fd), cut, "a long line is cut and ended at 1 KiB");
	errno = 1234;
	pa_warn("x");
	is_int(errno, 1234, "errno is kept");
	is_str(drain(fd), line("x"), "after a success");
	pa_log_setup(PA_LOG_OFF, NULL);
	pa_warn("no");
	is_str(drain(fd), "", "off is off");
	close(fd);
}

static void test_reader(void)
{
	static char block[4096];
	int fd = stderr_to_pipe(PA_LOG_WARN), flags;
	uint64_t start;
	sigset_t set;

	/* Full: a write would sleep until somebody reads. */
	flags = fcntl(2, F_GETFL);
	fcntl(2, F_SETFL, O_NONBLOCK);
	while (write(2, block, sizeof(block)) > 0)
		;
	fcntl(2, F_SETFL, flags);
	start = pa_clock_mono();
	pa_warn("lost");
	ok(pa_clock_mono() - start < 5 * PA_NS_PER_S, "a full pipe does not hold up the host");

	/* Gone: SIGPIPE, not handled here, would end this program. */
	close(fd);
	pa_warn("lost");
	ok(1, "a pipe without reader does not kill it");
	sigpending(&set);
	ok(!sigismember(&set, SIGPIPE), "nor leaves a signal");
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	ok(!sigismember(&set, SIGPIPE) && !sigismember(&set, SIGXFSZ), "nor a mask");
}

/* A socket shut down between the check and the write cannot be arranged; one that was shut down
 * before takes the same path when the check is passed, so try sockets of both kinds. */
static void test_socket(int type)
{
	int ends[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	dup2(ends[1], 2);
	close(ends[1]);
	pa_log_setup(PA_LOG_WARN, NULL);
	pa_warn("to the journal");
	is_str(drain(ends[0]), line("to the journal"), "a socket");
	close(ends[0]);
	pa_warn("lost");
	ok(1, "whose other end is closed");
}

static void test_replaced(void)
{
	int fd = stderr_to_pipe(PA_LOG_WARN), file;

	file = open(in_dir("database"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	dup2(file, 2);
	pa_warn("corruption");
	is_str(content("database"), "", "nothing is written into a file that is 2 by accident");
	close(file);
	file = open(in_dir("service.log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(file, 2);
	pa_warn("redirected");
	is_str(content("service.log"), line("redirected"), "the host's own log is all right");
	close(file);
	close(2);
	errno = 1234;
	pa_warn("lost");
	is_int(errno, 1234, "no stderr at all: no error to see");
	is_int(open("/dev/null", O_WRONLY | O_CLOEXEC), 2, "2 was left closed");
	is_str(drain(fd), "", "nothing went to what was stderr before");
	close(fd);
}

static void test_file(void)
{
	static char name[64];
	int fd = stderr_to_pipe(PA_LOG_WARN);
	struct stat st;

	snprintf(name, sizeof(name), "%s/agent.log", dir);
	umask(0);
	pa_log_setup(PA_LOG_WARN, name);
	pa_warn("first");
	is_str(content("agent.log"), line("first"), "to a file");
	stat(name, &st);
	is_int(st.st_mode & 07777, 0600, "for the owner only");
	unlink(name);
	pa_warn("second");
	is_str(content("agent.log"), line("second"), "made again after a rotation");
	is_str(drain(fd), "", "nothing to stderr");

	unlink(name);
	if (symlink("victim", name) < 0)
		abort();
	pa_warn("third");
	ok(access(in_dir("victim"), F_OK) < 0, "a symbolic link is not followed");
	is_str(drain(fd), line("third"), "stderr gets what the file cannot");
	unlink(name);
	mkfifo(name, 0600);
	pa_warn("fourth");
	is_str(drain(fd), line("fourth"), "also with a FIFO that nobody reads");
	unlink(name);

	pa_log_setup(PA_LOG_WARN, "");
	pa_warn("no name");
	is_str(drain(fd), line("no name"), "an empty name is no file");
	pa_log_setup(PA_LOG_WARN, name);
	close(0);
	pa_warn("fifth");
	is_str(content("agent.log"), line("fifth"), "also where the host has closed descriptor 0");
	ok(fcntl(0, F_GETFD) < 0, "which stays closed");
	open("/dev/null", O_RDONLY | O_CLOEXEC);
	unlink(name);
	close(fd);
}

/* SIGXFSZ, not handled here, would end this program. */
static int beyond_limit(void)
{
	static char name[64];
	sigset_t set;

	snprintf(name, sizeof(name), "%s/limited.log", dir);
	pa_log_setup(PA_LOG_WARN, name);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
	pa_warn("cut by the limit");
	pa_warn("refused by it");
	sigpending(&set);
	return sigismember(&set, SIGXFSZ);
}

/* A signal that waited before still does. */
static int keeps_pending(void)
{
	static char name[64];
	sigset_t set;

	snprintf(name, sizeof(name), "%s/limited.log", dir);
	pa_log_setup(PA_LOG_WARN, name);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGXFSZ);
	pa_warn("refused");
	sigpending(&set);
	return !sigismember(&set, SIGXFSZ);
}

static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

enum { THREADS = 8, LINES = 50 };

static void *log_lines(void *arg)
{
	for (int i = 0; i < LINES; i++)
		pa_warn("thread %d line %d %s", (int)(intptr_t)arg, i,
			"........................................");
	return NULL;
}

/* More threads at once than there are buffers. */
static void test_threads(void)
{
	static char name[64];
	int next[THREADS] = {0}, thread, number, n = 0, pid;
	pthread_t threads[THREADS];
	bool good = true;
	const char *s;

	snprintf(name, sizeof(name), "%s/threads.log", dir);
	pa_log_setup(PA_LOG_WARN, name);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, log_lines, (void *)(intptr_t)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (s = content("threads.log"); *s; s = strchr(s, '\n') + 1, n++) {
		thread = -1;
		good = good && strchr(s, '\n') &&
		       sscanf(s, "profagent[%d]: thread %d line %d ....", &pid, &thread, &number) ==
			       3 &&
		       thread >= 0 && thread < THREADS && number == next[thread]++;
		if (!good)
			break;
	}
	ok(good, "lines of many threads come whole and in order");
	is_int(n, THREADS * LINES, "all of them");
}

static void test_errno_text(void)
{
	is_str(pa_errno_text(EADDRINUSE), "EADDRINUSE (address in use)", "a usual error");
	ok(pa_errno_text(-EADDRINUSE) == pa_errno_text(EADDRINUSE), "negative as well");
	is_str(pa_errno_text(-ENOENT), "ENOENT (no such file or directory)", "another");
	is_str(pa_errno_text(0), "error 0", "none");
	is_str(pa_errno_text(ESRMNT), "error 69", "an unusual one");
	is_str(pa_errno_text(4095), "error 4095", "beyond the table");
	is_str(pa_errno_text(INT32_MIN), "error 2147483648", "far beyond");
}

int main(void)
{
	int saved = dup(2);

	if (!mkdtemp(dir))
		return 1;
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	test_line();
	test_reader();
	test_socket(SOCK_STREAM);
	test_socket(SOCK_DGRAM);
	test_replaced();
	test_file();
	is_int(in_child(beyond_limit), 0, "a file size limit sends no signal");
	is_int(in_child(keeps_pending), 0, "nor takes one that is not ours");
	dup2(saved, 2);
	test_threads();
	test_errno_text();
	unlink(in_dir("database"));
	unlink(in_dir("service.log"));
	unlink(in_dir("limited.log"));
	unlink(in_dir("threads.log"));
	is_int(rmdir(dir), 0, "cleans up");
	return tap_done();
}
