/* Promotion: never before a better rank has had room for long enough, never more than it has room
 * for, spread over a maintenance time, and all of them in the end. */
#include "config.h"

#include <string.h>

#include "iaido/clock.h"
#include "iaido/rng.h"
#include "iaido/scoreboard.h"
#include "iaido/shed.h"
#include "unit.h"

#define STEP (100 * NSEC_PER_MSEC)
#define START (1000 * NSEC_PER_SEC)
#define MAINTENANCE (10 * NSEC_PER_SEC)

/* Two ranks: near (0) with a limit, far (1) with sessions; the clients of those closed come back
 * on near if `come_back`. */
struct world {
	struct promote_state *state;
	struct promote_backend backends[2];
	uint32_t spent[2];
	int64_t now_ns;
	bool come_back;
};

static struct world
make_world(uint32_t near_limit, uint32_t sessions, int64_t after_ns)
{
	struct world w = { .state = promote_state_new(), .now_ns = START, .come_back = true };

	ck_assert_ptr_nonnull(w.state);
	w.backends[0] = (struct promote_backend){
		.rank = 0, .usable = true, .limit = near_limit, .promote_after_ns = after_ns
	};
	w.backends[1] = (struct promote_backend){ .rank = 1,
		.usable = true,
		.active = sessions,
		.limit = NO_LIMIT,
		.promote_after_ns = after_ns };
	return w;
}

/* One step, and whatever is granted is used at once. Returns how many were closed. */
static uint32_t
step(struct world *w)
{
	uint32_t closed;

	ck_assert_int_eq(
		promote_step(w->state, w->backends, 2, w->spent, MAINTENANCE, w->now_ns), 0);
	ck_assert_uint_eq(w->backends[0].granted, 0);
	ck_assert(!w->backends[0].promotable);
	closed = w->backends[1].granted;
	ck_assert_uint_le(closed, w->backends[1].active);
	w->spent[1] = closed;
	w->backends[1].active -= closed;
	if (w->come_back)
		w->backends[0].active += closed;
	ck_assert(
		w->backends[0].limit == NO_LIMIT || w->backends[0].active <= w->backends[0].limit);
	w->now_ns += STEP;
	return closed;
}

static uint32_t
steps(struct world *w, int64_t duration_ns)
{
	uint32_t closed = 0;

	for (int64_t i = 0; i < duration_ns / STEP; i++)
		closed += step(w);
	return closed;
}

START_TEST(nothing_moves_before_its_time)
{
	struct world w = make_world(NO_LIMIT, 60, 3 * NSEC_PER_SEC);

	ck_assert_uint_eq(steps(&w, 3 * NSEC_PER_SEC), 0);
	ck_assert(!w.backends[1].promotable);
	ck_assert_uint_gt(steps(&w, NSEC_PER_SEC), 0);
	ck_assert(w.backends[1].promotable);
	promote_state_free(w.state);
}
END_TEST

START_TEST(a_break_starts_the_time_anew)
{
	struct world w = make_world(NO_LIMIT, 60, 3 * NSEC_PER_SEC);

	for (int i = 0; i < 10; i++) {
		w.backends[0].usable = true;
		ck_assert_uint_eq(steps(&w, 2900 * NSEC_PER_MSEC), 0);
		w.backends[0].usable = i % 2 == 0;
		w.backends[0].limit = i % 2 == 0 ? 0 : NO_LIMIT; /* full will do too */
		ck_assert_uint_eq(step(&w), 0);
		w.backends[0].limit = NO_LIMIT;
	}
	promote_state_free(w.state);
}
END_TEST

START_TEST(a_better_rank_that_fails_again_ends_it_at_once)
{
	struct world w = make_world(NO_LIMIT, 60, NSEC_PER_SEC);

	ck_assert_uint_gt(steps(&w, 2 * NSEC_PER_SEC), 0);
	w.backends[0].usable = false;
	ck_assert_uint_eq(steps(&w, 5 * NSEC_PER_SEC), 0);
	ck_assert(!w.backends[1].promotable);
	promote_state_free(w.state);
}
END_TEST

START_TEST(without_force_nothing_ever_moves)
{
	struct world w = make_world(NO_LIMIT, 60, 0);

	ck_assert_uint_eq(steps(&w, 100 * NSEC_PER_SEC), 0);
	promote_state_free(w.state);
}
END_TEST

START_TEST(it_is_spread_over_a_maintenance_time)
{
	struct world w = make_world(NO_LIMIT, 60, NSEC_PER_SEC);
	uint32_t all = steps(&w, NSEC_PER_SEC), fullest = 0;
	int64_t seconds = 0;

	while (all < 60 && seconds < 100) {
		uint32_t closed = steps(&w, NSEC_PER_SEC);

		all += closed;
		fullest = closed > fullest ? closed : fullest;
		seconds++;
	}
	ck_assert_uint_eq(all, 60);
	ck_assert_uint_le(fullest, 15);
	ck_assert_int_ge(seconds, 8);
	ck_assert_int_le(seconds, 12);
	promote_state_free(w.state);
}
END_TEST

