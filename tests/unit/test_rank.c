/* Ranking: its rules, held against thousands of random histories. */
#include "config.h"

#include "iaido/rank.h"

#include <string.h>

#include "iaido/rng.h"
#include "unit.h"

#define MSEC INT64_C(1000000)
#define ITEMS_MAX 40
#define HISTORIES 5000

static struct rng rng;

/* Around a true latency, a quarter of a bucket at most to either side. */
static int64_t
jittered(int64_t true_ns, int64_t bucket_ns)
{
	return rng_between(&rng, true_ns - bucket_ns / 4, true_ns + bucket_ns / 4);
}

static int64_t
random_bucket(void)
{
	return 4 * rng_between(&rng, 25, 10000000);
}

START_TEST(the_first_sample_is_held_at_once)
{
	struct latency l = { 0 };

	ck_assert_int_eq(latency_measured_ns(&l), 0);
	ck_assert(!latency_add(&l, 0, 10 * MSEC)); /* no latency: nothing known */
	ck_assert(!latency_add(&l, -1, 10 * MSEC));
	ck_assert_int_eq(l.held_ns, 0);
	ck_assert(latency_add(&l, 3 * MSEC, 10 * MSEC));
	ck_assert_int_eq(l.held_ns, 3 * MSEC);
}
END_TEST

