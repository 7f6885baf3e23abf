/* Dialling for a client: its own dial, which is never given up for being slow, the wait for a backend
 * where none is left to dial, the times that bound both. */
#include "config.h"

#include "worker/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "iaido/clock.h"

#include "worker/acceptor.h"
#include "worker/attempt.h"
#include "worker/frontend.h"
#include "worker/hedge.h"

/* When the connection's own dial, begun some time ago, is late. */
static int64_t
next_hedge_ns(const struct conn *c)
{
	const struct table_backend *b = frontend_backend(c->frontend, c->cell);
	int64_t delay_ns = b != NULL ? attempt_patience_ns(c->frontend, b) : 0;

	return delay_ns > 0 ? c->setup->dial_started_ns + delay_ns : INT64_MAX;
}

void
dial_schedule(struct conn *c)
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
	alarm_set(c->worker, ALARM_WHEEL, due_ns);
}

static void
dial_lost(struct conn *c, int error)
{
	c->setup->dial_failed = true;
	tried_add(&c->setup->tried, c->cell);
	attempt_failed(c->worker, c->cell, error);
	attempt_set_suspect(c->worker, c->cell, &c->setup->suspect, false);
	conn_release_place(c);
}

/* Opens the dial to a backend whose place the connection holds. Returns 0 or -errno. */
static int
open_own_dial(struct conn *c, const struct table_backend *b)
{
	struct frontend *f = c->frontend;
	struct conn_setup *s = c->setup;
	int64_t delay_ns = attempt_patience_ns(f, b);
	int fd, r;

	s->dial_started_ns = clock_now_ns();
	fd = attempt_open(c->worker, &b->addr);
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
	dial_schedule(c);
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
			dial_schedule(c);
			return;
		}
		dial_lost(c, -r);
		/* Another backend would not help, nor another try at once. */
		if (attempt_error_is_shortage(-r))
			acceptor_pause(w->acceptor, -r);
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
		if (hedge_adopt(c) < 0) {
			conn_set_ending(c, ENDED_BY_IAIDO, ENDED_ERROR);
			conn_close(c, true);
			return;
		}
		c->state = CONN_DIALING;
		c->setup->hedge_at_ns = next_hedge_ns(c);
		dial_schedule(c);
		return;
	}
	dial_from(c, picker_take(&f->picker, w->board, w->share, &c->setup->tried, &w->rng));
}

/* A backend that answered, spoke and reset, all before we looked: what it said is the client's. The
 * error is used up by now, so that it is noted here. */
static bool
has_last_words(struct endpoint *e, int error)
{
	char byte;

	if ((error != ECONNRESET && error != EPIPE) ||
		recv(e->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return false;
	e->failed = e->readable = e->closed_seen = true;
	return true;
}

void
dial_on_event(struct conn *c, short what)
{
	struct worker *w = c->worker;
	int r = attempt_outcome(c->end[BACKEND].fd, what);

	if (r == -EINPROGRESS)
		return;
	if (r < 0 && has_last_words(&c->end[BACKEND], -r))
		r = 0;
	if (r == 0 && attempt_hit_itself(w, c->cell, c->end[BACKEND].fd))
		r = -ECONNREFUSED;
	if (r < 0) {
		endpoint_close(w, &c->end[BACKEND], true);
		dial_lost(c, -r);
		dial_next(c);
		return;
	}
	attempt_answered(w, c->cell, c->setup->dial_started_ns);
	attempt_set_suspect(w, c->cell, &c->setup->suspect, false);
	if (c->setup->hedge != NULL)
		hedge_overtaken(c->setup->hedge);
	conn_connected(c);
}

/* A backend that did not answer in time is picked last until it does. */
static void
suspect_dials(struct conn *c)
{
	struct conn_setup *s = c->setup;

	attempt_set_suspect(c->worker, c->cell, &s->suspect, true);
	if (s->hedge != NULL)
		attempt_set_suspect(c->worker, s->hedge->cell, &s->hedge->suspect, true);
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
			hedge_start(c);
		}
	}
	dial_schedule(c);
}

void
dial_abandon(struct conn *c)
{
	struct conn_setup *s = c->setup;

	if (s == NULL)
		return;
	if (s->hedge != NULL)
		hedge_part(s->hedge);
	if (c->state == CONN_DIALING && c->end[BACKEND].fd >= 0)
		hedge_orphan(c, false);
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
