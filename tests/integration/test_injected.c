/* System calls that fail: strace makes a running worker's fail on demand. Nobody else's clients
 * suffer, no byte is lost, no backend is blamed. Skipped where strace is missing or may not attach. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "stream.h"

#define CONF \
	"workers: 1\nfrontends:\n  - bindAddress: 127.0.0.1:0\n    backendPool:\n      tiers:\n" \
	"        - targets: [{hosts: [127.0.0.1], port: %u}]\n"

struct injector {
	pid_t pid;
	char trace_path[192];
	char message_path[192];
};

static bool
file_has(const char *path, const char *text)
{
	static char buf[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text) != NULL;
}

static void
run_strace(const struct injector *i, const char *traced, const char *spec, pid_t target)
{
	char trace[64], inject[128], pid[16];
	int fd = open(i->message_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	snprintf(trace, sizeof(trace), "trace=%s", traced);
	snprintf(inject, sizeof(inject), "inject=%s:%s", traced, spec);
	snprintf(pid, sizeof(pid), "%d", target);
	dup2(fd, STDERR_FILENO);
	execlp("strace", "strace", "-o", i->trace_path, "-e", trace, "-e", inject, "-p", pid, NULL);
	_exit(127);
}

static bool
is_settled(void *arg)
{
	struct injector *i = arg;

	return file_has(i->message_path, "attached") ||
		waitpid(i->pid, NULL, WNOHANG | __WALL) == i->pid;
}

/* From now on these system calls of that process fail as the spec says (see strace(1)). */
static bool
inject(struct injector *i, const char *dir, pid_t target, const char *traced, const char *spec)
{
	snprintf(i->trace_path, sizeof(i->trace_path), "%s/trace", dir);
	snprintf(i->message_path, sizeof(i->message_path), "%s/message", dir);
	unlink(i->message_path);
	i->pid = fork();
	if (i->pid == 0)
		run_strace(i, traced, spec, target);
	return run_wait_until(is_settled, i) && file_has(i->message_path, "attached");
}

static bool
was_injected(void *arg)
{
	return file_has(((struct injector *)arg)->trace_path, "INJECTED");
}

static void
inject_end(struct injector *i)
{
	ck_assert(run_wait_until(was_injected, i));
	kill(i->pid, SIGINT);
	waitpid(i->pid, NULL, 0);
}

/* Starts iaido in front of that port, and injects into its only worker. */
static void
start(struct run *run, struct injector *i, uint16_t port, const char *traced, const char *spec)
{
	pid_t worker;

	run_iaido(run, 1, CONF, port);
	run_wait_log(run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run->pid, &worker, 1), 1);
	ck_assert(inject(i, run->dir, worker, traced, spec));
}

START_TEST(a_failed_accept_is_tried_again)
{
	/* The first are of this host and would last: they pause; the others went with their client. */
	static const char *const errors[] = { "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM",
		"EACCES", "ECONNABORTED", "EPROTO" };
	static const size_t pausing = 6;
	struct peer a = { 0 };

	peer_start(&a, 'a');
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct injector injector;
		struct run run;
		char spec[64];
		int fd;

		snprintf(spec, sizeof(spec), "error=%s:when=1..3", errors[i]);
		start(&run, &injector, a.port, "accept4", spec);
		fd = peer_connect(run_port(&run, 0));
		ck_assert_msg(peer_greeting(fd) == 'a', "%s", errors[i]);
		ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
		inject_end(&injector);
		if (i < pausing)
			run_wait_log(&run, "event=accept.paused", 1);
		ck_assert_int_eq(peer_echo(fd), 0);
		close(fd);
		ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	}
	peer_stop(&a);
}
END_TEST

/* A fault of this host is held against no backend: its client waits, and is served. Where others would
 * meet it too, nobody is accepted meanwhile. */
static void
check_dial(const char *traced, const char *spec, bool pauses)
{
	struct peer a = { 0 };
	struct injector injector;
	struct run run;
	int fd;

	peer_start(&a, 'a');
	start(&run, &injector, a.port, traced, spec);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_msg(peer_greeting(fd) == 'a', "%s %s", traced, spec);
	ck_assert_int_eq(peer_echo(fd), 0);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	inject_end(&injector);
	ck_assert_uint_eq(run_count_log(&run, "event=backend.failed"), 0);
	ck_assert_int_eq(run_count_log(&run, "event=accept.paused") > 0, pauses);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}

START_TEST(no_socket_for_a_dial_is_no_fault_of_the_backend)
{
	check_dial("socket", "error=EMFILE:when=1", true);
	check_dial("socket", "error=ENOBUFS:when=1..4", true);
}
END_TEST

START_TEST(no_local_port_is_no_fault_of_the_backend)
{
	check_dial("connect", "error=EADDRNOTAVAIL:when=1", false);
	check_dial("connect", "error=EADDRNOTAVAIL:when=1..4", false);
}
END_TEST

#define BYTES (16U << 20)

