/* Faults that need no injector: overflowing queues, memory and logs that run out, sessions that end
 * in every order. What is not shown here stands beside its subject. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "stream.h"

#define CONF \
	"workers: %d\nfrontends:\n  - bindAddress: 127.0.0.1:0\n    backlog: %d\n" \
	"    backendPool:\n      tiers:\n        - targets: [{hosts: [127.0.0.1], port: %u}]\n"

static pid_t
only_worker(struct run *run)
{
	pid_t worker = 0;

	run_wait_log(run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run->pid, &worker, 1), 1);
	return worker;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Begins a connection without waiting for it. */
static int
begin_connect(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 || errno == EINPROGRESS);
	return fd;
}

START_TEST(an_overflowing_queue_is_served_in_the_end)
{
	struct peer a = { 0 };
	struct run run;
	int fds[12];
	pid_t worker;

	peer_start(&a, 'a');
	run_iaido(&run, 1, CONF, 1, 2, a.port);
	worker = only_worker(&run);
	kill(worker, SIGSTOP);
	for (int i = 0; i < 12; i++)
		fds[i] = begin_connect(run_port(&run, 0));
	kill(worker, SIGCONT);
	for (int i = 0; i < 12; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLOUT };

		/* Under SYN cookies the kernel forgets a client whose handshake ended in a full
		 * queue; what that one sends brings it back. */
		ck_assert_int_eq(poll(&p, 1, RUN_DEADLINE_MS), 1);
		ck_assert_int_eq(send(fds[i], "q", 1, MSG_NOSIGNAL), 1);
		p.events = POLLIN;
		ck_assert_int_eq(poll(&p, 1, RUN_DEADLINE_MS), 1);
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
		close(fds[i]);
	}
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

#define CROWD 1200

START_TEST(no_worker_hogs_the_connections)
{
	static int fds[CROWD];
	struct rlimit limit;
	struct peer a = { 0 };
	struct run run;
	pid_t workers[4];

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	peer_start(&a, 'a');
	run_iaido(&run, 1, CONF, 4, 4096, a.port);
	run_wait_log(&run, "event=master.ready", 1);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = peer_connect(run_port(&run, 0));
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
	}
	ck_assert_uint_eq(family_children(run.pid, workers, 4), 4);
	for (int i = 0; i < 4; i++) {
		size_t held = family_count_fds(workers[i]) / 2;

		/* A quarter each, and what chance adds to that. */
		ck_assert_uint_ge(held, CROWD / 4 * 3 / 4);
		ck_assert_uint_le(held, CROWD / 4 * 4 / 3);
	}
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

