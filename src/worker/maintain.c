/* What time does to connections. Coarse on purpose: connections are looked at when the wheel says so
 * and, while they have traffic, ten times a second; never once per message. */
#include "config.h"

#include "worker/maintain.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "iaido/clock.h"

#include "worker/deliver.h"
#include "worker/frontend.h"
#include "worker/relay.h"

/* From then on the backend's side has keep-alive and, though a single small segment never needed it,
 * TCP_NODELAY; and both sides end by a reset should the worker die. Short connections never pay for it. */
#define KEEPALIVE_AFTER_NS NSEC_PER_SEC
#define LOOK_NS NSEC_PER_SEC
/* A short read is not trusted for longer than this. */
#define RECHECK_NS (250 * NSEC_PER_MSEC)
/* Unacknowledged for this long on a failed backend: reset. */
#define FAILED_UNACKED_NS (5 * NSEC_PER_SEC)
/* Window probes without an answer that say that a stalled reader is gone. */
#define DEAD_PROBES 3
/* Connections compared for one that is to go. */
#define QUIETEST_LOOKS 1000
/* No promotion was to be had just now. */
#define PROMOTION_RETRY_NS (200 * NSEC_PER_MSEC)

static bool
is_half_closed(const struct conn *c)
{
	return c->from[CLIENT].ended || c->from[BACKEND].ended;
}

static int64_t
idle_due_ns(const struct conn *c)
{
	const struct table_frontend *f = &c->frontend->conf;
	int64_t limit_ns = is_half_closed(c) ? f->half_close_ns : f->idle_ns;

	if (limit_ns < 0 || limit_ns > INT64_MAX - c->last_ns)
		return INT64_MAX;
	return c->last_ns + limit_ns;
}

