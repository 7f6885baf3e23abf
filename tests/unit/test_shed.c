/* Ticks, ages and the plan of a drain: what is drawn stays in its bounds, and spreads over them. */
#include "config.h"

#include "iaido/shed.h"

#include "iaido/clock.h"
#include "iaido/rng.h"
#include "unit.h"

#define DRAWS 100000

static struct rng rng;

START_TEST(a_tick_comes_within_half_a_maintenance_time_of_it)
{
	const int64_t m = 30 * NSEC_PER_SEC;
	int tenths[10] = { 0 };

	rng_seed_from(&rng, 1);
	for (int i = 0; i < DRAWS; i++) {
		int64_t wait = shed_next_tick_ns(1000, m, &rng) - 1000;

		if (wait < m / 2 || wait > m + m / 2)
			ck_abort_msg("a tick after %lld ns", (long long)wait);
		tenths[(wait - m / 2) * 10 / (m + 1)]++;
	}
	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(tenths[i], DRAWS / 20);
}
END_TEST

START_TEST(ticks_of_many_fall_on_few_moments)
{
	const int64_t m = 30 * NSEC_PER_SEC, first = 1000 * NSEC_PER_SEC;
	static bool seen[1024];
	int count = 0;

	rng_seed_from(&rng, 7);
	for (int i = 0; i < DRAWS; i++) {
		/* Each at a time of its own. */
		int64_t now_ns = first + rng_between(&rng, 0, m);
		int64_t tick_ns = shed_next_tick_ns(now_ns, m, &rng);
		int64_t moment = (tick_ns - first) / (m / 128);

		ck_assert_int_eq(tick_ns % (m / 128), 0);
		ck_assert(tick_ns >= now_ns + m / 2 && tick_ns <= now_ns + m + m / 2);
		ck_assert(moment >= 0 && moment < 1024);
		count += !seen[moment];
		seen[moment] = true;
	}
	/* Over two and a half times the maintenance time, and every one is used. */
	ck_assert_int_gt(count, 128);
	ck_assert_int_lt(count, 330);
}
END_TEST

START_TEST(extreme_maintenance_times_do_not_overflow)
{
	rng_seed_from(&rng, 2);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_gt(shed_next_tick_ns(NSEC_PER_SEC, 0, &rng), NSEC_PER_SEC);
		ck_assert_int_gt(shed_next_tick_ns(NSEC_PER_SEC, -5, &rng), NSEC_PER_SEC);
		ck_assert_int_gt(shed_next_tick_ns(NSEC_PER_SEC, INT64_MAX, &rng), NSEC_PER_SEC);
		ck_assert_int_gt(shed_age_ns(INT64_MAX, &rng), NSEC_PER_SEC);
	}
}
END_TEST

START_TEST(an_age_is_within_a_tenth)
{
	rng_seed_from(&rng, 3);
	ck_assert_int_eq(shed_age_ns(0, &rng), 0);
	for (int i = 0; i < DRAWS; i++) {
		int64_t age = shed_age_ns(1000, &rng);

		if (age < 900 || age > 1100)
			ck_abort_msg("an age of %lld for 1000", (long long)age);
	}
}
END_TEST

static unsigned
count_faults(const struct drain_plan *p)
{
	int64_t span = p->end_ns - p->start_ns;
	int64_t window = span / 5 < 5 * NSEC_PER_SEC ? span / 5 : 5 * NSEC_PER_SEC;
	int64_t idle_before = p->start_ns, last_before = p->end_ns - window;
	unsigned faults = 0;

	for (uint32_t i = 0; i <= 100; i++) {
		uint32_t draw = i * 9999 + (i == 100 ? 99 : 0);
		int64_t idle = drain_idle_due_ns(p, 0, draw);
		int64_t busy = drain_busy_due_ns(p, draw);
		int64_t last = drain_last_due_ns(p, draw);

		faults += idle < idle_before || idle > p->start_ns + span / 2;
		faults += busy < p->end_ns - window || busy > last;
		faults += last < last_before || last > p->end_ns;
		faults += span > 1000 && last == p->end_ns;
		idle_before = idle;
		last_before = last;
	}
	return faults;
}

