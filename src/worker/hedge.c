/* Dials beside a connection's own: the hedge, which moves on to the next best backend as long as none
 * answers, and those that were overtaken, which run on without their client until they answer or
 * fail. Each holds a place. A hedge that made way for the next one is given up, so that a client has
 * two dials at most; what is left of it is the suspicion. */
#include "config.h"

#include "worker/hedge.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/attempt.h"
#include "worker/dial.h"
#include "worker/frontend.h"

/* A hedge that has not answered for this long (or twice its backend's latency) makes way. */
#define HEDGE_STEP_NS (30 * NSEC_PER_MSEC)
/* A suspicion without a dial lasts for a dial's time and this: by then the master's probe, begun
 * within a second, has decided. */
#define SUSPICION_NS (1500 * NSEC_PER_MSEC)

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

/* Lets go of the socket without closing it (-1: it was given up), and of the suspicion. The place
 * stays with the caller. */
static int
dial_detach(struct dial *d)
{
	int fd = d->fd;

	if (fd >= 0)
		event_del(&d->event);
	wheel_clear(&d->worker->dial_wheel, &d->wheel);
	attempt_set_suspect(d->worker, d->cell, &d->suspect, false);
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

	if (fd < 0)
		return;
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
	alarm_set(d->worker, ALARM_WHEEL, until_ns);
}

/* Goes on without its client, who has gone. */
void
hedge_part(struct dial *d)
{
	d->conn->setup->hedge = NULL;
	d->conn = NULL;
}

/* Goes on without its client, who has found another backend: until it answers, it is suspect. */
void
hedge_overtaken(struct dial *d)
{
	hedge_part(d);
	attempt_set_suspect(d->worker, d->cell, &d->suspect, true);
}

/* Makes way for the client's next dial. No answer for a moment is no failure: but until the master
 * has probed it, the backend is suspect. */
static void
give_up(struct dial *d)
{
	struct worker *w = d->worker;
	int64_t left_ns = d->until_ns - d->started_ns;

	hedge_overtaken(d);
	event_del(&d->event);
	close(d->fd);
	d->fd = -1;
	w->descriptors--;
	place_release(w->board, w->share, d->cell);
	schedule_dial(d, clock_coarse_ns() + left_ns + SUSPICION_NS);
}

/* The connection's own dial goes on without it, as a dial of the worker's. */
void
hedge_orphan(struct conn *c, bool overtaken)
{
	struct worker *w = c->worker;
	struct endpoint *e = &c->end[BACKEND];
	struct dial *d;

	event_del(&e->event);
	e->registered = false;
	d = dial_new(w, c->cell, e->fd);
	if (d == NULL) {
		endpoint_close(w, e, true);
		attempt_set_suspect(w, c->cell, &c->setup->suspect, false);
		conn_release_place(c);
		return;
	}
	d->started_ns = c->setup->dial_started_ns;
	d->suspect = c->setup->suspect;
	c->setup->suspect = false;
	e->fd = -1;
	conn_give_away_place(c);
	if (overtaken)
		attempt_set_suspect(w, d->cell, &d->suspect, true);
	schedule_dial(d, c->setup->dial_until_ns);
}

/* The hedge becomes the connection's own dial (or its backend, once it has answered). */
int
hedge_adopt(struct conn *c)
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

	hedge_orphan(c, true);
	if (hedge_adopt(c) < 0) {
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
	attempt_failed(w, cell, error);
	dial_drop(d);
	if (c != NULL) {
		c->setup->hedge_at_ns = clock_coarse_ns();
		dial_schedule(c);
	}
}

static void
on_dial(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	struct worker *w = d->worker;
	int r = attempt_outcome(fd, what);

	if (r == 0 && attempt_hit_itself(w, d->cell, fd))
		r = -ECONNREFUSED;
	if (r == -EINPROGRESS)
		return;
	if (r < 0) {
		dial_failed(d, -r);
	} else {
		attempt_answered(w, d->cell, d->started_ns);
		if (d->conn != NULL)
			hedge_answered(d);
		else
			dial_drop(d);
	}
}

void
hedge_expire(struct dial *d)
{
	if (d->fd < 0)
		dial_drop(d);
	else
		dial_failed(d, ETIMEDOUT);
}

void
hedge_free_all(struct worker *w)
{
	struct dial *d;

	while ((d = LIST_FIRST(&w->dials)) != NULL)
		dial_drop(d);
}

void
hedge_start(struct conn *c)
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
	if (!picker_usable(&f->picker, w->board, &s->tried))
		return;
	/* First the former one's dial and place go: a client never has three. */
	if (s->hedge != NULL)
		give_up(s->hedge);
	index = picker_take(&f->picker, w->board, w->share, &s->tried, &w->rng);
	if (index == PICK_NONE)
		return;
	b = &f->conf.backends[index];
	fd = attempt_open(w, &b->addr);
	d = fd >= 0 ? dial_new(w, b->cell, fd) : NULL;
	if (d == NULL) {
		if (fd < 0) {
			attempt_failed(w, b->cell, -fd);
		} else {
			close(fd);
			w->descriptors--;
		}
		place_release(w->board, w->share, b->cell);
		return;
	}
	d->conn = c;
	d->started_ns = now_ns;
	s->hedge = d;
	schedule_dial(d, now_ns + f->conf.tiers[b->tier].dial_timeout_ns);
	step_ns = 2 * b->latency_ns > HEDGE_STEP_NS ? 2 * b->latency_ns : HEDGE_STEP_NS;
	/* How slow a backend is that was never measured is not known: no haste then. */
	s->hedge_at_ns = now_ns + (b->latency_ns > 0 ? step_ns : f->conf.hedge_ns);
}
