/* Connections: where they are kept, how they begin and end. Owns both sockets, the place in the
 * scoreboard and every list entry; what moves between the sockets is relay.c's. */
#include "config.h"

#include "worker/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/acceptor.h"
#include "worker/batch.h"
#include "worker/connlog.h"
#include "worker/deliver.h"
#include "worker/dial.h"
#include "worker/epoll.h"
#include "worker/frontend.h"
#include "worker/maintain.h"
#include "worker/relay.h"

/* Connections are allocated by the slab, so that many idle ones lie close together. */
#define SLAB_CONNS 64

struct conn_slab {
	struct conn_slab *next;
	struct conn conns[SLAB_CONNS];
};

static int
add_slab(struct worker *w)
{
	struct conn_slab *s = aligned_alloc(CACHE_LINE, sizeof(*s));
	int i;

	if (s == NULL)
		return -ENOMEM;
	s->next = w->slabs;
	w->slabs = s;
	for (i = SLAB_CONNS - 1; i >= 0; i--) {
		s->conns[i].state = CONN_FREE;
		s->conns[i].all_link.tqe_next = w->free_conns;
		w->free_conns = &s->conns[i];
	}
	return 0;
}

struct conn *
conn_new(struct worker *w)
{
	struct conn_setup *setup = calloc(1, sizeof(*setup));
	struct conn *c;

	if (setup == NULL)
		return NULL;
	if (w->free_conns == NULL && add_slab(w) < 0) {
		free(setup);
		return NULL;
	}
	c = w->free_conns;
	w->free_conns = c->all_link.tqe_next;
	memset(c, 0, sizeof(*c));
	c->setup = setup;
	setup->hedge_at_ns = INT64_MAX;
	c->worker = w;
	c->cell = NO_CELL;
	c->end[CLIENT].fd = -1;
	c->end[BACKEND].fd = -1;
	c->end[BACKEND].side = BACKEND;
	c->end[CLIENT].nodelay = NODELAY_SET; /* inherited from the listener */
	c->first_ended = 2;
	c->age_ns = INT64_MAX;
	return c;
}

void
conn_discard(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->setup != NULL)
		tried_fini(&c->setup->tried);
	free(c->setup);
	c->setup = NULL;
	c->state = CONN_FREE;
	c->all_link.tqe_next = w->free_conns;
	w->free_conns = c;
}

void
conn_reap(struct worker *w)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&w->closed)) != NULL) {
		TAILQ_REMOVE(&w->closed, c, all_link);
		conn_discard(c);
	}
}

void
conn_free_slabs(struct worker *w)
{
	struct conn_slab *s;

	while ((s = w->slabs) != NULL) {
		w->slabs = s->next;
		free(s);
	}
	w->free_conns = NULL;
}

void
conn_take_place(struct conn *c, uint32_t cell)
{
	c->cell = cell;
	c->share = &c->worker->share->cells[cell];
	LIST_INSERT_HEAD(&c->worker->conns_of_cell[cell], c, cell_link);
}

void
conn_give_away_place(struct conn *c)
{
	LIST_REMOVE(c, cell_link);
	c->cell = NO_CELL;
	c->share = NULL;
}

void
conn_release_place(struct conn *c)
{
	uint32_t cell = c->cell;

	if (cell == NO_CELL)
		return;
	conn_give_away_place(c);
	if (!c->place_given_back)
		place_release(c->worker->board, c->worker->share, cell);
}

/* A client that waits for a backend has left: nothing to read but its FIN, or a reset. */
static bool
client_has_left(struct conn *c)
{
	char byte;
	ssize_t n = recv(c->end[CLIENT].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0 || (n < 0 && errno == EAGAIN))
		return false;
	conn_set_ending(c, ENDED_BY_CLIENT, n == 0 ? ENDED_EOF : ENDED_RESET);
	return true;
}

static void
on_early_event(struct conn *c, struct endpoint *e, short what)
{
	if (e->side == BACKEND) {
		dial_on_event(c, what);
		return;
	}
	/* A dial that is under way goes on: the client's FIN may only say that it has no question. */
	if (c->state == CONN_WAITING && (what & (EV_READ | EV_CLOSED)) && client_has_left(c))
		conn_close(c, false);
}