START_TEST(the_measured_one_is_the_median_of_the_last_three)
{
	static const int64_t samples[][4] = { { 1, 2, 3, 2 }, { 3, 2, 1, 2 }, { 1, 3, 2, 2 },
		{ 2, 2, 9, 2 }, { 9, 1, 9, 9 }, { 5, 5, 5, 5 }, { 2, 3, 1, 2 }, { 3, 1, 2, 2 },
		{ 2, 1, 3, 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct latency l = { 0 };

		(void)latency_add(&l, 77, 10);
		for (int k = 0; k < 3; k++)
			(void)latency_add(&l, samples[i][k], 10);
		ck_assert_int_eq(latency_measured_ns(&l), samples[i][3]);
	}
}
END_TEST

START_TEST(noise_moves_no_backend)
{
	rng_seed_from(&rng, 1);
	for (int i = 0; i < HISTORIES; i++) {
		int64_t bucket = random_bucket();
		int64_t true_ns = rng_between(&rng, bucket, 50 * bucket);
		struct latency l = { 0 };
		unsigned moved = 0;
		int64_t held;

		ck_assert(latency_add(&l, jittered(true_ns, bucket), bucket));
		held = l.held_ns;
		for (int round = 0; round < 100; round++)
			moved += latency_add(&l, jittered(true_ns, bucket), bucket);
		ck_assert_uint_eq(moved, 0);
		ck_assert_int_eq(l.held_ns, held);
	}
}
END_TEST

START_TEST(a_lasting_shift_is_followed_within_three_rounds)
{
	rng_seed_from(&rng, 2);
	for (int i = 0; i < HISTORIES; i++) {
		int64_t bucket = random_bucket();
		int64_t before = rng_between(&rng, 10 * bucket, 50 * bucket);
		int64_t shift = bucket + bucket / 2 + rng_between(&rng, 0, 5 * bucket);
		int64_t after = rng_below(&rng, 2) ? before + shift : before - shift;
		struct latency l = { 0 };

		for (uint64_t round = rng_between(&rng, 3, 20); round > 0; round--)
			(void)latency_add(&l, jittered(before, bucket), bucket);
		for (int round = 0; round < 3; round++)
			(void)latency_add(&l, jittered(after, bucket), bucket);
		ck_assert_int_ge(l.held_ns, after - bucket / 2);
		ck_assert_int_le(l.held_ns, after + bucket / 2);
	}
}
END_TEST

/* Noise of 40 % of a bucket is more than can be ruled out, but it hardly moves anybody. */
START_TEST(larger_noise_moves_few)
{
	unsigned moved = 0;

	rng_seed_from(&rng, 4);
	for (int i = 0; i < HISTORIES; i++) {
		const int64_t bucket = 10 * MSEC;
		struct latency l = { 0 };

		for (int round = 0; round < 33; round++) {
			int64_t sample = rng_between(&rng, 8 * MSEC, 12 * MSEC) +
				rng_between(&rng, 8 * MSEC, 12 * MSEC);

			moved += latency_add(&l, sample, bucket) && round >= 3;
		}
	}
	ck_assert_uint_lt(moved, HISTORIES / 50);
}
END_TEST

START_TEST(one_wild_sample_in_three_decides_nothing)
{
	rng_seed_from(&rng, 3);
	for (int i = 0; i < HISTORIES; i++) {
		int64_t bucket = random_bucket();
		int64_t true_ns = rng_between(&rng, bucket, 50 * bucket);
		struct latency l = { 0 };
		unsigned moved = 0;

		for (int round = 0; round < 2; round++)
			(void)latency_add(&l, jittered(true_ns, bucket), bucket);
		for (int round = 2; round < 60; round++) {
			int64_t sample = jittered(true_ns, bucket);

			if (round % 3 == 2)
				sample = rng_between(&rng, 1, 100 * bucket);
			moved += latency_add(&l, sample, bucket);
		}
		ck_assert_uint_eq(moved, 0);
	}
}
END_TEST

START_TEST(a_wild_first_sample_is_corrected_by_the_third)
{
	struct latency l = { 0 };

	(void)latency_add(&l, 1000 * MSEC, 10 * MSEC);
	(void)latency_add(&l, 2 * MSEC, 10 * MSEC);
	ck_assert(latency_add(&l, 2 * MSEC, 10 * MSEC));
	ck_assert_int_eq(l.held_ns, 2 * MSEC);
}
END_TEST

START_TEST(half_a_bucket_apart_is_not_apart)
{
	struct latency l = { 0 };

	(void)latency_add(&l, 20 * MSEC, 10 * MSEC);
	for (int i = 0; i < 10; i++)
		ck_assert(!latency_add(&l, 25 * MSEC, 10 * MSEC));
	ck_assert(!latency_add(&l, 25 * MSEC + 1, 10 * MSEC));
	ck_assert(!latency_add(&l, 25 * MSEC + 1, 10 * MSEC));
	ck_assert(latency_add(&l, 25 * MSEC + 1, 10 * MSEC));
}
END_TEST

static size_t
random_items(struct rank_item *items, int64_t bucket)
{
	size_t count = 1 + rng_below(&rng, ITEMS_MAX - 1);
	uint64_t tiers = 1 + rng_below(&rng, 4);

	for (size_t i = 0; i < count; i++) {
		items[i].tier = (uint32_t)rng_below(&rng, tiers) * 3; /* need not be dense */
		items[i].latency_ns = rng_below(&rng, 5) ? rng_between(&rng, 1, 8 * bucket) : 0;
		items[i].rank = UINT32_MAX;
	}
	return count;
}

/* Whether two items stand in the order that they should. */
static bool
in_order(const struct rank_item *a, const struct rank_item *b, int64_t bucket)
{
	if (a->tier != b->tier)
		return (a->tier < b->tier) == (a->rank < b->rank);
	if (a->latency_ns == 0 && b->latency_ns == 0)
		return a->rank == b->rank;
	if (a->latency_ns == 0 || b->latency_ns == 0)
		return (a->latency_ns > 0) == (a->rank < b->rank);
	if (a->latency_ns > b->latency_ns)
		return a->rank >= b->rank;
	return a->rank < b->rank || (a->rank == b->rank && b->latency_ns - a->latency_ns <= bucket);
}

static int64_t
fastest_of(const struct rank_item *items, size_t count, uint32_t rank)
{
	int64_t fastest = INT64_MAX;

	for (size_t i = 0; i < count; i++)
		if (items[i].rank == rank && items[i].latency_ns < fastest)
			fastest = items[i].latency_ns;
	return fastest;
}

static unsigned
count_faults(const struct rank_item *items, size_t count, int64_t bucket)
{
	unsigned faults = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t first = fastest_of(items, count, items[i].rank);

		for (size_t k = 0; k < count; k++) {
			faults += !in_order(&items[i], &items[k], bucket);
			/* Who is within a bucket of a group's fastest is in that group. */
			faults += items[k].tier == items[i].tier && first > 0 &&
				items[k].latency_ns >= first &&
				items[k].latency_ns - first <= bucket &&
				items[k].rank != items[i].rank;
		}
	}
	return faults;
}

