/* A stage for worker tests: see stage.h. */
#include "config.h"

#include "stage.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/worker.h"

static int
listen_anywhere(uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static void
fill_frontend(struct stage *s)
{
	struct table_frontend *f = &s->frontend;

	f->id = 3;
	f->name = strdup("127.0.0.1:0");
	f->max_connections = NO_LIMIT;
	f->idle_ns = 3600 * NSEC_PER_SEC;
	f->half_close_ns = 300 * NSEC_PER_SEC;
	f->wait_ns = 30 * NSEC_PER_SEC;
	f->maintenance_ns = 30 * NSEC_PER_SEC;
	f->hedge_ns = 300 * NSEC_PER_MSEC;
	f->keepalive_idle_ns = f->keepalive_interval_ns = 15 * NSEC_PER_SEC;
	f->keepalive_count = 3;
	f->user_timeout_ns = 60 * NSEC_PER_SEC;
	f->tier_count = 1;
	f->tiers = calloc(1, sizeof(*f->tiers));
	f->tiers[0].dial_timeout_ns = 2 * NSEC_PER_SEC;
	f->tiers[0].dial_failure_timeout_ns = NSEC_PER_SEC;
	f->slot_count = 1;
	f->slot_owners = calloc(1, sizeof(*f->slot_owners));
	f->slot_owners[0] = 7;
	f->backend_count = s->backend_count;
	f->backends = calloc(s->backend_count + 1, sizeof(*f->backends));
	for (unsigned int i = 0; i < s->backend_count; i++) {
		struct table_backend *b = &f->backends[i];

		b->cell = 10 + i;
		b->rank = i;
		b->limit = NO_LIMIT;
		ck_assert_int_eq(addr_parse("127.0.0.1", s->backend_ports[i], &b->addr), 0);
	}
}

static void
start_worker(struct stage *s, int chan_fd)
{
	struct worker_listener listener = { s->frontend.id, 0, -1 };
	struct worker_start start = { .number = 7, .generation = 1, .chan_fd = chan_fd };

	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid != 0)
		return;
	close(s->chan_fd);
	for (unsigned int i = 0; i < s->backend_count; i++)
		close(s->backend_fds[i]);
	listener.fd = s->listen_fd;
	start.board = &s->board;
	start.share = &s->share;
	start.listeners = &listener;
	start.listener_count = 1;
	_exit(worker_run(&start));
}

void
stage_open(struct stage *s, unsigned int backends)
{
	int fds[2], on = 1;

	memset(s, 0, sizeof(*s));
	signal(SIGPIPE, SIG_IGN);
	s->backend_count = backends;
	for (unsigned int i = 0; i < backends; i++)
		s->backend_fds[i] = listen_anywhere(&s->backend_ports[i]);
	s->listen_fd = listen_anywhere(&s->port);
	ck_assert_int_eq(setsockopt(s->listen_fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	ck_assert_int_eq(scoreboard_create(&s->board), 0);
	ck_assert_int_eq(share_create(&s->share), 0);
	ck_assert_int_eq(chan_pair(fds), 0);
	s->chan_fd = fds[0];
	fill_frontend(s);
	start_worker(s, fds[1]);
	close(fds[1]);
	stage_push(s);
}

static void
wait_applied(struct stage *s)
{
	struct pollfd p = { .fd = s->chan_fd, .events = POLLIN };
	struct chan_message raw;
	struct msg m;

	for (;;) {
		ck_assert_int_eq(poll(&p, 1, STAGE_DEADLINE_MS), 1);
		ck_assert_int_eq(chan_receive(s->chan_fd, &raw), 1);
		ck_assert_int_eq(msg_decode(&raw, MSG_FROM_WORKER, &m), 0);
		if (m.type == MSG_APPLIED && m.applied.number == s->table_number)
			return;
	}
}

void
stage_push(struct stage *s)
{
	struct route_table t = { .number = ++s->table_number, .frontend_count = 1 };
	struct msg_table m = { .number = s->table_number };
	int fd;

	t.frontends = &s->frontend;
	fd = table_to_memfd(&t);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(msg_send_table(s->chan_fd, &m, fd), 0);
	close(fd);
	wait_applied(s);
}

void
stage_drain(struct stage *s, const struct msg_drain *m)
{
	ck_assert_int_eq(msg_send_drain(s->chan_fd, m), 0);
}

int
stage_wait_exit(struct stage *s)
{
	int64_t end_ns = clock_now_ns() + STAGE_DEADLINE_MS * NSEC_PER_MSEC;
	struct timespec pause = { 0, 2000000 };
	int status;

	while (waitpid(s->pid, &status, WNOHANG) == 0) {
		ck_assert_msg(clock_now_ns() < end_ns, "the worker does not leave");
		nanosleep(&pause, NULL);
	}
	s->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void
stage_hold(const struct stage *s)
{
	int status;

	ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
	ck_assert(WIFSTOPPED(status));
}

void
stage_go_on(const struct stage *s)
{
	ck_assert_int_eq(kill(s->pid, SIGCONT), 0);
}

void
stage_close(struct stage *s)
{
	if (s->pid > 0) {
		ck_assert_int_eq(msg_send_stop(s->chan_fd), 0);
		ck_assert_int_eq(stage_wait_exit(s), 0);
	}
	close(s->chan_fd);
	close(s->listen_fd);
	for (unsigned int i = 0; i < s->backend_count; i++) {
		if (s->backend_fds[i] >= 0)
			close(s->backend_fds[i]);
	}
	table_frontend_fini(&s->frontend);
	share_close(&s->share);
	scoreboard_close(&s->board);
}

static void
set_deadline(int fd)
{
	struct timeval tv = { .tv_sec = STAGE_DEADLINE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int
stage_connect(const struct stage *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	set_deadline(fd);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

int
stage_accept(const struct stage *s, unsigned int backend)
{
	struct pollfd p = { .fd = s->backend_fds[backend], .events = POLLIN };
	int fd;

	ck_assert_int_eq(poll(&p, 1, STAGE_DEADLINE_MS), 1);
	fd = accept(p.fd, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	set_deadline(fd);
	return fd;
}

void
stage_wait_active(struct stage *s, uint32_t cell, uint32_t active)
{
	int64_t end_ns = clock_now_ns() + STAGE_DEADLINE_MS * NSEC_PER_MSEC;
	struct timespec pause = { 0, 2000000 };

	while (PLACE_ACTIVE(atomic_load(&s->board.words[cell])) != active) {
		ck_assert_msg(clock_now_ns() < end_ns, "cell %u has %u active, not %u", cell,
			PLACE_ACTIVE(atomic_load(&s->board.words[cell])), active);
		nanosleep(&pause, NULL);
	}
}

uint64_t
stage_ended(struct stage *s, enum ended_by by, enum ended_reason reason)
{
	return SHARE_GET(s->share.frontends[s->frontend.id].ended[by][reason]);
}

void
stage_wait_ended(struct stage *s, enum ended_by by, enum ended_reason reason, uint64_t count)
{
	int64_t end_ns = clock_now_ns() + STAGE_DEADLINE_MS * NSEC_PER_MSEC;
	struct timespec pause = { 0, 2000000 };

	while (stage_ended(s, by, reason) != count) {
		ck_assert_msg(clock_now_ns() < end_ns, "%s %s: %llu, not %llu", ended_by_name(by),
			ended_reason_name(reason), (unsigned long long)stage_ended(s, by, reason),
			(unsigned long long)count);
		nanosleep(&pause, NULL);
	}
}