START_TEST(at_most_a_quarter_a_second_however_short_the_maintenance_time)
{
	struct world w = make_world(NO_LIMIT, 60, NSEC_PER_MSEC);
	uint32_t all = 0;

	for (int second = 0; second < 10; second++) {
		uint32_t closed = 0;

		for (int i = 0; i < 10; i++) {
			ck_assert_int_eq(promote_step(w.state, w.backends, 2, w.spent,
						 NSEC_PER_MSEC, w.now_ns),
				0);
			w.spent[1] = w.backends[1].granted;
			w.backends[1].active -= w.spent[1];
			closed += w.spent[1];
			w.now_ns += STEP;
		}
		ck_assert_uint_le(closed, 15);
		all += closed;
	}
	ck_assert_uint_eq(all, 60);
	promote_state_free(w.state);
}
END_TEST

START_TEST(never_more_than_there_is_room_for)
{
	struct world w = make_world(7, 60, NSEC_PER_SEC);

	ck_assert_uint_eq(steps(&w, 100 * NSEC_PER_SEC), 7);
	ck_assert_uint_eq(w.backends[0].active, 7);
	promote_state_free(w.state);
}
END_TEST

START_TEST(clients_that_never_come_back_keep_their_places_for_a_while)
{
	struct world w = make_world(7, 600, NSEC_PER_SEC);
	uint32_t closed_at[1000] = { 0 };

	w.come_back = false;
	for (int i = 0; i < 1000; i++) {
		uint32_t in_time = 0;

		closed_at[i] = step(&w);
		for (int k = i; k >= 0 && k > i - MAINTENANCE / STEP; k--)
			in_time += closed_at[k];
		ck_assert_uint_le(in_time, 7);
	}
	ck_assert_uint_lt(w.backends[1].active, 600 - 7 * 5);
	promote_state_free(w.state);
}
END_TEST

START_TEST(one_connection_moves_too)
{
	struct world w = make_world(NO_LIMIT, 1, NSEC_PER_SEC);

	ck_assert_uint_eq(steps(&w, 3 * NSEC_PER_SEC), 1);
	promote_state_free(w.state);
}
END_TEST

START_TEST(grants_not_used_do_not_add_up)
{
	struct world w = make_world(NO_LIMIT, 100, NSEC_PER_SEC);

	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(promote_step(w.state, w.backends, 2, w.spent, MAINTENANCE,
					 START + i * STEP),
			0);
		ck_assert_uint_le(w.backends[1].granted, 5);
	}
	promote_state_free(w.state);
}
END_TEST

START_TEST(a_caller_that_slept_gets_no_flood)
{
	struct world w = make_world(NO_LIMIT, 100, NSEC_PER_SEC);

	(void)steps(&w, 2 * NSEC_PER_SEC);
	w.now_ns += 3600 * NSEC_PER_SEC;
	ck_assert_uint_le(step(&w), 5);
	w.now_ns -= 1800 * NSEC_PER_SEC; /* nor one whose clock jumps */
	ck_assert_uint_le(step(&w), 5);
	promote_state_free(w.state);
}
END_TEST

START_TEST(a_rank_of_other_backends_has_had_room_for_no_time)
{
	struct world w = make_world(NO_LIMIT, 60, 3 * NSEC_PER_SEC);

	ck_assert_uint_eq(steps(&w, 2 * NSEC_PER_SEC), 0);
	w.backends[0].rank = 1; /* they change places */
	w.backends[1].rank = 0;
	ck_assert_int_eq(promote_step(w.state, w.backends, 2, w.spent, MAINTENANCE, w.now_ns), 0);
	w.backends[0].rank = 0;
	w.backends[1].rank = 1;
	ck_assert_uint_eq(steps(&w, 3 * NSEC_PER_SEC), 0);
	promote_state_free(w.state);
}
END_TEST