static void
end(int fd, bool by_reset)
{
	struct linger hard = { .l_onoff = 1 };

	if (by_reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

struct tally {
	struct run *run;
	unsigned int ended;
};

static bool
have_all_ended(void *arg)
{
	struct tally *t = arg;

	return run_count_log(t->run, "event=connection.ended") >= t->ended;
}

START_TEST(sessions_may_end_in_any_order)
{
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, 64);
	struct tally t = { .run = &run, .ended = 600 };

	run_iaido(&run, 1, "log: {connections: true}\n" CONF, 1, 64, port);
	/* FIN or reset, from one side or both, with bytes on the way or without. */
	for (unsigned int i = 0; i < t.ended; i++) {
		int client = peer_connect(run_port(&run, 0));
		int server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		int first = i & 1 ? client : server, second = i & 1 ? server : client;

		ck_assert(client >= 0 && server >= 0);
		/* Before a byte has passed, a reset would only lead to another backend. */
		ck_assert_int_eq(stream_send(server, 0, 0, 1), 0);
		stream_read(client, 0, 0, 1);
		if (i & 2)
			ck_assert_int_eq(stream_send(first, i, 0, 1000), 0);
		if (i & 4)
			ck_assert_int_eq(stream_send(second, i, 0, 1000), 0);
		end(first, i & 8);
		end(second, i & 16);
	}
	/* Each ended once, no more and no less. */
	ck_assert(run_wait_until(have_all_ended, &t));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	ck_assert_uint_eq(run_count_log(&run, "event=connection.ended"), t.ended);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.died"), 0);
	close(listen_fd);
}
END_TEST

START_TEST(what_a_backend_says_before_it_resets_at_once_arrives)
{
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, 64);

	run_iaido(&run, 1, CONF, 1, 64, port);
	for (uint32_t i = 0; i < 40; i++) {
		int client = peer_connect(run_port(&run, 0));
		int server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		/* Now and then this is all over before the worker looks at its dial. */
		ck_assert_int_eq(stream_send(server, i, 0, 500), 0);
		end(server, true);
		stream_read(client, i, 0, 500);
		ck_assert_int_lt(recv(client, &byte, 1, 0), 0);
		ck_assert_int_eq(errno, ECONNRESET);
		close(client);
	}
	ck_assert_uint_eq(run_count_log(&run, "event=backend.failed"), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	close(listen_fd);
}
END_TEST

START_TEST(no_byte_of_one_session_reaches_another)
{
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, 64);

	run_iaido(&run, 1, CONF, 1, 64, port);
	for (uint32_t i = 0; i < 60; i++) {
		int client = peer_connect(run_port(&run, 0));
		int server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t sender = stream_send_beside(server, i, 64U << 20);

		/* In the middle of a stream one of the two goes, with full pipes on the way. */
		stream_read(client, i, 0, 1U << 20);
		if (i % 3 == 0)
			kill(sender, SIGKILL);
		if (i % 3 == 1)
			end(client, true);
		close(server);
		if (i % 3 != 1)
			close(client);
		kill(sender, SIGKILL);
		waitpid(sender, NULL, 0);
	}
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	close(listen_fd);
}
END_TEST

START_TEST(a_stream_that_turns_to_single_bytes_arrives_whole)
{
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, 64), client, server, one = 1;
	size_t at = 4U << 20;
	pid_t sender;

	run_iaido(&run, 1, CONF, 1, 64, port);
	client = peer_connect(run_port(&run, 0));
	server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	sender = stream_send_beside(server, 7, at);
	ck_assert_int_eq(waitpid(sender, NULL, 0) == sender || errno == ECHILD, 1);
	/* Nobody reads these yet: a pipe has few places for bytes that come one by one. */
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(stream_send(server, 7, at++, 1), 0);
	stream_read(client, 7, 0, at);
	close(client);
	close(server);
	close(listen_fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

static unsigned int
count_pipes(pid_t pid)
{
	char path[320], target[64];
	unsigned int count = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			count += strncmp(target, "pipe:", 5) == 0;
		}
	}
	closedir(d);
	return count;
}

struct pipes {
	pid_t pid;
	unsigned int usual;
	bool more;
};

static bool
has_more_pipes_or_usual(void *arg)
{
	const struct pipes *p = arg;

	return p->more == (count_pipes(p->pid) > p->usual);
}