START_TEST(groups_are_in_order_dense_narrow_and_cut_from_the_fastest)
{
	struct rank_item items[ITEMS_MAX];

	rng_seed_from(&rng, 6);
	for (int round = 0; round < HISTORIES; round++) {
		int64_t bucket = random_bucket();
		size_t count = random_items(items, bucket);
		int ranks = rank_assign(items, count, bucket);

		ck_assert_int_gt(ranks, 0);
		ck_assert_uint_eq(count_faults(items, count, bucket), 0);
		for (uint32_t r = 0; r < (uint32_t)ranks; r++)
			ck_assert_int_ne(fastest_of(items, count, r), INT64_MAX); /* dense */
	}
}
END_TEST

START_TEST(without_probing_the_configured_tiers_are_the_ranks)
{
	struct rank_item items[ITEMS_MAX];
	unsigned faults = 0;

	rng_seed_from(&rng, 7);
	for (int round = 0; round < HISTORIES; round++) {
		size_t count = random_items(items, MSEC);

		ck_assert_int_gt(rank_assign(items, count, -1), 0);
		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < count; k++)
				faults += (items[i].tier < items[k].tier) !=
					(items[i].rank < items[k].rank);
	}
	ck_assert_uint_eq(faults, 0);
}
END_TEST

START_TEST(nobody_known_means_one_group)
{
	struct rank_item items[3] = { { 0 } };

	ck_assert_int_eq(rank_assign(items, 3, MSEC), 1);
	ck_assert_uint_eq(items[2].rank, 0);
	ck_assert_int_eq(rank_assign(items, 0, MSEC), 0);
}
END_TEST

START_TEST(nine_and_eleven_milliseconds_are_one_group)
{
	struct rank_item items[] = { { 0, 9 * MSEC, 0 }, { 0, 11 * MSEC, 0 }, { 0, 19 * MSEC, 0 },
		{ 0, 19 * MSEC + 1, 0 } };

	ck_assert_int_eq(rank_assign(items, 4, 10 * MSEC), 2);
	ck_assert_uint_eq(items[0].rank, 0);
	ck_assert_uint_eq(items[1].rank, 0);
	ck_assert_uint_eq(items[2].rank, 0);
	ck_assert_uint_eq(items[3].rank, 1);
}
END_TEST

START_TEST(ranks_do_not_flap_under_jitter)
{
	rng_seed_from(&rng, 8);
	for (int history = 0; history < 500; history++) {
		struct latency latencies[ITEMS_MAX] = { 0 };
		struct rank_item items[ITEMS_MAX] = { 0 };
		int64_t true_ns[ITEMS_MAX];
		uint32_t ranks[ITEMS_MAX];
		int64_t bucket = random_bucket();
		unsigned moved = 0;

		for (int i = 0; i < ITEMS_MAX; i++)
			true_ns[i] = rng_between(&rng, bucket, 6 * bucket);
		for (int round = 0; round < 50; round++) {
			for (int i = 0; i < ITEMS_MAX; i++) {
				(void)latency_add(
					&latencies[i], jittered(true_ns[i], bucket), bucket);
				items[i].latency_ns = latencies[i].held_ns;
			}
			ck_assert_int_gt(rank_assign(items, ITEMS_MAX, bucket), 0);
			for (int i = 0; i < ITEMS_MAX; i++) {
				moved += round > 0 && ranks[i] != items[i].rank;
				ranks[i] = items[i].rank;
			}
		}
		ck_assert_uint_eq(moved, 0);
	}
}
END_TEST

UNIT_MAIN("rank", the_first_sample_is_held_at_once,
	the_measured_one_is_the_median_of_the_last_three, noise_moves_no_backend,
	a_lasting_shift_is_followed_within_three_rounds, larger_noise_moves_few,
	one_wild_sample_in_three_decides_nothing, a_wild_first_sample_is_corrected_by_the_third,
	half_a_bucket_apart_is_not_apart, groups_are_in_order_dense_narrow_and_cut_from_the_fastest,
	without_probing_the_configured_tiers_are_the_ranks, nobody_known_means_one_group,
	nine_and_eleven_milliseconds_are_one_group, ranks_do_not_flap_under_jitter)