static void
on_endpoint(evutil_socket_t fd, short what, void *arg)
{
	struct endpoint *e = arg;
	struct conn *c = endpoint_conn(e);

	(void)fd;
	if (what & (EV_READ | EV_CLOSED))
		e->readable = true;
	if (what & EV_WRITE)
		e->writable = true;
	if (UNLIKELY(what & EV_CLOSED)) {
		e->closed_seen = true;
		if (epoll_told_error())
			e->error_told = true;
	}
	if (LIKELY(c->state == CONN_RELAYING)) {
		batch_add(c);
		return;
	}
	switch (c->state) {
	case CONN_WAITING:
	case CONN_DIALING:
		on_early_event(c, e, what);
		break;
	case CONN_RESETTING:
		relay_resetting(c, false);
		break;
	default:
		break;
	}
}

int
endpoint_register(struct conn *c, enum side side)
{
	struct endpoint *e = &c->end[side];

	e->side = (uint8_t)side;
	if (event_assign(&e->event, c->worker->base, e->fd,
		    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_endpoint, e) < 0 ||
		event_add(&e->event, NULL) < 0)
		return -ENOMEM;
	e->registered = true;
	return 0;
}

/* What the kernel does with the socket when it is closed. A socket that cannot be told any more is
 * closed all the same. */
static void
set_abortive(struct endpoint *e, bool abortive)
{
	struct linger l = { .l_onoff = abortive, .l_linger = 0 };

	if (e->abortive == abortive)
		return;
	e->abortive = abortive;
	(void)setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

void
endpoint_make_abortive(struct endpoint *e)
{
	set_abortive(e, true);
}

void
endpoint_close(struct worker *w, struct endpoint *e, bool reset)
{
	if (e->fd < 0)
		return;
	if (e->registered)
		forget_event(&e->event);
	e->registered = false;
	set_abortive(e, reset);
	close(e->fd);
	e->fd = -1;
	/* After a dial that failed, another socket takes its place: nothing of this is true of that. */
	e->abortive = e->readable = e->closed_seen = e->error_told = false;
	w->descriptors--;
}

void
conn_accepted(struct conn *c, struct frontend *f, int fd)
{
	struct worker *w = c->worker;

	c->frontend = f;
	c->end[CLIENT].fd = fd;
	c->end[CLIENT].writable = true;
	c->state = CONN_WAITING;
	c->accepted_ns = clock_now_ns();
	c->last_ns = c->accepted_ns;
	c->draw = (uint32_t)rng_below(&w->rng, 1000000);
	c->setup->wait_until_ns = c->accepted_ns + f->conf.wait_ns;
	w->descriptors++;
	w->conn_count++;
	w->empty_since_ns = 0; /* also for one that comes and goes between two looks */
	f->conn_count++;
	SHARE_SET(w->share->head->connections, w->conn_count);
	SHARE_ADD(f->share->waiting, 1);
	SHARE_ADD(f->share->total, 1);
	TAILQ_INSERT_TAIL(&w->conns, c, all_link);
}

/* A connection that is logged at its end keeps what it was set up with. */
static void
end_setup(struct conn *c)
{
	if (c->worker->log_connections)
		return;
	tried_fini(&c->setup->tried);
	free(c->setup);
	c->setup = NULL;
}

void
conn_connected(struct conn *c)
{
	struct worker *w = c->worker;
	struct frontend *f = c->frontend;
	int64_t now_ns = clock_now_ns(), dial_ns = now_ns - c->setup->dial_started_ns;

	c->dial_us = (uint32_t)(dial_ns / NSEC_PER_USEC);
	c->wait_us = (uint32_t)((now_ns - c->accepted_ns) / NSEC_PER_USEC);
	c->state = CONN_RELAYING;
	c->last_ns = clock_coarse_ns();
	c->backend_last_ns = c->last_ns;
	c->looked_ns = c->last_ns;
	c->tick_ns = shed_next_tick_ns(c->last_ns, f->conf.maintenance_ns, &w->rng);
	if (f->conf.max_age_ns > 0)
		c->age_ns = c->last_ns + shed_age_ns(f->conf.max_age_ns, &w->rng);
	SHARE_ADD(f->share->waiting, (uint32_t)-1);
	SHARE_ADD(f->share->dial_us[histogram_bucket(dial_bucket_us, DIAL_BUCKETS - 1, c->dial_us)],
		1);
	SHARE_ADD(f->share->dial_us_sum, c->dial_us);
	SHARE_ADD(c->share->total, 1);
	end_setup(c);
	maintain_schedule(c, c->last_ns);
	/* The client may have spoken, or left, long ago. */
	c->end[CLIENT].readable = true;
	batch_add(c);
}

void
conn_enter_active(struct conn *c)
{
	c->in_active = true;
	c->active_ns = c->last_ns;
	TAILQ_INSERT_TAIL(&c->worker->active, c, active_link);
	alarm_set(c->worker, ALARM_ACTIVE, c->last_ns + ACTIVE_LOOK_NS);
}

bool
conn_has_pending(const struct conn *c)
{
	return direction_pending(&c->from[CLIENT]) || direction_pending(&c->from[BACKEND]);
}

void
conn_set_ending(struct conn *c, enum ended_by by, enum ended_reason reason)
{
	if (c->has_ending)
		return;
	c->has_ending = true;
	c->ended_by = (uint8_t)by;
	c->ended_reason = (uint8_t)reason;
}

static void
leave_lists(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->in_ready)
		TAILQ_REMOVE(&w->ready, c, turn_link);
	if (c->in_active)
		TAILQ_REMOVE(&w->active, c, active_link);
	if (c->in_waiting) {
		TAILQ_REMOVE(&c->frontend->waiting, c, turn_link);
		c->frontend->waiting_count--;
	}
	c->in_ready = c->in_active = c->in_waiting = false;
	wheel_clear(&w->wheel, &c->wheel);
	TAILQ_REMOVE(&w->conns, c, all_link);
	TAILQ_INSERT_TAIL(&w->closed, c, all_link);
}

