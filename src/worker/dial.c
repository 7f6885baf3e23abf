/* Dialling: one dial of the connection's own, which is never given up for being slow, and one beside
 * it, the hedge, which moves on to the next best backend as long as none answers. A dial that was
 * overtaken runs on without its client: its end decides whether its backend failed. */
#include "config.h"

#include "worker/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/msg.h"

#include "worker/acceptor.h"
#include "worker/frontend.h"

/* A hedge that has not answered for this long (or twice its backend's latency) makes way. */
#define HEDGE_STEP_NS (30 * NSEC_PER_MSEC)
/* A port of this host's own choice could be the very port that is dialled (a self-connect); worth a
 * look when the backend has not answered for this long. */
#define SELF_CONNECT_NS (100 * NSEC_PER_MSEC)

bool
dial_error_is_local(int error)
{
	switch (error) {
	case EADDRNOTAVAIL:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EPERM:
		return true;
	default:
		return false;
	}
}

/* The failed flag is set for every worker at once; the master hears of it once. */
static void
backend_failed(struct worker *w, uint32_t cell, int error)
{
	struct msg_dial_failed m = { .cell = cell, .error = error };

	SHARE_ADD(w->share->cells[cell].dials_failed, 1);
	if (dial_error_is_local(error))
		return;
	if (!place_fail(w->board, cell, error, clock_now_ns()))
		return;
	/* A full channel loses nothing: the master also looks at the flags. */
	if (msg_send_dial_failed(w->chan_fd, &m) < 0)
		return;
}

static void
backend_answered(struct worker *w, uint32_t cell, int64_t started_ns)
{
	struct share_cell *s = &w->share->cells[cell];
	int64_t now_ns = clock_now_ns(), took_us = (now_ns - started_ns) / NSEC_PER_USEC;

	SHARE_ADD(s->dials_ok, 1);
	SHARE_SET(s->last_dial_us, took_us > 0 ? (uint32_t)took_us : 1);
	SHARE_SET(s->last_dial_ns, now_ns);
}

/* Returns a socket whose connect() is under way, or -errno. */
static int
open_socket(struct worker *w, const struct addr *a)
{
	int fd, error;

	fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &a->sa, addr_len(a)) < 0 && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		return -error;
	}
	w->descriptors++;
	return fd;
}

/* What a socket's event says of its dial: 0 = connected, -EINPROGRESS = nothing yet, or -errno.
 * Written alone means connected; with read it may be a refusal as well. */
static int
dial_outcome(int fd, short what)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(what & EV_WRITE))
		return -EINPROGRESS;
	if (!(what & (EV_READ | EV_CLOSED)))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static bool
is_self_connected(int fd)
{
	struct sockaddr_storage here = { 0 }, there = { 0 };
	socklen_t here_len = sizeof(here), there_len = sizeof(there);
	struct addr a, b;

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
		getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
		return false;
	return addr_from_sockaddr((struct sockaddr *)&here, here_len, &a) == 0 &&
		addr_from_sockaddr((struct sockaddr *)&there, there_len, &b) == 0 &&
		addr_equal(&a, &b);
}

static bool
may_be_self_connected(struct worker *w, uint32_t cell, int fd)
{
	int64_t last_ns = SHARE_GET(w->share->cells[cell].last_dial_ns);

	return clock_coarse_ns() - last_ns > SELF_CONNECT_NS && is_self_connected(fd);
}

static int64_t
hedge_delay_ns(const struct frontend *f, const struct table_backend *b)
{
	int64_t twice_ns = 2 * b->latency_ns;

	if (f->conf.hedge_ns == 0)
		return 0;
	return twice_ns > f->conf.hedge_ns ? twice_ns : f->conf.hedge_ns;
}

/* When the connection's own dial, begun some time ago, is late. */
static int64_t
next_hedge_ns(const struct conn *c)
{
	const struct table_backend *b = frontend_backend(c->frontend, c->cell);
	int64_t delay_ns = b != NULL ? hedge_delay_ns(c->frontend, b) : 0;

	return delay_ns > 0 ? c->setup->dial_started_ns + delay_ns : INT64_MAX;
}

static void
schedule_conn(struct conn *c)
{
	struct conn_setup *s = c->setup;
	int64_t due_ns = s->wait_until_ns;

	if (c->state == CONN_DIALING) {
		if (s->dial_until_ns < due_ns)
			due_ns = s->dial_until_ns;
		if (s->hedge_at_ns < due_ns)
			due_ns = s->hedge_at_ns;
	}
	wheel_set(&c->worker->wheel, &c->wheel, due_ns);
	worker_arm_wheel(c->worker, due_ns);
}

