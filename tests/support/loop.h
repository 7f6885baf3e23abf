/* Waiting for a condition in an event loop, with a deadline: nothing is timed by sleeping. */
#ifndef IAIDO_TESTS_LOOP_H
#define IAIDO_TESTS_LOOP_H

#include <event2/event.h>
#include <stdbool.h>

#include "iaido/clock.h"

#define LOOP_DEADLINE_NS (20 * NSEC_PER_SEC)

static inline void
loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Turns the loop until holds(arg); false when the deadline passes. */
static inline bool
loop_until(struct event_base *base, bool (*holds)(void *arg), void *arg)
{
	const struct timeval tick = { .tv_usec = 2000 };
	int64_t deadline_ns = clock_now_ns() + LOOP_DEADLINE_NS;
	struct event *timer = event_new(base, -1, EV_PERSIST, loop_on_tick, NULL);
	bool held = false;

	event_add(timer, &tick);
	while (!(held = holds(arg)) && clock_now_ns() < deadline_ns)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	return held;
}

static inline bool
loop_time_is_over(void *until_ns)
{
	return clock_now_ns() >= *(const int64_t *)until_ns;
}

/* For what must *not* happen: turns the loop for so long. */
static inline void
loop_for(struct event_base *base, int64_t ns)
{
	int64_t until_ns = clock_now_ns() + ns;

	(void)loop_until(base, loop_time_is_over, &until_ns);
}

#endif
