/* The end of a worker's accepting: at once, or once nothing is open any more; then the end of its
 * connections, each in its own time (maintain.c), all of them when the time is over. */
#include "config.h"

#include "worker/drain.h"

#include "iaido/clock.h"

#include "worker/acceptor.h"
#include "worker/conn.h"
#include "worker/frontend.h"
#include "worker/hedge.h"
#include "worker/maintain.h"

/* keepAccepting: nothing open anywhere for this long ends the accepting. */
#define EMPTY_NS NSEC_PER_SEC
#define EMPTY_POLL_NS (100 * NSEC_PER_MSEC)

static bool
nothing_open_anywhere(struct worker *w)
{
	size_t i;

	for (i = 0; i < w->frontend_count; i++) {
		uint32_t id = w->frontends[i]->id;

		if (atomic_load(&w->board->frontends[id].active) > 0)
			return false;
	}
	return true;
}

void
drain_stop_accepting(struct worker *w)
{
	w->keep_accepting = false;
	acceptor_close(w->acceptor);
	maintain_drain(w);
}

void
drain_close_all(struct worker *w)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&w->conns)) != NULL) {
		conn_set_ending(c, ENDED_BY_IAIDO, ENDED_DRAIN);
		conn_close(c, true);
	}
	hedge_free_all(w);
}

/* While it keeps accepting: a look whether all is empty; then, and at once otherwise: the end. */
void
drain_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	int64_t now_ns = clock_coarse_ns();
	struct timeval tv = worker_timeval(EMPTY_POLL_NS);

	(void)fd;
	(void)what;
	if (w->drain_has_end && now_ns >= w->drain.end_ns) {
		drain_stop_accepting(w);
		drain_close_all(w);
	} else if (w->keep_accepting) {
		if (!nothing_open_anywhere(w))
			w->empty_since_ns = 0;
		else if (w->empty_since_ns == 0)
			w->empty_since_ns = now_ns;
		else if (now_ns - w->empty_since_ns >= EMPTY_NS)
			drain_stop_accepting(w);
	}
	if (!w->keep_accepting)
		tv = worker_timeval(w->drain.end_ns - now_ns);
	if (w->drain_has_end && w->conn_count + w->keep_accepting > 0)
		event_add(&w->drain_event, &tv);
}

void
drain_begin(struct worker *w, const struct msg_drain *m)
{
	int64_t now_ns = clock_coarse_ns();

	w->draining = true;
	w->drain_has_end = m->left_ns > 0;
	w->keep_accepting = m->keep_accepting && w->drain_has_end;
	w->drain = (struct drain_plan){ now_ns, now_ns + m->left_ns };
	w->empty_since_ns = 0;
	if (!w->keep_accepting)
		drain_stop_accepting(w);
	drain_on_timer(-1, EV_TIMEOUT, w);
}
