/* The timer wheel against a model that looks at every entry each time. */
#include "config.h"

#include "iaido/wheel.h"

#include <string.h>

#include "iaido/macros.h"
#include "iaido/rng.h"
#include "unit.h"

#define TICK INT64_C(1000)
#define ENTRIES 200

struct item {
	struct wheel_entry entry;
	bool is_set;
	int64_t handed_tick; /* the first tick at which it may be handed out */
};

static struct item items[ENTRIES];
static struct wheel wheel;

static int64_t
ceil_tick(int64_t ns)
{
	return (ns + TICK - 1) / TICK;
}

static void
set_item(struct item *it, int64_t due_ns, int64_t now_ns)
{
	wheel_set(&wheel, &it->entry, due_ns);
	it->is_set = true;
	it->handed_tick = ceil_tick(due_ns);
	if (it->handed_tick <= now_ns / TICK)
		it->handed_tick = now_ns / TICK + 1;
}

static void
expire_all(int64_t now_ns)
{
	struct wheel_entry *e;
	size_t left = 0;

	while ((e = wheel_expire(&wheel, now_ns))) {
		struct item *it = CONTAINER_OF(e, struct item, entry);

		ck_assert(it->is_set);
		ck_assert_int_le(it->handed_tick, now_ns / TICK);
		ck_assert(!wheel_entry_is_set(e));
		it->is_set = false;
	}
	for (size_t i = 0; i < ENTRIES; i++) {
		ck_assert_int_eq(items[i].is_set, wheel_entry_is_set(&items[i].entry));
		if (!items[i].is_set)
			continue;
		left++;
		ck_assert_int_gt(items[i].handed_tick, now_ns / TICK);
		ck_assert_int_le(wheel_next_ns(&wheel), items[i].handed_tick * TICK);
	}
	ck_assert_uint_eq(wheel.count, left);
	if (left == 0)
		ck_assert_int_eq(wheel_next_ns(&wheel), INT64_MAX);
	else
		ck_assert_int_gt(wheel_next_ns(&wheel), now_ns);
}

START_TEST(random_operations_agree_with_a_naive_model)
{
	struct rng rng;

	for (uint64_t seed = 0; seed < 40; seed++) {
		int64_t now = 123456 + (int64_t)seed * 777;

		rng_seed_from(&rng, seed);
		memset(items, 0, sizeof(items));
		wheel_init(&wheel, TICK, now);
		for (int step = 0; step < 2000; step++) {
			struct item *it = &items[rng_below(&rng, ENTRIES)];
			uint64_t what = rng_below(&rng, 10);

			if (what < 5) {
				/* From overdue to three turns away. */
				set_item(it,
					now + rng_between(&rng, -5 * TICK, 3 * WHEEL_SLOTS * TICK),
					now);
			} else if (what < 7) {
				wheel_clear(&wheel, &it->entry);
				it->is_set = false;
			} else {
				/* Mostly small steps; now and then past a whole turn. */
				int64_t far = what == 9 && step % 50 == 0 ? 2 * WHEEL_SLOTS : 20;

				now += rng_between(&rng, 0, far * TICK);
				expire_all(now);
			}
		}
	}
}
END_TEST

START_TEST(an_entry_set_while_expiring_waits_for_the_next_tick)
{
	struct wheel_entry *e;
	int rounds = 0;

	memset(items, 0, sizeof(items));
	wheel_init(&wheel, TICK, 0);
	wheel_set(&wheel, &items[0].entry, 5 * TICK);
	while ((e = wheel_expire(&wheel, 1000 * TICK))) {
		wheel_set(&wheel, e, 0);
		ck_assert_int_lt(++rounds, 2);
	}
	ck_assert_int_eq(rounds, 1);
	ck_assert_ptr_eq(wheel_expire(&wheel, 1001 * TICK), &items[0].entry);
	ck_assert_ptr_null(wheel_expire(&wheel, 1001 * TICK));
}
END_TEST

START_TEST(an_entry_may_be_cleared_after_it_was_collected)
{
	memset(items, 0, sizeof(items));
	wheel_init(&wheel, TICK, 0);
	for (int i = 0; i < 3; i++)
		wheel_set(&wheel, &items[i].entry, TICK);
	ck_assert_ptr_nonnull(wheel_expire(&wheel, TICK));
	for (int i = 0; i < 3; i++)
		wheel_clear(&wheel, &items[i].entry);
	ck_assert_uint_eq(wheel.count, 0);
	ck_assert_ptr_null(wheel_expire(&wheel, TICK));
	ck_assert_int_eq(wheel_next_ns(&wheel), INT64_MAX);
}
END_TEST

START_TEST(entries_left_over_are_due_at_once)
{
	memset(items, 0, sizeof(items));
	wheel_init(&wheel, TICK, 0);
	for (int i = 0; i < 2; i++)
		wheel_set(&wheel, &items[i].entry, TICK);
	ck_assert_ptr_nonnull(wheel_expire(&wheel, TICK));
	ck_assert_int_le(wheel_next_ns(&wheel), TICK);
	ck_assert_ptr_nonnull(wheel_expire(&wheel, TICK));
	ck_assert_ptr_null(wheel_expire(&wheel, TICK));
}
END_TEST

START_TEST(entries_a_turn_away_wake_nobody_before)
{
	memset(items, 0, sizeof(items));
	wheel_init(&wheel, TICK, 0);
	for (int i = 0; i < 20; i++)
		wheel_set(&wheel, &items[i].entry, (3 * WHEEL_SLOTS + 7 * i + 1) * TICK);
	ck_assert_int_eq(wheel_next_ns(&wheel), WHEEL_SLOTS * TICK);
	wheel_set(&wheel, &items[20].entry, 100 * TICK);
	ck_assert_int_eq(wheel_next_ns(&wheel), 100 * TICK);
	ck_assert_ptr_eq(wheel_expire(&wheel, 100 * TICK), &items[20].entry);
	ck_assert_int_eq(wheel_next_ns(&wheel), (100 + WHEEL_SLOTS) * TICK);
	/* And they are all there when their time has come. */
	ck_assert_ptr_null(wheel_expire(&wheel, 3 * WHEEL_SLOTS * TICK));
	for (int i = 0; i < 20; i++) {
		int64_t due_ns = (3 * WHEEL_SLOTS + 7 * i + 1) * TICK;

		ck_assert_int_eq(wheel_next_ns(&wheel), due_ns);
		ck_assert_ptr_eq(wheel_expire(&wheel, due_ns), &items[i].entry);
	}
}
END_TEST

START_TEST(never_and_clearing_twice_do_no_harm)
{
	memset(items, 0, sizeof(items));
	wheel_init(&wheel, TICK, 0);
	wheel_set(&wheel, &items[0].entry, INT64_MAX);
	ck_assert_ptr_null(wheel_expire(&wheel, 5000 * TICK));
	ck_assert_int_ne(wheel_next_ns(&wheel), INT64_MAX);
	wheel_clear(&wheel, &items[0].entry);
	wheel_clear(&wheel, &items[0].entry);
	ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

UNIT_MAIN("wheel", random_operations_agree_with_a_naive_model,
	an_entry_set_while_expiring_waits_for_the_next_tick,
	an_entry_may_be_cleared_after_it_was_collected, entries_left_over_are_due_at_once,
	entries_a_turn_away_wake_nobody_before, never_and_clearing_twice_do_no_harm)
