/* How long one pick takes: with 10 and with 10,000 backends, in one rank and in many, with all
 * usable and with most failed or full; with hot caches, and with caches that something else has
 * used in between, as relaying does. Prints nanoseconds per pick and its release. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "iaido/clock.h"
#include "iaido/pick.h"
#include "iaido/rng.h"
#include "sample_table.h"

#define HOT_NS (100 * NSEC_PER_MSEC)
#define COLD_PICKS 200
#define POLLUTION ((size_t)32 << 20)

enum board_kind { ALL_USABLE, MOST_FAILED, MOST_FULL, ONE_USABLE, NONE_USABLE };

struct scene {
	const char *name;
	uint32_t backends;
	uint32_t rank_size;
	enum board_kind kind;
};

static const struct scene scenes[] = {
	{ "10 backends, one rank", 10, 10, ALL_USABLE },
	{ "10 backends, one rank, 9 failed", 10, 10, ONE_USABLE },
	{ "10 backends, 5 ranks, 9 failed", 10, 2, ONE_USABLE },
	{ "10,000 backends, one rank", 10000, 10000, ALL_USABLE },
	{ "10,000 backends, one rank, 99 % failed", 10000, 10000, MOST_FAILED },
	{ "10,000 backends, one rank, 99 % full", 10000, 10000, MOST_FULL },
	{ "10,000 backends, one rank, one usable", 10000, 10000, ONE_USABLE },
	{ "10,000 backends, one rank, none usable", 10000, 10000, NONE_USABLE },
	{ "10,000 backends, 100 ranks", 10000, 100, ALL_USABLE },
	{ "10,000 backends, 100 ranks, 99 % failed", 10000, 100, MOST_FAILED },
	{ "10,000 backends, 100 ranks, one usable", 10000, 100, ONE_USABLE },
	{ "10,000 backends, 5,000 ranks, one usable", 10000, 2, ONE_USABLE },
};

static struct scoreboard board;
static struct share share;
static struct rng rng;
static struct picker picker;
static struct table_frontend frontend;
static volatile uint8_t *pollution;

static void
prepare_board(const struct scene *s)
{
	for (uint32_t i = 0; i < s->backends; i++) {
		struct table_backend *b = &frontend.backends[i];
		bool usable = s->kind == ALL_USABLE ||
			(s->kind != NONE_USABLE && i == 7777 % s->backends);

		b->rank = i / s->rank_size;
		b->limit = 32;
		if (s->kind == MOST_FAILED || s->kind == MOST_FULL)
			usable = i % 100 == 99;
		board.words[b->cell] = usable ? i % 8 : s->kind == MOST_FULL ? 32 : PLACE_FAILED;
	}
}

/* One pick, given back at once. */
static void
pick_once(void)
{
	int took = picker_take(&picker, &board, &share, NULL, &rng);

	if (took != PICK_NONE)
		place_release(&board, &share, frontend.backends[took].cell);
}

/* Of this thread alone, so that a busy machine is not measured. */
static int64_t
cpu_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static double
measure_hot(void)
{
	int64_t start = cpu_now_ns(), now = start;
	uint64_t picks = 0;

	while (now - start < HOT_NS) {
		for (int i = 0; i < 64; i++)
			pick_once();
		picks += 64;
		now = cpu_now_ns();
	}
	return (double)(now - start) / (double)picks;
}

static int
compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The median of picks with the caches full of other things. */
static double
measure_cold(void)
{
	int64_t times[COLD_PICKS];

	for (int i = 0; i < COLD_PICKS; i++) {
		int64_t start;

		for (size_t k = 0; k < POLLUTION; k += 64)
			pollution[k]++;
		start = clock_now_ns();
		pick_once();
		times[i] = clock_now_ns() - start;
	}
	qsort(times, COLD_PICKS, sizeof(times[0]), compare_times);
	return (double)times[COLD_PICKS / 2];
}

static void
free_frontend(void)
{
	free(frontend.name);
	free(frontend.tiers);
	free(frontend.backends);
	free(frontend.slot_owners);
}

int
main(void)
{
	if (scoreboard_create(&board) < 0 || share_create(&share) < 0)
		return EXIT_FAILURE;
	pollution = malloc(POLLUTION);
	if (!pollution)
		return EXIT_FAILURE;
	memset((void *)(uintptr_t)pollution, 0, POLLUTION);
	rng_seed(&rng);
	printf("%-44s %12s %12s\n", "ns per pick and release", "hot", "polluted");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		sample_frontend(&frontend, 0, 0, scenes[i].backends);
		prepare_board(&scenes[i]);
		if (picker_init(&picker, &frontend, &rng) < 0)
			return EXIT_FAILURE;
		printf("%-44s %12.0f", scenes[i].name, measure_hot());
		printf(" %12.0f\n", measure_cold());
		picker_fini(&picker);
		free_frontend();
	}
	free((void *)(uintptr_t)pollution);
	share_close(&share);
	scoreboard_close(&board);
	return EXIT_SUCCESS;
}
