/* The worker's standing timers, on one timerfd: while libevent has no timer of its own to keep, a
 * turn of its loop reads no clock and sets no timer in the kernel. */
#ifndef IAIDO_WORKER_ALARM_H
#define IAIDO_WORKER_ALARM_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"

struct worker;

enum alarm { ALARM_WHEEL, ALARM_ACTIVE, ALARM_HEARTBEAT, ALARM_COUNT };

/* Called at or after the time set, which is forgotten by then. now_ns is CLOCK_MONOTONIC. */
typedef void alarm_ring(struct worker *w, int64_t now_ns);

struct alarms {
	int fd; /* -1 = none */
	bool over; /* the kernel says that the time is over */
	bool ringing;
	struct event event;
	int64_t armed_ns; /* what the kernel has; INT64_MAX = nothing */
	int64_t due_ns[ALARM_COUNT]; /* INT64_MAX = not set */
	alarm_ring *ring[ALARM_COUNT];
};

/* Returns 0 or -errno; none is set then. */
int alarms_open(struct worker *w) MUST_CHECK;
void alarms_close(struct worker *w);

/* Rings what is due, once the time that the kernel has is over. For the end of a turn of the loop: what
 * came in before counts as traffic for those who ask how long it has been quiet. */
void alarms_ring(struct worker *w);

/* It rings at due_ns (CLOCK_MONOTONIC) at the latest: an earlier time that is set already stands. */
void alarm_set(struct worker *w, enum alarm a, int64_t due_ns);

#endif
