/* Random numbers: in their bounds, evenly, repeatable from a seed and different without one. */
#include "config.h"

#include "iaido/rng.h"

#include <string.h>

#include "unit.h"

START_TEST(one_seed_gives_the_same_numbers)
{
	struct rng a, b, c;
	int same = 0;

	rng_seed_from(&a, 42);
	rng_seed_from(&b, 42);
	rng_seed_from(&c, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = rng_next(&a);

		ck_assert_uint_eq(x, rng_next(&b));
		same += x == rng_next(&c);
	}
	ck_assert_int_eq(same, 0);
}
END_TEST

START_TEST(no_two_seeds_from_the_system_are_alike)
{
	struct rng a, b;

	rng_seed(&a);
	rng_seed(&b);
	ck_assert_mem_ne(a.s, b.s, sizeof(a.s));
}
END_TEST

START_TEST(numbers_keep_to_their_bounds)
{
	struct rng r;

	rng_seed_from(&r, 7);
	for (uint64_t bound = 1; bound < 2000; bound++)
		ck_assert_uint_lt(rng_below(&r, bound), bound);
	for (int i = 0; i < 1000; i++) {
		int64_t v = rng_between(&r, -5, 5);

		ck_assert(v >= -5 && v <= 5);
		ck_assert_int_eq(rng_between(&r, 9, 9), 9);
		(void)rng_between(&r, INT64_MIN, INT64_MAX);
		v = rng_between(&r, INT64_MIN, 0);
		ck_assert_int_le(v, 0);
		ck_assert_uint_lt(rng_below(&r, UINT64_MAX), UINT64_MAX);
	}
}
END_TEST

START_TEST(small_bounds_come_evenly)
{
	struct rng r;
	int counts[10] = { 0 };

	rng_seed_from(&r, 11);
	for (int i = 0; i < 100000; i++)
		counts[rng_below(&r, 10)]++;
	/* Six standard deviations of 10,000 expected; the seed is fixed. */
	for (int i = 0; i < 10; i++)
		ck_assert(counts[i] > 9430 && counts[i] < 10570);
}
END_TEST

UNIT_MAIN("rng", one_seed_gives_the_same_numbers, no_two_seeds_from_the_system_are_alike,
	numbers_keep_to_their_bounds, small_bounds_come_evenly)