/* A stream each way passes unchanged while these calls fail. */
static void
check_streams(const char *traced, const char *spec)
{
	struct injector injector;
	struct run run;
	uint16_t port;
	int client, server, listen_fd = stream_listen(&port, 16), status;
	pid_t pid;

	start(&run, &injector, port, traced, spec);
	client = peer_connect(run_port(&run, 0));
	server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	pid = stream_send_beside(server, 1, BYTES);
	stream_read(client, 1, 0, BYTES);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	pid = stream_send_beside(client, 2, BYTES);
	stream_read(server, 2, 0, BYTES);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	/* And small messages after it. */
	for (size_t at = 0; at < 200; at += 2) {
		ck_assert_int_eq(stream_send(client, 3, at, 2), 0);
		stream_read(server, 3, at, 2);
		ck_assert_int_eq(stream_send(server, 4, at, 2), 0);
		stream_read(client, 4, at, 2);
	}
	inject_end(&injector);
	close(client);
	close(server);
	close(listen_fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}

START_TEST(without_pipes_streams_are_copied)
{
	check_streams("pipe2", "error=EMFILE");
	check_streams("pipe2", "error=ENFILE:when=1");
}
END_TEST

START_TEST(where_splice_fails_in_the_middle_it_is_copied_from_there)
{
	check_streams("splice", "error=EINVAL:when=21+");
	check_streams("splice", "error=ENOSYS:when=30+");
	check_streams("splice", "error=EPERM:when=1+");
	check_streams("splice", "error=ENOMEM:when=20+5");
}
END_TEST

START_TEST(interrupted_calls_are_made_again)
{
	/* One connection alone is read and written without a ring. */
	check_streams("splice", "error=EINTR:when=3+2");
	check_streams("recvfrom", "error=EINTR:when=2+3");
	check_streams("sendto", "error=EINTR:when=2+3");
}
END_TEST

#define PAIRS 16
#define ROUNDS 40
#define MESSAGE 1000

/* io_uring is to be had here: otherwise what is for it is not called. */
static bool
has_ring(pid_t worker)
{
	char path[64], target[64];

	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "io_uring") != NULL)
			return true;
	}
	return false;
}

static void
exchange(const int *from, const int *to, uint32_t seed, size_t round)
{
	for (uint32_t i = 0; i < PAIRS; i++)
		ck_assert_int_eq(stream_send(from[i], seed + i, round * MESSAGE, MESSAGE), 0);
	for (uint32_t i = 0; i < PAIRS; i++)
		stream_read(to[i], seed + i, round * MESSAGE, MESSAGE);
}

/* Messages of many connections at once arrive unchanged while these calls fail. */
static void
check_messages(const char *traced, const char *spec)
{
	int clients[PAIRS], servers[PAIRS];
	struct injector injector;
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, PAIRS);
	pid_t worker;

	run_iaido(&run, 1, CONF, port);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run.pid, &worker, 1), 1);
	for (int i = 0; i < PAIRS; i++) {
		clients[i] = peer_connect(run_port(&run, 0));
		servers[i] = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	}
	if (has_ring(worker)) {
		ck_assert(inject(&injector, run.dir, worker, traced, spec));
		for (size_t round = 0; round < ROUNDS; round++) {
			exchange(clients, servers, 100, round);
			exchange(servers, clients, 200, round);
		}
		inject_end(&injector);
	}
	for (int i = 0; i < PAIRS; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	close(listen_fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}

START_TEST(what_a_ring_does_not_take_is_done_without_it)
{
	check_messages("io_uring_enter", "error=ENOMEM:when=2+3");
	check_messages("io_uring_enter", "error=EAGAIN:when=1+2");
	check_messages("io_uring_enter", "error=EBUSY:when=1+1");
	/* As a filter would. */
	check_messages("io_uring_enter", "error=EPERM:when=1");
	check_messages("io_uring_enter,recvfrom,sendto", "error=EINTR:when=1+2");
}
END_TEST

START_TEST(a_connection_that_cannot_be_watched_is_one_lost_and_no_more)
{
	struct peer a = { 0 };
	struct injector injector;
	struct run run;

	peer_start(&a, 'a');
	start(&run, &injector, a.port, "epoll_ctl", "error=ENOSPC:when=1");
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 0);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	inject_end(&injector);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.died"), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

/* Whether strace is here and may attach to a process that is not its own child. */
static bool
can_inject(void)
{
	char dir[] = "/tmp/iaido-test.XXXXXX";
	struct injector i = { 0 };
	pid_t pid;
	bool can;

	if (!mkdtemp(dir))
		return false;
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	can = inject(&i, dir, pid, "accept4", "error=EPERM");
	kill(i.pid, SIGTERM);
	kill(pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	unlink(i.trace_path);
	unlink(i.message_path);
	rmdir(dir);
	return can;
}

int
main(void)
{
	const TTest *const tests[] = { a_failed_accept_is_tried_again,
		no_socket_for_a_dial_is_no_fault_of_the_backend,
		no_local_port_is_no_fault_of_the_backend, without_pipes_streams_are_copied,
		where_splice_fails_in_the_middle_it_is_copied_from_there,
		interrupted_calls_are_made_again, what_a_ring_does_not_take_is_done_without_it,
		a_connection_that_cannot_be_watched_is_one_lost_and_no_more };

	/* A leak checker does not work in a process that is traced. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	if (!can_inject()) {
		fprintf(stderr, "skipped: strace is missing, or may not attach to processes\n");
		return 77;
	}
	return run_main("injected", tests, sizeof(tests) / sizeof(tests[0]));
}
