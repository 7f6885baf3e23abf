/* The worker's standing timers, all on one timerfd (timerfd_create(2)), which the kernel is told of
 * only when the earliest of them changes. What they are for is their owners' business. */
#include "config.h"

#include "worker/alarm.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/loop.h"

static void
arm(struct alarms *s, int64_t due_ns)
{
	struct itimerspec at = { 0 };

	s->armed_ns = due_ns;
	/* A time of 0 would switch it off. */
	if (due_ns < 1)
		due_ns = 1;
	at.it_value.tv_sec = (time_t)(due_ns / NSEC_PER_SEC);
	at.it_value.tv_nsec = (long)(due_ns % NSEC_PER_SEC);
	/* Cannot fail: the descriptor is a timer's, the time is in range. */
	(void)timerfd_settime(s->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static int64_t
earliest_ns(const struct alarms *s)
{
	int64_t earliest = INT64_MAX;

	for (int a = 0; a < ALARM_COUNT; a++)
		if (s->due_ns[a] < earliest)
			earliest = s->due_ns[a];
	return earliest;
}

/* Edge-triggered, so that nobody has to read the descriptor: setting it anew resets it. */
static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	w->alarms.over = true;
}

void
alarms_ring(struct worker *w)
{
	struct alarms *s = &w->alarms;
	int64_t now_ns, next_ns;

	if (LIKELY(!s->over))
		return;
	now_ns = clock_now_ns();
	s->over = false;
	s->armed_ns = INT64_MAX;
	s->ringing = true;
	for (int a = 0; a < ALARM_COUNT; a++) {
		if (s->due_ns[a] > now_ns)
			continue;
		s->due_ns[a] = INT64_MAX;
		s->ring[a](w, now_ns);
	}
	s->ringing = false;
	next_ns = earliest_ns(s);
	if (next_ns != INT64_MAX)
		arm(s, next_ns);
}

int
alarms_open(struct worker *w)
{
	struct alarms *s = &w->alarms;

	s->armed_ns = INT64_MAX;
	for (int a = 0; a < ALARM_COUNT; a++)
		s->due_ns[a] = INT64_MAX;
	s->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	event_assign(&s->event, w->base, s->fd, EV_READ | EV_ET | EV_PERSIST, on_alarm, w);
	return event_add(&s->event, NULL) < 0 ? -ENOMEM : 0;
}

void
alarms_close(struct worker *w)
{
	struct alarms *s = &w->alarms;

	if (s->fd < 0)
		return;
	event_del(&s->event);
	close(s->fd);
	s->fd = -1;
}

void
alarm_set(struct worker *w, enum alarm a, int64_t due_ns)
{
	struct alarms *s = &w->alarms;

	if (due_ns >= s->due_ns[a])
		return;
	s->due_ns[a] = due_ns;
	if (due_ns < s->armed_ns && !s->ringing)
		arm(s, due_ns);
}
