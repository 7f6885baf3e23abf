/* A worker's standing timers: which one rings when, on one descriptor. */
#include "config.h"

#include "worker/alarm.h"

#include <event2/event.h>
#include <string.h>

#include "iaido/clock.h"

#include "worker/loop.h"

#include "unit.h"

static struct worker worker;
static bool over;
static enum alarm rung[16];
static int rung_count;
static int64_t begun_ns;

static void
note(enum alarm a)
{
	ck_assert_int_lt(rung_count, 16);
	rung[rung_count++] = a;
}

static void
on_wheel(struct worker *w, int64_t now_ns)
{
	(void)w;
	ck_assert_int_ge(now_ns, begun_ns + 20 * NSEC_PER_MSEC);
	note(ALARM_WHEEL);
}

static void
on_active(struct worker *w, int64_t now_ns)
{
	(void)now_ns;
	note(ALARM_ACTIVE);
	/* Set from within: rings again, and that is the end. */
	if (rung_count < 3)
		alarm_set(w, ALARM_ACTIVE, begun_ns + 40 * NSEC_PER_MSEC);
	else
		over = true;
}

static void
on_heartbeat(struct worker *w, int64_t now_ns)
{
	(void)w;
	(void)now_ns;
	note(ALARM_HEARTBEAT);
}

static void
set_up(void)
{
	memset(&worker, 0, sizeof(worker));
	ck_assert_ptr_nonnull(worker.base = event_base_new());
	ck_assert_int_eq(alarms_open(&worker), 0);
	worker.alarms.ring[ALARM_WHEEL] = on_wheel;
	worker.alarms.ring[ALARM_ACTIVE] = on_active;
	worker.alarms.ring[ALARM_HEARTBEAT] = on_heartbeat;
	rung_count = 0;
	over = false;
	begun_ns = clock_now_ns();
}

static void
run(void)
{
	while (!over) {
		ck_assert_int_eq(event_base_loop(worker.base, EVLOOP_ONCE), 0);
		alarms_ring(&worker);
	}
}

static void
tear_down(void)
{
	alarms_close(&worker);
	event_base_free(worker.base);
}

START_TEST(each_rings_in_its_time_and_not_before)
{
	set_up();
	alarm_set(&worker, ALARM_WHEEL, begun_ns + 20 * NSEC_PER_MSEC);
	alarm_set(&worker, ALARM_ACTIVE, begun_ns + 10 * NSEC_PER_MSEC);
	run();
	ck_assert_int_eq(rung_count, 3);
	ck_assert_int_eq(rung[0], ALARM_ACTIVE);
	ck_assert_int_eq(rung[1], ALARM_WHEEL);
	ck_assert_int_eq(rung[2], ALARM_ACTIVE);
	ck_assert_int_ge(clock_now_ns(), begun_ns + 40 * NSEC_PER_MSEC);
	tear_down();
}
END_TEST

START_TEST(the_earlier_of_two_times_stands)
{
	set_up();
	alarm_set(&worker, ALARM_HEARTBEAT, begun_ns + 10 * NSEC_PER_MSEC);
	alarm_set(&worker, ALARM_HEARTBEAT, INT64_MAX - 1);
	alarm_set(&worker, ALARM_ACTIVE, INT64_MAX - 1);
	alarm_set(&worker, ALARM_ACTIVE, begun_ns + 30 * NSEC_PER_MSEC);
	run();
	ck_assert_int_eq(rung_count, 3);
	ck_assert_int_eq(rung[0], ALARM_HEARTBEAT);
	tear_down();
}
END_TEST

START_TEST(a_time_that_is_past_rings_at_once)
{
	set_up();
	alarm_set(&worker, ALARM_HEARTBEAT, -5);
	alarm_set(&worker, ALARM_ACTIVE, begun_ns + 10 * NSEC_PER_MSEC);
	run();
	ck_assert_int_eq(rung[0], ALARM_HEARTBEAT);
	tear_down();
}
END_TEST

UNIT_MAIN("alarm", each_rings_in_its_time_and_not_before, the_earlier_of_two_times_stands,
	a_time_that_is_past_rings_at_once)