static void
count_ended(struct conn *c, bool was_relaying, int64_t now_ns)
{
	struct frontend *f = c->frontend;
	uint64_t lived_us = (uint64_t)(now_ns - c->accepted_ns) / NSEC_PER_USEC;

	if (!was_relaying)
		SHARE_ADD(f->share->waiting, (uint32_t)-1);
	if (c->ended_reason == ENDED_DRAIN)
		SHARE_ADD(c->worker->share->head->closed_for_drain, 1);
	SHARE_ADD(f->share->ended[c->ended_by][c->ended_reason], 1);
	SHARE_ADD(f->share->duration_us[histogram_bucket(
			  duration_bucket_us, DURATION_BUCKETS - 1, lived_us)],
		1);
	SHARE_ADD(f->share->duration_us_sum, lived_us);
}

void
conn_close(struct conn *c, bool reset)
{
	struct worker *w = c->worker;
	struct frontend *f = c->frontend;
	bool was_relaying = c->state == CONN_RELAYING || c->state == CONN_RESETTING;
	int64_t now_ns;

	if (c->state == CONN_CLOSED)
		return;
	if (!was_relaying)
		dial_abandon(c);
	c->state = CONN_CLOSED;
	conn_set_ending(c, ENDED_BY_IAIDO, ENDED_ERROR);
	now_ns = clock_now_ns();
	leave_lists(c);
	deliver_discard(w, &c->from[CLIENT]);
	deliver_discard(w, &c->from[BACKEND]);
	endpoint_close(w, &c->end[CLIENT], reset);
	endpoint_close(w, &c->end[BACKEND], reset);
	count_ended(c, was_relaying, now_ns);
	if (w->log_connections)
		connlog_write(c, now_ns);
	conn_release_place(c);
	frontend_release(w->board, w->share, f->id);
	f->conn_count--;
	w->conn_count--;
	SHARE_SET(w->share->head->connections, w->conn_count);
}

void
conn_end(struct conn *c, enum ended_reason reason)
{
	bool quiet = c->state == CONN_RELAYING && !conn_has_pending(c) &&
		clock_now_ns() - c->last_ns >= TRAFFIC_PAUSE_NS;

	conn_set_ending(c, ENDED_BY_IAIDO, reason);
	conn_close(c, !quiet);
}
