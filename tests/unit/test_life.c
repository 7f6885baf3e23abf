/* How soon a dead worker is replaced. */
#include "config.h"

#include "unit.h"

#include "iaido/clock.h"
#include "master/life.h"
#include "master/supervisor.h"

START_TEST(the_first_death_is_made_good_at_once)
{
	struct seat seat = { 0 };

	ck_assert_int_eq(life_backoff_ns(&seat, 3600 * NSEC_PER_SEC), 0);
	/* And so is each one that comes after a life worth the name. */
	ck_assert_int_eq(life_backoff_ns(&seat, NSEC_PER_SEC), 0);
	ck_assert_int_eq(life_backoff_ns(&seat, NSEC_PER_SEC), 0);
}
END_TEST

START_TEST(who_keeps_dying_waits_longer_up_to_ten_seconds)
{
	struct seat seat = { 0 };
	int64_t last = -1, delay;

	ck_assert_int_eq(life_backoff_ns(&seat, NSEC_PER_MSEC), 0);
	ck_assert_int_eq(life_backoff_ns(&seat, NSEC_PER_MSEC), 100 * NSEC_PER_MSEC);
	ck_assert_int_eq(life_backoff_ns(&seat, NSEC_PER_MSEC), 200 * NSEC_PER_MSEC);
	for (int i = 0; i < 20; i++) {
		delay = life_backoff_ns(&seat, NSEC_PER_MSEC);
		ck_assert_int_ge(delay, last);
		last = delay;
	}
	ck_assert_int_eq(last, 10 * NSEC_PER_SEC);
}
END_TEST

START_TEST(a_long_life_makes_up_for_many_deaths)
{
	struct seat seat = { 0 };

	for (int i = 0; i < 30; i++)
		(void)life_backoff_ns(&seat, 0);
	ck_assert_int_eq(life_backoff_ns(&seat, 10 * NSEC_PER_SEC), 0);
}
END_TEST

UNIT_MAIN("life", the_first_death_is_made_good_at_once,
	who_keeps_dying_waits_longer_up_to_ten_seconds, a_long_life_makes_up_for_many_deaths)
