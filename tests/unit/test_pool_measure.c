/* From probes to one measurement a round, and what of it is held. */
#include "config.h"

#include "iaido/clock.h"
#include "iaido/rng.h"
#include "master/pool_priv.h"
#include "unit.h"

#define MS NSEC_PER_MSEC
#define BUCKET_NS (10 * MS)

static struct pools pools;
static struct pool_settings settings;
static struct pool pool;
static struct backend b;

static void
begin(void)
{
	pools = (struct pools){ .is_closing = true }; /* nobody is told: there is no loop */
	settings = (struct pool_settings){ .bucket_ns = BUCKET_NS };
	pool = (struct pool){ .pools = &pools, .settings = &settings };
	b = (struct backend){ .pool = &pool };
}

/* Its first probes, all alike. */
static void
begin_with(int64_t latency_ns)
{
	begin();
	while (!b.is_measured)
		(void)backend_measure(&b, latency_ns);
}

/* Probes until the round has its measurement; returns how many that took. */
static unsigned
do_round(int64_t latency_ns)
{
	unsigned probes = 1;

	while (!backend_measure(&b, latency_ns))
		probes++;
	return probes;
}

START_TEST(the_first_answer_counts_at_once_and_does_not_stand)
{
	begin();
	ck_assert(!backend_measure(&b, 80 * MS)); /* everything was starting */
	ck_assert_int_eq(b.latency.held_ns, 80 * MS);
	ck_assert(pool.is_unranked);
	ck_assert(!backend_measure(&b, 2 * MS));
	ck_assert_int_eq(b.latency.held_ns, 2 * MS);
	ck_assert(!backend_measure(&b, 3 * MS));
	ck_assert_int_eq(b.latency.held_ns, 3 * MS);
	ck_assert(!backend_measure(&b, 2 * MS));
	ck_assert(backend_measure(&b, 2 * MS));
	ck_assert_int_eq(b.latency.held_ns, 2 * MS);
	ck_assert(b.is_measured);
}
END_TEST

START_TEST(a_round_that_agrees_is_one_probe)
{
	begin_with(20 * MS);
	ck_assert_uint_eq(do_round(20 * MS), 1);
	ck_assert_uint_eq(do_round(22 * MS), 1);
	ck_assert_uint_eq(do_round(18 * MS), 1);
	ck_assert_int_eq(b.latency.held_ns, 20 * MS);
}
END_TEST

START_TEST(one_that_does_not_is_looked_into)
{
	begin_with(20 * MS);
	for (int round = 0; round < 10; round++) {
		ck_assert(!backend_measure(&b, 90 * MS));
		ck_assert(!backend_measure(&b, 20 * MS));
		ck_assert(!backend_measure(&b, 21 * MS));
		ck_assert(!backend_measure(&b, 80 * MS));
		ck_assert(backend_measure(&b, 20 * MS));
	}
	ck_assert_int_eq(b.latency.held_ns, 20 * MS);
}
END_TEST

START_TEST(a_lasting_shift_is_followed_within_three_rounds)
{
	for (int64_t shift_ns = BUCKET_NS * 3 / 2; shift_ns < 20 * BUCKET_NS; shift_ns += 7 * MS) {
		begin_with(20 * MS);
		for (int round = 0; round < 3; round++)
			(void)do_round(20 * MS + shift_ns);
		ck_assert_int_eq(b.latency.held_ns, 20 * MS + shift_ns);
		for (int round = 0; round < 3; round++)
			(void)do_round(20 * MS);
		ck_assert_int_eq(b.latency.held_ns, 20 * MS);
	}
}
END_TEST

/* How many of 1,000 backends have another latency held within 15 rounds, under such jitter. */
static unsigned
count_moved(int64_t jitter_ns)
{
	unsigned moved = 0;
	struct rng rng;

	rng_seed_from(&rng, 17);
	for (int i = 0; i < 1000; i++) {
		int64_t held_ns;
		bool differs = false;

		begin();
		while (!b.is_measured)
			(void)backend_measure(
				&b, 20 * MS + rng_between(&rng, -jitter_ns, jitter_ns));
		held_ns = b.latency.held_ns;
		for (int round = 0; round < 15; round++) {
			while (!backend_measure(
				&b, 20 * MS + rng_between(&rng, -jitter_ns, jitter_ns)))
				;
			differs = differs || b.latency.held_ns != held_ns;
		}
		moved += differs;
	}
	return moved;
}

START_TEST(jitter_moves_nobody)
{
	ck_assert_uint_eq(count_moved(BUCKET_NS / 4), 0); /* never, whatever the numbers */
	ck_assert_uint_le(count_moved(BUCKET_NS * 3 / 10), 1);
	ck_assert_uint_le(count_moved(BUCKET_NS * 4 / 10), 30);
	/* and this test would see it */
	ck_assert_uint_gt(count_moved(BUCKET_NS), 200);
}
END_TEST

UNIT_MAIN("pool_measure", the_first_answer_counts_at_once_and_does_not_stand,
	a_round_that_agrees_is_one_probe, one_that_does_not_is_looked_into,
	a_lasting_shift_is_followed_within_three_rounds, jitter_moves_nobody)