static int64_t
min_ns(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
max_ns(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* At a pause once it is too old; at 1.2 times the age whatever happens. */
static int64_t
age_due_ns(const struct conn *c)
{
	int64_t max_age_ns = c->frontend->conf.max_age_ns;

	if (c->age_ns == INT64_MAX || max_age_ns <= 0)
		return INT64_MAX;
	return min_ns(max_ns(c->age_ns, c->last_ns + TRAFFIC_PAUSE_NS),
		c->accepted_ns + max_age_ns + max_age_ns / 5);
}

static int64_t
drain_due_ns(const struct conn *c)
{
	const struct worker *w = c->worker;
	int64_t idle_ns, busy_ns;

	if (!w->draining || !w->drain_has_end || w->keep_accepting)
		return INT64_MAX;
	idle_ns = drain_idle_due_ns(&w->drain, c->last_ns, c->draw);
	busy_ns = max_ns(drain_busy_due_ns(&w->drain, c->draw), c->last_ns + TRAFFIC_PAUSE_NS);
	return min_ns(min_ns(idle_ns, busy_ns), drain_last_due_ns(&w->drain, c->draw));
}

void
maintain_schedule(struct conn *c, int64_t now_ns)
{
	int64_t due_ns = min_ns(idle_due_ns(c), min_ns(age_due_ns(c), c->tick_ns));

	due_ns = min_ns(due_ns, drain_due_ns(c));
	if (!c->keepalive_armed)
		due_ns = min_ns(due_ns, c->accepted_ns + KEEPALIVE_AFTER_NS);
	wheel_set(&c->worker->wheel, &c->wheel, max_ns(due_ns, now_ns));
	alarm_set(c->worker, ALARM_WHEEL, c->wheel.due_ns);
}

/* The client's side inherited it from its listener. Errors show in the traffic. */
static void
set_lasting_options(struct conn *c)
{
	const struct table_frontend *f = &c->frontend->conf;
	int fd = c->end[BACKEND].fd, on = 1;
	int idle = (int)(f->keepalive_idle_ns / NSEC_PER_SEC);
	int interval = (int)(f->keepalive_interval_ns / NSEC_PER_SEC);
	int count = (int)f->keepalive_count;

	c->keepalive_armed = true;
	idle = idle > 0 ? idle : 1;
	interval = interval > 0 ? interval : 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (c->end[BACKEND].nodelay == NODELAY_SET)
		return;
	c->end[BACKEND].nodelay = NODELAY_SET;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- maintenance ticks: what holds on two running is acted on ---- */

/* Why a connection ought to go, and how many its backend may keep then. */
struct cause {
	enum ended_reason reason;
	uint32_t limit;
};

static enum ended_reason
reason_of_drain(const struct table_backend *b)
{
	return b != NULL && b->use == BACKEND_DISABLED ? ENDED_DISABLED : ENDED_GONE;
}

static bool
find_cause(const struct conn *c, struct cause *out)
{
	struct worker *w = c->worker;
	const struct frontend *f = c->frontend;
	const struct table_backend *b = frontend_backend(f, c->cell);
	uint64_t word = atomic_load_explicit(&w->board->words[c->cell], memory_order_relaxed);
	struct scoreboard_cell *cell = &w->board->cells[c->cell];

	if (b == NULL || b->drain) {
		*out = (struct cause){ reason_of_drain(b), 0 };
		return true;
	}
	if (PLACE_ACTIVE(word) > b->limit) {
		*out = (struct cause){ ENDED_OVERLOAD, b->limit };
		return true;
	}
	if ((word & PLACE_FAILED) && f->conf.shed_failed &&
		c->backend_last_ns < atomic_load(&cell->failed_at_ns)) {
		*out = (struct cause){ ENDED_FAILED, 0 };
		return true;
	}
	if (atomic_load_explicit(&cell->promotable, memory_order_relaxed) != 0) {
		*out = (struct cause){ ENDED_PROMOTION, 0 };
		return true;
	}
	return false;
}

/* The one of this worker's connections to the same backend that has been quiet for longest; among
 * thousands, of those that came last. */
static struct conn *
quietest(struct conn *c)
{
	struct conn *each, *found = c;
	int looks = QUIETEST_LOOKS;

	LIST_FOREACH(each, &c->worker->conns_of_cell[c->cell], cell_link) {
		if (each->state == CONN_RELAYING && each->last_ns < found->last_ns)
			found = each;
		if (--looks == 0)
			break;
	}
	return found;
}

static bool
is_idle(const struct conn *c, int64_t now_ns)
{
	return now_ns - c->last_ns >= SHED_IDLE_NS;
}

/* Who has an idle connection to a backend over its limit says so at each of its ticks. */
static void
tell_of_idle(const struct conn *c, int64_t now_ns)
{
	atomic_store_explicit(
		&c->worker->board->cells[c->cell].idle_seen_ns, now_ns, memory_order_relaxed);
}

/* Whether a sibling may have an idle one yet, which is to go before one of ours with traffic. */
static bool
siblings_have_idle(const struct conn *c, int64_t now_ns)
{
	const struct worker *w = c->worker;
	uint64_t word = atomic_load_explicit(&w->board->words[c->cell], memory_order_relaxed);
	int64_t seen_ns = atomic_load_explicit(
		&w->board->cells[c->cell].idle_seen_ns, memory_order_relaxed);
	int64_t tick_ns = c->frontend->conf.maintenance_ns;

	if (seen_ns == 0 || PLACE_ACTIVE(word) <= SHARE_GET(w->share->cells[c->cell].active))
		return false;
	return (now_ns - seen_ns) / 3 * 2 <= tick_ns; /* the longest tick is 1.5 of it */
}

/* Acts on the cause: closes c, or a quieter one in its stead, or marks c as to be closed at its
 * next pause. `force` = no more waiting for a pause. */
static void
act(struct conn *c, const struct cause *cause, int64_t now_ns, bool force)
{
	struct worker *w = c->worker;
	struct conn *victim = c;
	bool taken;

	if (cause->reason == ENDED_OVERLOAD || cause->reason == ENDED_GONE ||
		cause->reason == ENDED_DISABLED)
		victim = quietest(c);
	if (cause->reason == ENDED_OVERLOAD && !is_idle(victim, now_ns) &&
		siblings_have_idle(c, now_ns))
		return;
	if (now_ns - victim->last_ns < TRAFFIC_PAUSE_NS && !force) {
		c->at_pause = true;
		conn_mark_active(c);
		return;
	}
	if (cause->reason == ENDED_PROMOTION) {
		taken = promotion_take(w->board, c->cell);
	} else {
		taken = place_release_excess(w->board, w->share, victim->cell, cause->limit);
		victim->place_given_back = taken;
	}
	if (taken) {
		conn_end(victim, cause->reason);
	} else if (cause->reason == ENDED_PROMOTION) {
		c->tick_ns = now_ns + PROMOTION_RETRY_NS;
		/* At a pause nobody else tells the wheel. */
		maintain_schedule(c, now_ns);
	}
}

static void
on_tick(struct conn *c, int64_t now_ns)
{
	struct cause cause;

	c->tick_ns = shed_next_tick_ns(now_ns, c->frontend->conf.maintenance_ns, &c->worker->rng);
	if (!find_cause(c, &cause)) {
		c->strikes = 0;
		c->at_pause = false;
		return;
	}
	if (cause.reason == ENDED_OVERLOAD && is_idle(c, now_ns))
		tell_of_idle(c, now_ns);
	if (c->strikes < 2)
		c->strikes++;
	if (c->strikes == 2)
		act(c, &cause, now_ns, c->at_pause);
}

static void
tell_of_idle_at(struct worker *w, uint32_t cell, int64_t now_ns)
{
	int looks = QUIETEST_LOOKS;
	struct conn *c;

	LIST_FOREACH(c, &w->conns_of_cell[cell], cell_link) {
		if (c->state == CONN_RELAYING && is_idle(c, now_ns)) {
			tell_of_idle(c, now_ns);
			return;
		}
		if (--looks == 0)
			return;
	}
}

/* By the time of the first second tick, all workers have told. */
void
maintain_table(struct worker *w)
{
	int64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < w->frontend_count; i++) {
		const struct table_frontend *f = &w->frontends[i]->conf;

		for (uint32_t k = 0; k < f->backend_count; k++) {
			const struct table_backend *b = &f->backends[k];
			uint64_t word = atomic_load_explicit(
				&w->board->words[b->cell], memory_order_relaxed);

			if (!b->drain && PLACE_ACTIVE(word) > b->limit)
				tell_of_idle_at(w, b->cell, now_ns);
		}
	}
}

void
maintain_check(struct conn *c, int64_t now_ns)
{
	if (!c->keepalive_armed && now_ns >= c->accepted_ns + KEEPALIVE_AFTER_NS) {
		set_lasting_options(c);
		endpoint_make_abortive(&c->end[CLIENT]);
		endpoint_make_abortive(&c->end[BACKEND]);
	}
	if (now_ns >= idle_due_ns(c)) {
		conn_end(c, is_half_closed(c) ? ENDED_HALF_CLOSED : ENDED_IDLE);
		return;
	}
	if (now_ns >= age_due_ns(c)) {
		conn_end(c, ENDED_AGE);
		return;
	}
	if (now_ns >= drain_due_ns(c)) {
		conn_end(c, ENDED_DRAIN);
		return;
	}
	if (now_ns >= c->tick_ns)
		on_tick(c, now_ns);
	if (c->state == CONN_RELAYING)
		maintain_schedule(c, now_ns);
}

/* ---- connections with recent traffic ---- */

/* How long data has gone unacknowledged; 0 when none has. A peer that acknowledges but does not
 * read is alive: it answers the kernel's window probes (RFC 9293, 3.8.6.1). */
static int64_t
unacknowledged_ns(struct conn *c, enum side side, int64_t now_ns)
{
	struct endpoint *e = &c->end[side];
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int64_t heard_ns, since_ns;

	if (!e->sent)
		return 0;
	/* A peer that spoke since the last look is alive; what it has not acknowledged by the time
	 * it falls silent is asked for then. */
	if (e->heard) {
		e->heard = false;
		return 0;
	}
	if (getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	heard_ns = now_ns - (int64_t)info.tcpi_last_ack_recv * NSEC_PER_MSEC;
	if (info.tcpi_unacked == 0 && info.tcpi_probes < DEAD_PROBES) {
		if (!direction_pending(&c->from[other_side(side)]))
			e->sent = false;
		return 0;
	}
	/* When it last became quiet, everything had been acknowledged. */
	since_ns = max_ns(heard_ns, c->active_ns);
	return max_ns(now_ns - since_ns, 1);
}

/* Returns false when the connection ended. */
static bool
look_at_acknowledgements(struct conn *c, int64_t now_ns)
{
	struct worker *w = c->worker;
	int64_t limit_ns = c->frontend->conf.user_timeout_ns, client_ns, backend_ns;
	uint64_t word = atomic_load_explicit(&w->board->words[c->cell], memory_order_relaxed);

	c->looked_ns = now_ns;
	client_ns = unacknowledged_ns(c, CLIENT, now_ns);
	backend_ns = unacknowledged_ns(c, BACKEND, now_ns);
	if (limit_ns > 0 && client_ns >= limit_ns)
		conn_set_ending(c, ENDED_BY_CLIENT, ENDED_TIMEOUT);
	else if (limit_ns > 0 && backend_ns >= limit_ns)
		conn_set_ending(c, ENDED_BY_BACKEND, ENDED_TIMEOUT);
	else if (backend_ns >= FAILED_UNACKED_NS && (word & PLACE_FAILED))
		conn_set_ending(c, ENDED_BY_IAIDO, ENDED_FAILED);
	if (!c->has_ending)
		return true;
	conn_close(c, true);
	return false;
}

static bool
may_leave_active(const struct conn *c)
{
	return c->rechecked && !c->at_pause && !c->end[CLIENT].sent && !c->end[BACKEND].sent &&
		!conn_has_pending(c);
}

static void
at_pause(struct conn *c, int64_t now_ns)
{
	struct cause cause;

	c->at_pause = false;
	if (find_cause(c, &cause))
		act(c, &cause, now_ns, true);
}

static void
look_again(struct conn *c, int64_t now_ns)
{
	int64_t quiet_ns = now_ns - c->last_ns;
	bool first_quiet = !c->rechecked && quiet_ns >= RECHECK_NS;

	if (c->state != CONN_RELAYING)
		return;
	if (c->at_pause && quiet_ns >= TRAFFIC_PAUSE_NS) {
		at_pause(c, now_ns);
		if (c->state != CONN_RELAYING)
			return;
	}
	if (first_quiet) {
		c->rechecked = true;
		relay_recheck(c);
		if (c->state != CONN_RELAYING)
			return;
	}
	if (now_ns - c->looked_ns >= LOOK_NS) {
		if (!look_at_acknowledgements(c, now_ns))
			return;
	}
	if (may_leave_active(c)) {
		c->in_active = false;
		TAILQ_REMOVE(&c->worker->active, c, active_link);
	}
}

void
maintain_active(struct worker *w, int64_t now_ns)
{
	struct conn *c;

	/* A look can end this connection or another: so always the first, which goes to the end. */
	w->active_pass++;
	while ((c = TAILQ_FIRST(&w->active)) != NULL && c->active_pass != w->active_pass) {
		c->active_pass = w->active_pass;
		TAILQ_REMOVE(&w->active, c, active_link);
		TAILQ_INSERT_TAIL(&w->active, c, active_link);
		look_again(c, now_ns);
	}
}

void
maintain_drain(struct worker *w)
{
	int64_t now_ns = clock_coarse_ns();
	struct conn *c;

	TAILQ_FOREACH(c, &w->conns, all_link) {
		if (c->state == CONN_RELAYING)
			maintain_schedule(c, now_ns);
	}
}