START_TEST(pipes_are_given_back_when_no_stream_needs_them)
{
	struct run run;
	struct pipes pipes = { .more = true };
	uint16_t port;
	int listen_fd = stream_listen(&port, 64), clients[20], servers[20];
	pid_t senders[20];

	run_iaido(&run, 1, CONF, 1, 256, port);
	pipes.pid = only_worker(&run);
	pipes.usual = count_pipes(pipes.pid);
	/* Their clients do not read yet, so that each holds a pipe. */
	for (uint32_t i = 0; i < 20; i++) {
		clients[i] = peer_connect(run_port(&run, 0));
		servers[i] = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		senders[i] = stream_send_beside(servers[i], i, 32U << 20);
	}
	ck_assert(run_wait_until(has_more_pipes_or_usual, &pipes));
	for (uint32_t i = 0; i < 20; i++) {
		stream_read(clients[i], i, 0, 32U << 20);
		waitpid(senders[i], NULL, 0);
	}
	/* The connections are still there, idle. */
	pipes.more = false;
	ck_assert(run_wait_until(has_more_pipes_or_usual, &pipes));
	for (uint32_t i = 0; i < 20; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	close(listen_fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

START_TEST(the_end_of_an_answer_does_not_wait_for_more)
{
	struct run run;
	uint16_t port;
	int listen_fd = stream_listen(&port, 64), client, server;
	int64_t begun_ms;

	run_iaido(&run, 1, CONF, 1, 64, port);
	client = peer_connect(run_port(&run, 0));
	server = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	begun_ms = now_ms();
	/* Held back for want of more, each of these would take 200 ms: 20 s in all. */
	for (uint32_t i = 0; i < 100; i++) {
		size_t bytes = (200U << 10) + 100;
		pid_t sender;

		ck_assert_int_eq(stream_send(client, i, 0, 100), 0);
		stream_read(server, i, 0, 100);
		sender = stream_send_beside(server, i, bytes);
		stream_read(client, i, 0, bytes);
		waitpid(sender, NULL, 0);
	}
	ck_assert_int_lt(now_ms() - begun_ms, 15000);
	close(client);
	close(server);
	close(listen_fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

START_TEST(a_full_disk_under_the_log_stops_nothing)
{
	struct peer a = { 0 };
	struct run run;
	struct rlimit limit = { 0, RLIM_INFINITY };

	peer_start(&a, 'a');
	run_iaido(&run, 1, "log: {connections: true}\n" CONF, 1, 64, a.port);
	run_wait_log(&run, "event=master.ready", 1);
	/* Not a byte more may be written to files. */
	ck_assert_int_eq(prlimit(only_worker(&run), RLIMIT_FSIZE, &limit, NULL), 0);
	ck_assert_int_eq(prlimit(run.pid, RLIMIT_FSIZE, &limit, NULL), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	ck_assert_uint_eq(run_count_log(&run, "event=connection.ended"), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(without_memory_connections_wait_and_the_worker_lives)
{
	struct peer a = { 0 };
	struct run run;
	struct rlimit tight = { 1, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
	static int fds[600];
	pid_t worker;
	int first;

#if defined(__SANITIZE_ADDRESS__)
	return; /* the sanitizer itself ends a process that gets no memory */
#endif
	peer_start(&a, 'a');
	run_iaido(&run, 1, CONF, 1, 4096, a.port);
	worker = only_worker(&run);
	first = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(first), 'a');
	/* No mapping can grow any more; what the heap has left serves a few. */
	ck_assert_int_eq(prlimit(worker, RLIMIT_AS, &tight, NULL), 0);
	for (int i = 0; i < 600; i++)
		ck_assert_int_ge(fds[i] = peer_connect(run_port(&run, 0)), 0);
	ck_assert_int_eq(peer_echo(first), 0);
	ck_assert_int_eq(prlimit(worker, RLIMIT_AS, &none, NULL), 0);
	/* Who was not served waits, or was reset; new clients are served. */
	for (int i = 0; i < 600; i++) {
		(void)peer_greeting(fds[i]);
		close(fds[i]);
	}
	ck_assert_int_eq(peer_echo(first), 0);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	close(first);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.died"), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("faults", an_overflowing_queue_is_served_in_the_end, no_worker_hogs_the_connections,
	sessions_may_end_in_any_order, what_a_backend_says_before_it_resets_at_once_arrives,
	no_byte_of_one_session_reaches_another, a_stream_that_turns_to_single_bytes_arrives_whole,
	pipes_are_given_back_when_no_stream_needs_them, the_end_of_an_answer_does_not_wait_for_more,
	a_full_disk_under_the_log_stops_nothing,
	without_memory_connections_wait_and_the_worker_lives)