START_TEST(a_drain_keeps_to_its_parts)
{
	rng_seed_from(&rng, 4);
	for (int i = 0; i < 5000; i++) {
		struct drain_plan p = { .start_ns = rng_between(&rng, 0, INT64_C(1) << 50) };
		int bits = (int)rng_below(&rng, 52);

		p.end_ns = p.start_ns + rng_between(&rng, 0, INT64_C(1) << bits);
		ck_assert_uint_eq(count_faults(&p), 0);
	}
}
END_TEST

/* How many of 1,000 connections are closed in the fullest tenth of [from, to). */
static int
fullest_tenth(const struct drain_plan *p, int64_t (*due)(const struct drain_plan *, uint32_t),
	int64_t from_ns, int64_t to_ns)
{
	int tenths[10] = { 0 }, most = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		int64_t at = (due(p, i * 1000) - from_ns) * 10 / (to_ns - from_ns);

		ck_assert(at >= 0 && at < 10);
		tenths[at]++;
		most = tenths[at] > most ? tenths[at] : most;
	}
	return most;
}

static int64_t
long_idle_due(const struct drain_plan *p, uint32_t draw)
{
	return drain_idle_due_ns(p, p->start_ns - 20 * NSEC_PER_SEC, draw);
}

static int64_t
just_idle_due(const struct drain_plan *p, uint32_t draw)
{
	return drain_idle_due_ns(p, p->start_ns, draw);
}

START_TEST(a_drain_closes_never_all_at_once)
{
	struct drain_plan p = { 30 * NSEC_PER_SEC, 40 * NSEC_PER_SEC };
	struct drain_plan brief = { 0, NSEC_PER_SEC };

	ck_assert_int_le(
		fullest_tenth(&p, long_idle_due, 30 * NSEC_PER_SEC, 35 * NSEC_PER_SEC), 101);
	/* A byte came as it began: idle after a second, and after a fifth of a short one. */
	ck_assert_int_le(
		fullest_tenth(&p, just_idle_due, 31 * NSEC_PER_SEC, 35 * NSEC_PER_SEC), 101);
	ck_assert_int_le(
		fullest_tenth(&brief, just_idle_due, NSEC_PER_SEC / 5, NSEC_PER_SEC / 2), 101);
	/* Who was busy for half of it has to be idle first. */
	ck_assert_int_eq(drain_idle_due_ns(&p, 38 * NSEC_PER_SEC, 999999), 39 * NSEC_PER_SEC);
	ck_assert_int_le(
		fullest_tenth(&p, drain_busy_due_ns, 38 * NSEC_PER_SEC, 39 * NSEC_PER_SEC), 101);
	ck_assert_int_le(
		fullest_tenth(&p, drain_last_due_ns, 39 * NSEC_PER_SEC, 40 * NSEC_PER_SEC), 115);
}
END_TEST

START_TEST(a_plan_without_time_is_due_at_once)
{
	struct drain_plan p = { 500, 400 };

	ck_assert_int_eq(drain_idle_due_ns(&p, 0, 999999), 500);
	ck_assert_int_eq(drain_busy_due_ns(&p, 999999), 500);
	ck_assert_int_eq(drain_last_due_ns(&p, UINT32_MAX), 500);
}
END_TEST

UNIT_MAIN("shed", a_tick_comes_within_half_a_maintenance_time_of_it,
	ticks_of_many_fall_on_few_moments, extreme_maintenance_times_do_not_overflow,
	an_age_is_within_a_tenth, a_drain_keeps_to_its_parts, a_drain_closes_never_all_at_once,
	a_plan_without_time_is_due_at_once)
