/*
 * The floor: the least that any relay has to do. One thread, one epoll set, every socket
 * registered once and edge-triggered; no limits, timers, counters, log or errors worth a name.
 *
 *     floor copy|splice LISTEN-PORT BACKEND-PORT [PROCESSES]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench.h"

#define TURN 8 /* moves for a direction before the others have theirs */

struct pair;

/* One socket, and the direction of the bytes that are read from it. */
struct end {
	struct pair *pair;
	struct end *peer;
	int fd;
	int pipe[2];
	char *left; /* what the peer did not take; in splice mode it is in the pipe */
	size_t left_len;
	bool eof; /* read to the end, and passed on */
	bool is_hung_up; /* the end is in sight: a short read is not the last */
	bool is_ready; /* on the list of those whose turn was over */
};

struct pair {
	struct end end[2];
	struct pair *next_dead;
	bool is_dead;
};

static struct end *ready[65536];
static struct pair *dead;
static char buffer[BENCH_CHUNK];
static int epoll_fd, spare_pipe[2] = { -1, -1 };
static unsigned ready_count;
static bool is_splice;

static void
pair_kill(struct pair *p)
{
	if (p->is_dead)
		return;
	p->is_dead = true;
	p->next_dead = dead;
	dead = p;
	for (int i = 0; i < 2; i++) {
		close(p->end[i].fd);
		if (p->end[i].pipe[0] >= 0) {
			close(p->end[i].pipe[0]);
			close(p->end[i].pipe[1]);
		}
		free(p->end[i].left);
	}
}

/* A pipe belongs to a direction only while there are bytes in it. */
static void
end_take_pipe(struct end *e)
{
	if (e->pipe[0] >= 0)
		return;
	if (spare_pipe[0] < 0) {
		if (pipe2(spare_pipe, O_NONBLOCK | O_CLOEXEC) < 0)
			err(1, "pipe2");
		fcntl(spare_pipe[1], F_SETPIPE_SZ, 1 << 20);
	}
	memcpy(e->pipe, spare_pipe, sizeof e->pipe);
	spare_pipe[0] = spare_pipe[1] = -1;
}

static void
end_give_pipe(struct end *e)
{
	if (spare_pipe[0] < 0) {
		memcpy(spare_pipe, e->pipe, sizeof spare_pipe);
	} else {
		close(e->pipe[0]);
		close(e->pipe[1]);
	}
	e->pipe[0] = e->pipe[1] = -1;
}

/* Sends what is left, or len bytes of the buffer. Returns 1 if all went, 0 if not, -1 on error. */
static int
end_put(struct end *e, size_t len)
{
	const char *from = e->left != NULL ? e->left : buffer;
	ssize_t n;

	if (is_splice)
		n = splice(e->pipe[0], NULL, e->peer->fd, NULL, len,
			SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	else
		n = send(e->peer->fd, from, len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		return -1;
	e->left_len = n > 0 ? len - (size_t)n : len;
	if (e->left_len == 0) {
		if (is_splice)
			end_give_pipe(e);
		free(e->left);
		e->left = NULL;
		return 1;
	}
	if (is_splice)
		return 0;
	if (e->left == NULL && (e->left = malloc(sizeof buffer)) == NULL)
		return -1;
	memmove(e->left, from + (n > 0 ? n : 0), e->left_len);
	return 0;
}

static ssize_t
end_get(struct end *e)
{
	ssize_t n;

	if (!is_splice)
		return recv(e->fd, buffer, sizeof buffer, 0);
	end_take_pipe(e);
	n = splice(e->fd, NULL, e->pipe[1], NULL, 1 << 20, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n <= 0)
		end_give_pipe(e);
	return n;
}

/* Moves bytes from e to its peer until either is at its end or the turn is over. */
static int
end_pump(struct end *e)
{
	ssize_t n;
	int r;

	if (e->left_len > 0 && (r = end_put(e, e->left_len)) <= 0)
		return r;
	for (int i = 0; i < TURN && !e->eof; i++) {
		n = end_get(e);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0) {
			e->eof = true;
			if (e->peer->eof)
				return -1;
			return shutdown(e->peer->fd, SHUT_WR);
		}
		if ((r = end_put(e, (size_t)n)) <= 0)
			return r;
		/* A short read says "empty"; a short splice may also say "no slot in the pipe". */
		if ((size_t)n < sizeof buffer && !is_splice && !e->is_hung_up)
			return 0;
	}
	if (!e->eof && !e->is_ready && ready_count < sizeof ready / sizeof ready[0]) {
		e->is_ready = true;
		ready[ready_count++] = e;
	}
	return 0;
}

static void
on_event(struct end *e, uint32_t events)
{
	if (e->pair->is_dead)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		e->is_hung_up = true;
	if (events & EPOLLERR || (events & (EPOLLIN | EPOLLRDHUP) && end_pump(e) < 0) ||
		(events & EPOLLOUT && e->peer->left_len > 0 && end_pump(e->peer) < 0))
		pair_kill(e->pair);
}

static void
on_accept(int listen_fd, const struct sockaddr_in *backend)
{
	for (int fd; (fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
		struct pair *p = calloc(1, sizeof *p);

		if (p == NULL)
			err(1, "pair");
		p->end[0].fd = fd;
		p->end[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		bench_set_nodelay(p->end[1].fd);
		if (connect(p->end[1].fd, (const struct sockaddr *)backend, sizeof *backend) < 0 &&
			errno != EINPROGRESS)
			err(1, "connect");
		for (int i = 1; i >= 0; i--) {
			struct end *e = &p->end[i];
			struct epoll_event ev = { EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				{ .ptr = e } };

			e->pair = p;
			e->peer = &p->end[!i];
			e->pipe[0] = e->pipe[1] = -1;
			if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, e->fd, &ev) < 0)
				err(1, "epoll_ctl");
		}
	}
}

/* Those whose turn was over move on: the new list grows behind the old one, then takes its place,
 * without those that died in between. */
static void
run_ready(void)
{
	unsigned old_count = ready_count, kept = 0;

	for (unsigned i = 0; i < old_count; i++) {
		ready[i]->is_ready = false;
		if (!ready[i]->pair->is_dead && end_pump(ready[i]) < 0)
			pair_kill(ready[i]->pair);
	}
	for (unsigned i = old_count; i < ready_count; i++) {
		if (!ready[i]->pair->is_dead)
			ready[kept++] = ready[i];
	}
	ready_count = kept;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256], ev = { EPOLLIN, { .ptr = NULL } };
	struct sockaddr_in backend;
	unsigned port, processes = 1;
	int listen_fd;

	if (argc != 4 && argc != 5)
		errx(2, "usage: floor copy|splice LISTEN-PORT BACKEND-PORT [PROCESSES]");
	signal(SIGPIPE, SIG_IGN); /* splice() knows no MSG_NOSIGNAL */
	is_splice = strcmp(argv[1], "splice") == 0;
	port = bench_number(argv[2]);
	backend = bench_loopback(bench_number(argv[3]));
	if (argc == 5)
		processes = bench_number(argv[4]);
	for (; processes > 1 && fork() > 0; processes--)
		;
	listen_fd = bench_listen(&port);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev) < 0)
		err(1, "epoll");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, ready_count > 0 ? 0 : -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				on_accept(listen_fd, &backend);
			else
				on_event(events[i].data.ptr, events[i].events);
		}
		run_ready();
		for (struct pair *p; (p = dead) != NULL; free(p))
			dead = p->next_dead;
	}
}
