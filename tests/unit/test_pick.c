/* Picking: fill and spill, the fewest, turns, what was tried, suspects and limits; and the same
 * against a plain model for thousands of random boards. */
#include "config.h"

#include "iaido/pick.h"

#include <errno.h>

#include "iaido/rng.h"
#include "sample_table.h"
#include "unit.h"

static struct scoreboard board;
static struct share share;
static struct rng rng;
static struct table_frontend frontend;
static struct picker picker;

/* A frontend of so many backends, cells 100, 101, …, each rank of rank_size. */
static void
setup(uint32_t count, uint32_t rank_size)
{
	ck_assert_int_eq(scoreboard_create(&board), 0);
	ck_assert_int_eq(share_create(&share), 0);
	rng_seed_from(&rng, count);
	sample_frontend(&frontend, 0, 100, count);
	for (uint32_t i = 0; i < count; i++)
		frontend.backends[i].rank = i / rank_size;
}

static void
lay_out(void)
{
	picker_fini(&picker);
	ck_assert_int_eq(picker_init(&picker, &frontend, &rng), 0);
}

static void
teardown(void)
{
	picker_fini(&picker);
	free(frontend.name);
	free(frontend.tiers);
	free(frontend.backends);
	free(frontend.slot_owners);
	scoreboard_close(&board);
	share_close(&share);
}

static int
take_one(void)
{
	return picker_take(&picker, &board, &share, NULL, &rng);
}

START_TEST(the_lowest_rank_fills_before_the_next)
{
	setup(6, 2);
	for (int i = 0; i < 6; i++)
		frontend.backends[i].limit = 3;
	lay_out();
	for (int i = 0; i < 18; i++) {
		ck_assert(picker_usable(&picker, &board, NULL));
		ck_assert_int_eq(take_one() / 2, i / 6);
	}
	ck_assert_int_eq(take_one(), PICK_NONE);
	ck_assert(!picker_usable(&picker, &board, NULL));
	place_release(&board, &share, 103);
	ck_assert(picker_usable(&picker, &board, NULL));
	ck_assert_int_eq(take_one(), 3);
	teardown();
}
END_TEST

START_TEST(the_fewest_connections_win)
{
	setup(4, 4);
	lay_out();
	board.words[100] = 5;
	board.words[101] = 2;
	board.words[102] = 3;
	board.words[103] = 9;
	ck_assert_int_eq(take_one(), 1);
	ck_assert_uint_eq(board.words[101], 3);
	ck_assert_uint_eq(share.cells[101].active, 1);
	teardown();
}
END_TEST

START_TEST(ties_are_broken_in_turn)
{
	int counts[5] = { 0 };

	setup(5, 5);
	lay_out();
	for (int i = 0; i < 50; i++) {
		int took = take_one();

		ck_assert_int_ge(took, 0);
		ck_assert_int_eq(counts[took], i / 5);
		counts[took]++;
		place_release(&board, &share, 100 + (uint32_t)took);
	}
	teardown();
}
END_TEST

START_TEST(pickers_do_not_begin_in_step)
{
	int firsts[5] = { 0 };

	setup(5, 5);
	for (int i = 0; i < 200; i++) {
		int took;

		lay_out();
		took = take_one();
		firsts[took]++;
		place_release(&board, &share, 100 + (uint32_t)took);
	}
	for (int i = 0; i < 5; i++)
		ck_assert_int_gt(firsts[i], 10);
	teardown();
}
END_TEST

START_TEST(what_may_take_none_is_never_picked)
{
	setup(6, 6);
	frontend.backends[1].limit = 0;
	frontend.backends[2].drain = true;
	frontend.backends[3].use = BACKEND_DISABLED;
	frontend.backends[4].use = BACKEND_GONE;
	frontend.backends[5].use = BACKEND_REMOVED;
	lay_out();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(take_one(), 0);
	place_fail(&board, 100, ECONNREFUSED, 1);
	ck_assert_int_eq(take_one(), PICK_NONE);
	ck_assert(!picker_usable(&picker, &board, NULL));
	place_restore(&board, 100);
	ck_assert_int_eq(take_one(), 0);
	frontend.removed = true;
	lay_out();
	ck_assert_int_eq(take_one(), PICK_NONE);
	teardown();
}
END_TEST

START_TEST(a_suspect_is_picked_only_where_there_is_no_other)
{
	setup(4, 2);
	lay_out();
	place_suspect_add(&board, &share, 100);
	place_suspect_add(&board, &share, 101);
	place_suspect_add(&board, &share, 102);
	ck_assert_int_eq(take_one(), 3); /* a worse rank rather than a suspect */
	place_fail(&board, 103, EIO, 1);
	ck_assert(picker_usable(&picker, &board, NULL));
	ck_assert_int_le(take_one(), 1); /* among suspects the better rank */
	place_suspect_remove(&board, &share, 101);
	ck_assert_int_eq(take_one(), 1);
	ck_assert_int_eq(take_one(), 1);
	teardown();
}
END_TEST

START_TEST(each_is_tried_once)
{
	struct tried tried = { 0 };
	uint8_t seen[9] = { 0 };

	setup(9, 3);
	lay_out();
	for (int i = 0; i < 9; i++) {
		int took = picker_take(&picker, &board, &share, &tried, &rng);

		ck_assert_int_ge(took, 0);
		ck_assert_uint_eq(seen[took]++, 0);
		place_release(&board, &share, frontend.backends[took].cell);
		tried_add(&tried, frontend.backends[took].cell);
		tried_add(&tried, frontend.backends[took].cell);
		ck_assert_uint_eq(tried.count, (uint32_t)i + 1);
	}
	ck_assert_int_eq(picker_take(&picker, &board, &share, &tried, &rng), PICK_NONE);
	place_suspect_add(&board, &share, 104);
	ck_assert_int_eq(picker_take(&picker, &board, &share, &tried, &rng), PICK_NONE);
	tried_fini(&tried);
	ck_assert_int_ge(picker_take(&picker, &board, &share, &tried, &rng), 0);
	teardown();
}
END_TEST