static void
set_suspect(struct worker *w, uint32_t cell, bool *flag, bool suspect)
{
	if (*flag == suspect)
		return;
	*flag = suspect;
	if (suspect)
		place_suspect_add(w->board, w->share, cell);
	else
		place_suspect_remove(w->board, w->share, cell);
}

/* ---- dials beside a connection's own ---- */

static void on_dial(evutil_socket_t fd, short what, void *arg);

static struct dial *
dial_new(struct worker *w, uint32_t cell, int fd)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->worker = w;
	d->fd = fd;
	d->cell = cell;
	if (event_assign(&d->event, w->base, fd,
		    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_dial, d) < 0 ||
		event_add(&d->event, NULL) < 0) {
		free(d);
		return NULL;
	}
	LIST_INSERT_HEAD(&w->dials, d, link);
	return d;
}

/* Lets go of the socket without closing it. The place, where held, stays with the caller. */
static int
dial_detach(struct dial *d)
{
	int fd = d->fd;

	event_del(&d->event);
	wheel_clear(&d->worker->dial_wheel, &d->wheel);
	set_suspect(d->worker, d->cell, &d->suspect, false);
	LIST_REMOVE(d, link);
	free(d);
	return fd;
}

/* Ends a dial that no client wants: reset, so that the backend's program has nothing to read. */
static void
dial_drop(struct dial *d)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct worker *w = d->worker;
	uint32_t cell = d->cell;
	int fd = dial_detach(d);

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	w->descriptors--;
	place_release(w->board, w->share, cell);
}

static void
schedule_dial(struct dial *d, int64_t until_ns)
{
	d->until_ns = until_ns;
	wheel_set(&d->worker->dial_wheel, &d->wheel, until_ns);
	worker_arm_wheel(d->worker, until_ns);
}

/* Goes on without its client, who has gone. */
static void
dial_part(struct dial *d)
{
	d->conn->setup->hedge = NULL;
	d->conn = NULL;
}

/* Goes on without its client, who has found another backend: until it answers, it is suspect. */
static void
dial_overtaken(struct dial *d)
{
	dial_part(d);
	set_suspect(d->worker, d->cell, &d->suspect, true);
}

/* The connection's own dial goes on without it, as a dial of the worker's. */
static void
orphan_own_dial(struct conn *c, bool overtaken)
{
	struct worker *w = c->worker;
	struct endpoint *e = &c->end[BACKEND];
	struct dial *d;

	event_del(&e->event);
	e->registered = false;
	d = dial_new(w, c->cell, e->fd);
	if (d == NULL) {
		endpoint_close(w, e, true);
		set_suspect(w, c->cell, &c->setup->suspect, false);
		conn_release_place(c);
		return;
	}
	d->started_ns = c->setup->dial_started_ns;
	d->suspect = c->setup->suspect;
	c->setup->suspect = false;
	e->fd = -1;
	conn_give_away_place(c);
	if (overtaken)
		set_suspect(w, d->cell, &d->suspect, true);
	schedule_dial(d, c->setup->dial_until_ns);
}

/* The hedge becomes the connection's own dial (or its backend, once it has answered). */
static int
adopt_hedge(struct conn *c)
{
	struct dial *d = c->setup->hedge;
	uint32_t cell = d->cell;

	c->setup->dial_started_ns = d->started_ns;
	c->setup->dial_until_ns = d->until_ns;
	c->setup->hedge = NULL;
	c->end[BACKEND].fd = dial_detach(d);
	c->end[BACKEND].writable = true;
	conn_take_place(c, cell);
	return endpoint_register(c, BACKEND);
}

static void
hedge_answered(struct dial *d)
{
	struct conn *c = d->conn;

	orphan_own_dial(c, true);
	if (adopt_hedge(c) < 0) {
		conn_set_ending(c, ENDED_BY_IAIDO, ENDED_ERROR);
		conn_close(c, true);
		return;
	}
	conn_connected(c);
}

static void
dial_failed(struct dial *d, int error)
{
	struct worker *w = d->worker;
	struct conn *c = d->conn;
	uint32_t cell = d->cell;

	if (c != NULL) {
		c->setup->hedge = NULL;
		c->setup->dial_failed = true;
		tried_add(&c->setup->tried, cell);
	}
	/* Failed before the suspicion is lifted: nobody is to pick it in between. */
	backend_failed(w, cell, error);
	dial_drop(d);
	if (c != NULL) {
		c->setup->hedge_at_ns = clock_coarse_ns();
		schedule_conn(c);
	}
}