START_TEST(a_client_goes_to_the_best_rank_with_room)
{
	struct promote_state *state = promote_state_new();
	uint32_t spent[3] = { 0 }, closed[3] = { 0 };
	struct promote_backend b[3] = {
		{ .rank = 0, .usable = true, .limit = 2, .promote_after_ns = NSEC_PER_SEC },
		{ .rank = 1,
			.usable = true,
			.active = 10,
			.limit = 13,
			.promote_after_ns = NSEC_PER_SEC },
		{ .rank = 2,
			.usable = true,
			.active = 10,
			.limit = NO_LIMIT,
			.promote_after_ns = NSEC_PER_SEC },
	};

	for (int i = 0; i < 600; i++) {
		ck_assert_int_eq(
			promote_step(state, b, 3, spent, MAINTENANCE, START + i * STEP), 0);
		for (int k = 0; k < 3; k++) {
			spent[k] = b[k].granted;
			closed[k] += spent[k];
			b[k].active -= spent[k];
			for (uint32_t c = 0; c < spent[k]; c++)
				b[b[0].active < 2 ? 0 : 1].active++;
		}
		ck_assert_uint_le(b[0].active, 2);
		ck_assert_uint_le(b[1].active, 13);
	}
	ck_assert_uint_eq(b[0].active, 2);
	ck_assert_uint_eq(b[1].active, 13);
	ck_assert_uint_eq(b[2].active, 5);
	promote_state_free(state);
}
END_TEST

#define BACKENDS_MAX 20

/* What holds for any world at any step. */
static void
check_grants(const struct promote_backend *b, size_t count, uint32_t candidates)
{
	uint64_t granted = 0, room = 0;
	uint32_t worst = 0;

	for (size_t i = 0; i < count; i++) {
		granted += b[i].granted;
		if (b[i].granted == 0)
			continue;
		ck_assert(b[i].promotable);
		ck_assert_int_gt(b[i].promote_after_ns, 0);
		ck_assert_uint_le(b[i].granted, b[i].active);
		worst = b[i].rank > worst ? b[i].rank : worst;
	}
	for (size_t i = 0; i < count; i++)
		if (b[i].rank < worst && b[i].usable && b[i].active < b[i].limit)
			room += b[i].limit - b[i].active;
	ck_assert_uint_le(granted, room);
	ck_assert_uint_le(granted, candidates / 20 + 1);
}

START_TEST(random_worlds_keep_the_rules)
{
	struct rng rng;

	rng_seed_from(&rng, 11);
	for (int round = 0; round < 200; round++) {
		struct promote_state *state = promote_state_new();
		struct promote_backend b[BACKENDS_MAX] = { 0 };
		uint32_t spent[BACKENDS_MAX] = { 0 }, most = 0;
		size_t count = 1 + rng_below(&rng, BACKENDS_MAX - 1);

		for (int i = 0; i < 100; i++) {
			uint32_t candidates = 0;

			if (rng_below(&rng, 30) == 0)
				count = 1 + rng_below(&rng, BACKENDS_MAX - 1);
			for (size_t k = 0; k < count; k++) {
				if (rng_below(&rng, 10) == 0 || i == 0)
					b[k] = (struct promote_backend){
						.rank = (uint32_t)rng_below(&rng, 4),
						.usable = rng_below(&rng, 4) > 0,
						.active = (uint32_t)rng_below(&rng, 100),
						.limit = rng_below(&rng, 2)
							? NO_LIMIT
							: (uint32_t)rng_below(&rng, 120),
						.promote_after_ns = (int64_t)rng_below(&rng, 3) *
							STEP,
					};
				candidates += b[k].active;
			}
			most = candidates > most ? candidates : most;
			ck_assert_int_eq(
				promote_step(state, b, count, spent, MAINTENANCE, START + i * STEP),
				0);
			check_grants(b, count, most);
			for (size_t k = 0; k < BACKENDS_MAX; k++) {
				spent[k] = k < count ? (uint32_t)rng_below(&rng, b[k].granted + 1)
						     : 0;
				b[k].active -= spent[k];
			}
		}
		promote_state_free(state);
	}
	promote_state_free(NULL);
}
END_TEST

START_TEST(no_backends_are_no_trouble)
{
	struct promote_state *state = promote_state_new();
	struct promote_backend b = { .usable = true, .limit = NO_LIMIT };
	uint32_t spent = 0;

	ck_assert_int_eq(promote_step(state, &b, 0, &spent, MAINTENANCE, START), 0);
	ck_assert_int_eq(promote_step(state, &b, 1, &spent, MAINTENANCE, START), 0);
	ck_assert_int_eq(promote_step(state, &b, 0, &spent, MAINTENANCE, START), 0);
	promote_state_free(state);
}
END_TEST

UNIT_MAIN("promote", nothing_moves_before_its_time, a_break_starts_the_time_anew,
	a_better_rank_that_fails_again_ends_it_at_once, without_force_nothing_ever_moves,
	it_is_spread_over_a_maintenance_time,
	at_most_a_quarter_a_second_however_short_the_maintenance_time,
	never_more_than_there_is_room_for,
	clients_that_never_come_back_keep_their_places_for_a_while, one_connection_moves_too,
	grants_not_used_do_not_add_up, a_caller_that_slept_gets_no_flood,
	a_rank_of_other_backends_has_had_room_for_no_time, a_client_goes_to_the_best_rank_with_room,
	random_worlds_keep_the_rules, no_backends_are_no_trouble)
