/* A program that stops listening while handshakes are under way resets what its kernel has already
 * answered: to the dialler it was connected for a moment. Nothing was said yet, so another backend
 * does as well; once, and only at once: a later reset, or a second one, is the program's own word. */
#include "config.h"

#include "worker/redial.h"

#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"

#include "worker/conn.h"
#include "worker/deliver.h"
#include "worker/dial.h"
#include "worker/frontend.h"

#define AT_ONCE_NS NSEC_PER_SEC

static bool
is_eligible(const struct conn *c)
{
	int64_t connected_ns = c->accepted_ns + (int64_t)c->wait_us * NSEC_PER_USEC;

	return !c->redialled && c->bytes[CLIENT] == 0 && c->bytes[BACKEND] == 0 &&
		!c->from[CLIENT].ended && clock_now_ns() - connected_ns < AT_ONCE_NS;
}

/* Back to what it was before it had a backend. */
static void
forget_backend(struct conn *c)
{
	struct worker *w = c->worker;
	struct endpoint *e = &c->end[BACKEND];

	if (c->in_ready)
		TAILQ_REMOVE(&w->ready, c, turn_link);
	if (c->in_active)
		TAILQ_REMOVE(&w->active, c, active_link);
	c->in_ready = c->in_active = false;
	deliver_discard(w, &c->from[CLIENT]);
	deliver_discard(w, &c->from[BACKEND]);
	memset(c->from, 0, sizeof(c->from));
	endpoint_close(w, e, true);
	memset(e, 0, sizeof(*e));
	e->fd = -1;
	e->side = BACKEND;
	conn_release_place(c);
	c->keepalive_armed = false;
	c->state = CONN_WAITING;
	SHARE_ADD(c->frontend->share->waiting, 1);
}

bool
conn_redial(struct conn *c)
{
	struct worker *w = c->worker;
	struct frontend *f = c->frontend;
	struct conn_setup *s;
	int backend;

	if (!is_eligible(c))
		return false;
	s = c->setup != NULL ? c->setup : calloc(1, sizeof(*s));
	if (s == NULL)
		return false;
	c->setup = s; /* without a backend to go to it is freed with the connection */
	tried_add(&s->tried, c->cell);
	backend = picker_take(&f->picker, w->board, w->share, &s->tried, &w->rng);
	if (backend == PICK_NONE)
		return false;
	s->wait_until_ns = c->accepted_ns + f->conf.wait_ns;
	s->hedge_at_ns = INT64_MAX;
	c->redialled = true;
	forget_backend(c);
	dial_start(c, (uint32_t)backend);
	return true;
}