static void
on_dial(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	struct worker *w = d->worker;
	int r = dial_outcome(fd, what);

	if (r == 0 && may_be_self_connected(w, d->cell, fd))
		r = -ECONNREFUSED;
	if (r == -EINPROGRESS)
		return;
	if (r < 0) {
		dial_failed(d, -r);
	} else {
		backend_answered(w, d->cell, d->started_ns);
		if (d->conn != NULL)
			hedge_answered(d);
		else
			dial_drop(d);
	}
	conn_reap(w);
	worker_check_drained(w);
}

void
dial_expire(struct dial *d)
{
	dial_failed(d, ETIMEDOUT);
}

void
dial_free_all(struct worker *w)
{
	struct dial *d;

	while ((d = LIST_FIRST(&w->dials)) != NULL)
		dial_drop(d);
}

/* ---- a connection's own dial ---- */

static void
dial_lost(struct conn *c, int error)
{
	c->setup->dial_failed = true;
	tried_add(&c->setup->tried, c->cell);
	backend_failed(c->worker, c->cell, error);
	set_suspect(c->worker, c->cell, &c->setup->suspect, false);
	conn_release_place(c);
}

/* Opens the dial to a backend whose place the connection holds. Returns 0 or -errno. */
static int
open_own_dial(struct conn *c, const struct table_backend *b)
{
	struct frontend *f = c->frontend;
	struct conn_setup *s = c->setup;
	int64_t delay_ns = hedge_delay_ns(f, b);
	int fd, r;

	s->dial_started_ns = clock_now_ns();
	fd = open_socket(c->worker, &b->addr);
	if (fd < 0)
		return fd;
	s->dial_until_ns = s->dial_started_ns + f->conf.tiers[b->tier].dial_timeout_ns;
	s->hedge_at_ns = delay_ns > 0 ? s->dial_started_ns + delay_ns : INT64_MAX;
	c->end[BACKEND].fd = fd;
	c->end[BACKEND].readable = false;
	c->end[BACKEND].closed_seen = false;
	c->end[BACKEND].writable = true;
	r = endpoint_register(c, BACKEND);
	if (r < 0)
		endpoint_close(c->worker, &c->end[BACKEND], true);
	return r;
}

static void
wait_for_backend(struct conn *c)
{
	struct frontend *f = c->frontend;

	tried_fini(&c->setup->tried);
	c->state = CONN_WAITING;
	if (!c->in_waiting) {
		c->in_waiting = true;
		f->waiting_count++;
		TAILQ_INSERT_TAIL(&f->waiting, c, turn_link);
	}
	schedule_conn(c);
	acceptor_poll_soon(c->worker->acceptor);
}

static void
leave_waiting(struct conn *c)
{
	if (!c->in_waiting)
		return;
	c->in_waiting = false;
	c->frontend->waiting_count--;
	TAILQ_REMOVE(&c->frontend->waiting, c, turn_link);
}

/* Tries backends, the given one first, until one dial is under way or none is left. */
static void
dial_from(struct conn *c, int backend)
{
	struct frontend *f = c->frontend;
	struct worker *w = c->worker;
	int r;

	for (; backend != PICK_NONE;
		backend = picker_take(&f->picker, w->board, w->share, &c->setup->tried, &w->rng)) {
		const struct table_backend *b = &f->conf.backends[backend];

		if (c->cell == NO_CELL)
			conn_take_place(c, b->cell);
		r = open_own_dial(c, b);
		if (r == 0) {
			leave_waiting(c);
			c->state = CONN_DIALING;
			schedule_conn(c);
			return;
		}
		dial_lost(c, -r);
	}
	wait_for_backend(c);
}

void
dial_start(struct conn *c, uint32_t backend)
{
	dial_from(c, (int)backend);
}

void
dial_next(struct conn *c)
{
	struct frontend *f = c->frontend;
	struct worker *w = c->worker;

	if (c->setup->hedge != NULL) {
		/* The dial beside it takes its place, and may be hedged in turn. */
		if (adopt_hedge(c) < 0) {
			conn_set_ending(c, ENDED_BY_IAIDO, ENDED_ERROR);
			conn_close(c, true);
			return;
		}
		c->state = CONN_DIALING;
		c->setup->hedge_at_ns = next_hedge_ns(c);
		schedule_conn(c);
		return;
	}
	dial_from(c, picker_take(&f->picker, w->board, w->share, &c->setup->tried, &w->rng));
}