/* What the picker may answer: a bit for each backend. 0 = none. */
static uint64_t
model(const struct tried *tried)
{
	for (int with_suspects = 0; with_suspects < 2; with_suspects++) {
		for (uint32_t rank = 0; rank < frontend.backend_count; rank++) {
			uint32_t fewest = UINT32_MAX;
			uint64_t best = 0;

			for (uint32_t i = 0; i < frontend.backend_count; i++) {
				const struct table_backend *b = &frontend.backends[i];
				uint64_t word = board.words[b->cell];
				bool was_tried = false;

				for (uint32_t k = 0; k < tried->count; k++)
					was_tried |= tried->cells[k] == b->cell;
				if (b->rank != rank || was_tried || b->use || b->drain ||
					(word & PLACE_FAILED) || PLACE_ACTIVE(word) >= b->limit ||
					(PLACE_SUSPECTS(word) && !with_suspects))
					continue;
				if (PLACE_ACTIVE(word) < fewest)
					best = 0;
				if (PLACE_ACTIVE(word) <= fewest)
					best |= UINT64_C(1) << i;
				if (PLACE_ACTIVE(word) < fewest)
					fewest = PLACE_ACTIVE(word);
			}
			if (best)
				return best;
		}
	}
	return 0;
}

static void
make_random_board(struct tried *tried)
{
	uint32_t rank = 0;

	for (uint32_t i = 0; i < frontend.backend_count; i++) {
		struct table_backend *b = &frontend.backends[i];

		rank += rng_below(&rng, 4) == 0;
		b->rank = rank;
		b->limit = rng_below(&rng, 3) ? (uint32_t)rng_below(&rng, 6) : NO_LIMIT;
		b->drain = rng_below(&rng, 10) == 0;
		board.words[b->cell] = rng_below(&rng, 6);
		if (rng_below(&rng, 3) == 0)
			board.words[b->cell] += PLACE_SUSPECT_ONE;
		if (rng_below(&rng, 3) == 0)
			board.words[b->cell] |= PLACE_FAILED;
		if (rng_below(&rng, 8) == 0)
			tried_add(tried, b->cell);
	}
}

START_TEST(it_picks_what_the_rules_say)
{
	setup(40, 5);
	for (int round = 0; round < 5000; round++) {
		struct tried tried = { 0 };

		make_random_board(&tried);
		lay_out();
		for (int i = 0; i < 4; i++) {
			uint64_t may = model(&tried);
			int took = picker_take(&picker, &board, &share, &tried, &rng);

			if (took == PICK_NONE)
				ck_assert_uint_eq(may, 0);
			else
				ck_assert_uint_ne(may & (UINT64_C(1) << took), 0);
			if (may && tried.count == 0)
				ck_assert(picker_usable(&picker, &board, NULL) || i == 3 ||
					took >= 0);
		}
		tried_fini(&tried);
	}
	teardown();
}
END_TEST

START_TEST(a_large_rank_fills_evenly)
{
	uint32_t fewest = UINT32_MAX, most = 0;

	setup(1000, 1000);
	lay_out();
	for (int i = 0; i < 20000; i++)
		ck_assert_int_ge(take_one(), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t active = PLACE_ACTIVE(board.words[100 + i]);

		fewest = active < fewest ? active : fewest;
		most = active > most ? active : most;
	}
	ck_assert_uint_ge(fewest, 14);
	ck_assert_uint_le(most, 25);
	teardown();
}
END_TEST

START_TEST(the_last_usable_one_of_thousands_is_found)
{
	setup(10000, 5000);
	for (uint32_t i = 0; i < 10000; i++)
		frontend.backends[i].limit = 1;
	lay_out();
	for (uint32_t i = 0; i < 10000; i++)
		board.words[100 + i] = i % 2 ? 1 : PLACE_FAILED;
	ck_assert_int_eq(take_one(), PICK_NONE);
	board.words[100 + 7777] = 0;
	ck_assert(picker_usable(&picker, &board, NULL));
	ck_assert_int_eq(take_one(), 7777);
	board.words[100 + 4001] = PLACE_SUSPECT_ONE;
	board.words[100 + 9001] = 0;
	ck_assert_int_eq(take_one(), 9001);
	ck_assert_int_eq(take_one(), 4001);
	ck_assert_int_eq(take_one(), PICK_NONE);
	teardown();
}
END_TEST

START_TEST(a_frontend_without_backends_has_nothing_to_pick)
{
	setup(0, 1);
	lay_out();
	ck_assert_int_eq(take_one(), PICK_NONE);
	ck_assert(!picker_usable(&picker, &board, NULL));
	teardown();
}
END_TEST

UNIT_MAIN("pick", the_lowest_rank_fills_before_the_next, the_fewest_connections_win,
	ties_are_broken_in_turn, pickers_do_not_begin_in_step, what_may_take_none_is_never_picked,
	a_suspect_is_picked_only_where_there_is_no_other, each_is_tried_once,
	it_picks_what_the_rules_say, a_large_rank_fills_evenly,
	the_last_usable_one_of_thousands_is_found, a_frontend_without_backends_has_nothing_to_pick)
