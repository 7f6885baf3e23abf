/* When a connection is looked at, how old it may become, and when a drain closes it: everything is
 * drawn per connection, so that nothing happens to all of them at once. */
#include "config.h"

#include "iaido/shed.h"

#include "iaido/clock.h"
#include "iaido/rng.h"

#define DRAW_RANGE 1000000
/* In one maintenance time: a worker with thousands of idle connections wakes up no more often. */
#define TICK_MOMENTS 128
#define BUSY_WINDOW_MAX_NS (5 * NSEC_PER_SEC)
/* Longer spans than this (73 years) are as good as never, and leave room for sums. */
#define SPAN_MAX_NS (INT64_MAX / 4)

int64_t
shed_next_tick_ns(int64_t now_ns, int64_t maintenance_ns, struct rng *rng)
{
	int64_t m = maintenance_ns, tick, moment;

	if (m < NSEC_PER_MSEC)
		m = NSEC_PER_MSEC; /* a tick that is always due would never let go */
	if (m > SPAN_MAX_NS)
		m = SPAN_MAX_NS;
	tick = now_ns + rng_between(rng, m - m / 2, m + m / 2);
	moment = m / TICK_MOMENTS;
	tick -= tick % moment;
	return tick >= now_ns + m - m / 2 ? tick : tick + moment;
}

int64_t
shed_age_ns(int64_t max_age_ns, struct rng *rng)
{
	int64_t age = max_age_ns < SPAN_MAX_NS ? max_age_ns : SPAN_MAX_NS;

	if (age <= 0)
		return 0;
	return rng_between(rng, age - age / 10, age + age / 10);
}

/* The part `draw` of a span, without overflow for any span. */
static int64_t
part(int64_t span_ns, uint32_t draw)
{
	if (draw >= DRAW_RANGE)
		draw = DRAW_RANGE - 1;
	return span_ns / DRAW_RANGE * draw + span_ns % DRAW_RANGE * draw / DRAW_RANGE;
}

static int64_t
span(const struct drain_plan *p)
{
	return p->end_ns > p->start_ns ? p->end_ns - p->start_ns : 0;
}

/* The last fifth, where busy ones are closed. */
static int64_t
busy_window(const struct drain_plan *p)
{
	int64_t fifth = span(p) / 5;

	return fifth < BUSY_WINDOW_MAX_NS ? fifth : BUSY_WINDOW_MAX_NS;
}

/* Those that were all busy a moment before the drain do not become idle to go together: each is
 * spread over what is left of the half. */
int64_t
drain_idle_due_ns(const struct drain_plan *p, int64_t last_ns, uint32_t draw)
{
	int64_t quiet = span(p) / 5 < SHED_IDLE_NS ? span(p) / 5 : SHED_IDLE_NS;
	int64_t from = last_ns + quiet > p->start_ns ? last_ns + quiet : p->start_ns;
	int64_t until = p->start_ns + span(p) / 2;

	return from < until ? from + part(until - from, draw) : from;
}

/* The window's first half: from then on a pause is waited for, by each from its own moment on, so
 * that many which pause all the time do not go together. */
int64_t
drain_busy_due_ns(const struct drain_plan *p, uint32_t draw)
{
	int64_t window = busy_window(p);

	return p->start_ns + span(p) - window + part(window / 2, draw);
}

/* The second half, without its last tenth: the end finds nobody left to be closed at once. */
int64_t
drain_last_due_ns(const struct drain_plan *p, uint32_t draw)
{
	int64_t window = busy_window(p);

	return p->start_ns + span(p) - window + window / 2 + part(window / 2 - window / 20, draw);
}
