/*
 * The server behind every proxy that is measured: one process, one epoll loop. It listens on as
 * many free ports as it is asked for (one for each proxy, so that none pays for another's
 * connections in TIME_WAIT), prints them in one line, and does what each request says.
 *
 *     backend COUNT COUNTERS-FILE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "bench.h"

struct session {
	int fd;
	int is_listener;
	int is_sink;
	int wants_out;
	size_t request_len; /* how much of the request has come */
	uint64_t left; /* how much of the answer is owed */
	struct bench_request request;
};

static char chunk[BENCH_CHUNK];
static struct bench_counters *counters;
static int epoll_fd;

static void
session_watch(struct session *s, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(epoll_fd, op, s->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

/* The loop owns it from here on. */
static void
session_start(int fd, int is_listener)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		err(1, "session");
	s->fd = fd;
	s->is_listener = is_listener;
	session_watch(s, EPOLL_CTL_ADD, EPOLLIN);
} /* NOLINT(clang-analyzer-unix.Malloc): the epoll set has it now */

static void
session_free(struct session *s)
{
	close(s->fd);
	free(s);
}

static void
on_listener_readable(struct session *listener)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0)
			err(1, "accept");
		session_start(fd, 0);
	}
}

/* Sends what is owed, at most a chunk for each turn of the loop. Returns -1 if the client went. */
static int
session_send(struct session *s)
{
	size_t len = s->left < sizeof chunk ? (size_t)s->left : sizeof chunk;
	ssize_t n = len > 0 ? send(s->fd, chunk, len, MSG_NOSIGNAL) : 0;
	int wants_out;

	if (n < 0 && errno != EAGAIN)
		return -1;
	if (n > 0 && s->request.kind == BENCH_ANSWER)
		s->left -= (uint64_t)n;
	wants_out = s->left > 0;
	if (wants_out != s->wants_out)
		session_watch(s, EPOLL_CTL_MOD, wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
	s->wants_out = wants_out;
	return 0;
}

/* Returns -1 if the client went or sent what is not a request. */
static int
session_receive(struct session *s)
{
	char *into = (char *)&s->request + s->request_len;
	size_t want = sizeof s->request - s->request_len;
	ssize_t n = s->is_sink ? recv(s->fd, chunk, sizeof chunk, 0) : recv(s->fd, into, want, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	if (s->is_sink) {
		__atomic_fetch_add(&counters->received_bytes, (uint64_t)n, __ATOMIC_RELAXED);
		return 0;
	}
	s->request_len += (size_t)n;
	if (s->request_len < sizeof s->request)
		return 0;
	s->request_len = 0;
	switch (s->request.kind) {
	case BENCH_ANSWER:
		s->left += s->request.size;
		return session_send(s);
	case BENCH_DOWN:
		s->left = UINT64_MAX;
		return session_send(s);
	case BENCH_UP:
		s->is_sink = 1;
		return 0;
	default:
		warnx("not a request: kind %llu", (unsigned long long)s->request.kind);
		return -1;
	}
}

static void
on_session_event(struct session *s, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && session_receive(s) < 0) {
		session_free(s);
		return;
	}
	if (events & EPOLLOUT && session_send(s) < 0)
		session_free(s);
}

static struct bench_counters *
counters_create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map;

	if (fd < 0 || ftruncate(fd, sizeof(struct bench_counters)) < 0)
		err(1, "%s", path);
	map = mmap(NULL, sizeof(struct bench_counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "%s: mmap", path);
	close(fd);
	return map;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];

	if (argc != 3)
		errx(2, "usage: backend COUNT COUNTERS-FILE");
	counters = counters_create(argv[2]);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		err(1, "epoll_create1");
	for (unsigned i = bench_number(argv[1]); i > 0; i--) {
		unsigned port = 0;

		session_start(bench_listen(&port), 1);
		printf("%u%c", port, i > 1 ? ' ' : '\n');
	}
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++) {
			struct session *s = events[i].data.ptr;

			if (s->is_listener)
				on_listener_readable(s);
			else
				on_session_event(s, events[i].events);
		}
	}
}