void
dial_on_event(struct conn *c, short what)
{
	struct worker *w = c->worker;
	int r = dial_outcome(c->end[BACKEND].fd, what);

	if (r == -EINPROGRESS)
		return;
	if (r == 0 && may_be_self_connected(w, c->cell, c->end[BACKEND].fd))
		r = -ECONNREFUSED;
	if (r < 0) {
		endpoint_close(w, &c->end[BACKEND], true);
		dial_lost(c, -r);
		dial_next(c);
		return;
	}
	backend_answered(w, c->cell, c->setup->dial_started_ns);
	set_suspect(w, c->cell, &c->setup->suspect, false);
	if (c->setup->hedge != NULL)
		dial_overtaken(c->setup->hedge);
	conn_connected(c);
}

/* Dials the next best backend beside the present dial. A former hedge runs on without the client. */
static void
hedge(struct conn *c)
{
	struct frontend *f = c->frontend;
	struct worker *w = c->worker;
	struct conn_setup *s = c->setup;
	const struct table_backend *b;
	int64_t now_ns = clock_now_ns(), step_ns;
	struct dial *d;
	int index, fd;

	s->hedge_at_ns = INT64_MAX;
	tried_add(&s->tried, c->cell);
	if (s->hedge != NULL)
		tried_add(&s->tried, s->hedge->cell);
	index = picker_take(&f->picker, w->board, w->share, &s->tried, &w->rng);
	if (index == PICK_NONE)
		return;
	b = &f->conf.backends[index];
	fd = open_socket(w, &b->addr);
	d = fd >= 0 ? dial_new(w, b->cell, fd) : NULL;
	if (d == NULL) {
		if (fd < 0) {
			backend_failed(w, b->cell, -fd);
		} else {
			close(fd);
			w->descriptors--;
		}
		place_release(w->board, w->share, b->cell);
		return;
	}
	if (s->hedge != NULL)
		dial_overtaken(s->hedge);
	d->conn = c;
	d->started_ns = now_ns;
	s->hedge = d;
	schedule_dial(d, now_ns + f->conf.tiers[b->tier].dial_timeout_ns);
	step_ns = 2 * b->latency_ns > HEDGE_STEP_NS ? 2 * b->latency_ns : HEDGE_STEP_NS;
	/* How slow a backend is that was never measured is not known: no haste then. */
	s->hedge_at_ns = now_ns + (b->latency_ns > 0 ? step_ns : f->conf.hedge_ns);
}

/* A backend that did not answer in time is picked last until it does. */
static void
suspect_dials(struct conn *c)
{
	struct conn_setup *s = c->setup;

	set_suspect(c->worker, c->cell, &s->suspect, true);
	if (s->hedge != NULL)
		set_suspect(c->worker, s->hedge->cell, &s->hedge->suspect, true);
}

void
dial_on_timer(struct conn *c, int64_t now_ns)
{
	struct conn_setup *s = c->setup;
	bool hedged_once = s->hedge != NULL;

	if (s->wait_until_ns <= now_ns) {
		conn_set_ending(
			c, ENDED_BY_IAIDO, s->dial_failed ? ENDED_DIAL_FAILED : ENDED_NO_BACKEND);
		conn_close(c, true);
		return;
	}
	if (c->state == CONN_DIALING && s->dial_until_ns <= now_ns) {
		endpoint_close(c->worker, &c->end[BACKEND], true);
		dial_lost(c, ETIMEDOUT);
		dial_next(c);
		return;
	}
	if (c->state == CONN_DIALING && s->hedge_at_ns <= now_ns) {
		/* First all that are as late are marked, then they hedge: so that no hedge goes to
		 * one that is about to be found as silent. */
		if (!s->suspect || (hedged_once && !s->hedge->suspect)) {
			suspect_dials(c);
			s->hedge_at_ns = now_ns + 1;
		} else {
			hedge(c);
		}
	}
	schedule_conn(c);
}

void
dial_abandon(struct conn *c)
{
	struct conn_setup *s = c->setup;

	if (s == NULL)
		return;
	if (s->hedge != NULL)
		dial_part(s->hedge);
	if (c->state == CONN_DIALING && c->end[BACKEND].fd >= 0)
		orphan_own_dial(c, false);
}

bool
dial_serve_waiting(struct frontend *f)
{
	struct worker *w = f->worker;
	struct conn *c;
	int backend;

	while ((c = TAILQ_FIRST(&f->waiting)) != NULL) {
		backend = picker_take(&f->picker, w->board, w->share, NULL, &w->rng);
		if (backend == PICK_NONE)
			return false;
		leave_waiting(c);
		dial_from(c, backend);
		/* It failed at once and waits again, now as the last: the others' turn later. */
		if (c->in_waiting)
			return false;
	}
	return true;
}
