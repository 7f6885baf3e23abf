/* The master's book-keeping: what a worker that died had taken is given back, and what its death
 * left between two atomics is found by comparing the board with the sum of the shares. Whatever a
 * worker may have written there is garbage until clamped. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/scoreboard.h"
#include "share_layout.h"

/* No worker gets that far in its life: a larger figure is garbage and is left out. */
#define COUNT_PLAUSIBLE (UINT64_C(1) << 56)
#define ACTIVE_PLAUSIBLE (UINT32_C(1) << 24)
#define LOOKS_MAX 8

static void
add_figure(_Atomic uint64_t *total, _Atomic uint64_t *dead)
{
	uint64_t value = atomic_exchange_explicit(dead, 0, memory_order_relaxed);
	uint64_t sum = SHARE_GET(*total);

	if (value > 0 && value <= COUNT_PLAUSIBLE)
		SHARE_SET(*total, sum > UINT64_MAX - value ? UINT64_MAX : sum + value);
}

static void
add_figures(_Atomic uint64_t *total, _Atomic uint64_t *dead, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add_figure(&total[i], &dead[i]);
}

/* Takes so many places and suspects out of a word, at most what is there. */
static void
word_take_away(_Atomic uint64_t *word, uint32_t active, uint32_t suspects)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t next;

	do {
		uint32_t a = PLACE_ACTIVE(seen), s = PLACE_SUSPECTS(seen);

		next = seen - (active < a ? active : a) -
			(suspects < s ? suspects : s) * PLACE_SUSPECT_ONE;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, next, memory_order_acq_rel, memory_order_relaxed));
}

static void
give_back_cell(struct scoreboard *b, struct share_cell *dead, struct share_cell *total,
	uint32_t cell, int64_t now_ns)
{
	uint32_t active = atomic_exchange_explicit(&dead->active, 0, memory_order_relaxed);
	uint32_t suspects = atomic_exchange_explicit(&dead->suspects, 0, memory_order_relaxed);
	int64_t dial_ns = SHARE_GET(dead->last_dial_ns);

	if (active > 0 || suspects > 0)
		word_take_away(&b->words[cell], active, suspects);
	add_figure(&total->total, &dead->total);
	add_figure(&total->dials_ok, &dead->dials_ok);
	add_figure(&total->dials_failed, &dead->dials_failed);
	add_figure(&total->bytes_in, &dead->bytes_in);
	add_figure(&total->bytes_out, &dead->bytes_out);
	if (dial_ns > SHARE_GET(total->last_dial_ns) && dial_ns <= now_ns) {
		SHARE_SET(total->last_dial_ns, dial_ns);
		SHARE_SET(total->last_dial_us, SHARE_GET(dead->last_dial_us));
	}
}

/* Takes so many connections out of a frontend's count; returns how many were there to take. */
static uint32_t
frontend_take_away(_Atomic uint32_t *active, uint32_t count)
{
	uint32_t seen = atomic_load_explicit(active, memory_order_relaxed);
	uint32_t taken;

	do {
		taken = count < seen ? count : seen;
	} while (!atomic_compare_exchange_weak_explicit(
		active, &seen, seen - taken, memory_order_acq_rel, memory_order_relaxed));
	return taken;
}

static void
give_back_frontend(struct scoreboard *b, struct share_frontend *dead, struct share_frontend *total,
	uint32_t id)
{
	uint32_t active = atomic_exchange_explicit(&dead->active, 0, memory_order_relaxed);

	SHARE_SET(dead->waiting, 0);
	if (active > 0)
		SHARE_ADD(total->ended[ENDED_BY_IAIDO][ENDED_WORKER_LOST],
			frontend_take_away(&b->frontends[id].active, active));
	add_figure(&total->total, &dead->total);
	add_figure(&total->accept_pauses, &dead->accept_pauses);
	add_figures(&total->ended[0][0], &dead->ended[0][0], ENDED_BY_COUNT * ENDED_REASON_COUNT);
	add_figures(total->dial_us, dead->dial_us, DIAL_BUCKETS);
	add_figure(&total->dial_us_sum, &dead->dial_us_sum);
	add_figures(total->duration_us, dead->duration_us, DURATION_BUCKETS);
	add_figure(&total->duration_us_sum, &dead->duration_us_sum);
}

static void
give_back_head(struct share_head *dead, struct share_head *total)
{
	SHARE_SET(dead->connections, 0);
	add_figure(&total->pipe_shortages, &dead->pipe_shortages);
	add_figure(&total->closed_for_drain, &dead->closed_for_drain);
}

/* The first index at or after `from` of an array of items that may hold something, and the end of
 * that stretch: what was never touched is a hole, and looking into it would fill it with pages. */
static bool
next_stretch(int fd, size_t array_offset, size_t item_size, uint32_t count, uint32_t from,
	uint32_t *first, uint32_t *end)
{
	off_t at, data, hole, array_end = (off_t)(array_offset + item_size * count);

	if (from >= count)
		return false;
	*first = from;
	*end = count;
	at = (off_t)(array_offset + item_size * from);
	data = lseek(fd, at, SEEK_DATA);
	if (data < 0)
		return errno != ENXIO; /* no data after this; or it cannot be told: all of it */
	if (data >= array_end)
		return false;
	hole = lseek(fd, data, SEEK_HOLE);
	if (data > at)
		*first = (uint32_t)(((size_t)data - array_offset) / item_size);
	if (hole > data && hole < array_end)
		*end = (uint32_t)(((size_t)hole - array_offset + item_size - 1) / item_size);
	return true;
}

void
share_give_back(struct scoreboard *b, struct share *dead, struct share *total)
{
	int64_t now_ns = clock_now_ns();
	uint32_t i, end;

	for (end = 0; next_stretch(dead->fd, SHARE_CELLS_OFFSET, sizeof(struct share_cell),
		     SCOREBOARD_CELLS, end, &i, &end);)
		for (; i < end; i++)
			give_back_cell(b, &dead->cells[i], &total->cells[i], i, now_ns);
	for (end = 0; next_stretch(dead->fd, SHARE_FRONTENDS_OFFSET, sizeof(struct share_frontend),
		     SCOREBOARD_FRONTENDS, end, &i, &end);)
		for (; i < end; i++)
			give_back_frontend(b, &dead->frontends[i], &total->frontends[i], i);
	give_back_head(dead->head, total->head);
}

void
audit_fini(struct audit *a)
{
	free(a->difference);
	free(a->suspect_difference);
	free(a->frontend_difference);
	*a = (struct audit){ 0 };
}

/* On the first call. Pages of these that are never written cost nothing. */
static int
audit_init(struct audit *a)
{
	if (a->difference)
		return 0;
	a->difference = calloc(SCOREBOARD_CELLS, sizeof(*a->difference));
	a->suspect_difference = calloc(SCOREBOARD_CELLS, sizeof(*a->suspect_difference));
	a->frontend_difference = calloc(SCOREBOARD_FRONTENDS, sizeof(*a->frontend_difference));
	if (a->difference && a->suspect_difference && a->frontend_difference)
		return 0;
	audit_fini(a);
	return -ENOMEM;
}

struct sum {
	uint64_t active;
	uint64_t suspects;
};

static struct sum
sum_cell(struct share *const *shares, size_t share_count, uint32_t cell)
{
	struct sum sum = { 0 };

	for (size_t i = 0; i < share_count; i++) {
		uint32_t active = SHARE_GET(shares[i]->cells[cell].active);
		uint32_t suspects = SHARE_GET(shares[i]->cells[cell].suspects);

		sum.active += active <= ACTIVE_PLAUSIBLE ? active : 0;
		sum.suspects += suspects <= ACTIVE_PLAUSIBLE ? suspects : 0;
	}
	return sum;
}

/* The difference as it is remembered; what does not fit is cut, and found again the next time. */
static int32_t
difference(uint64_t board, uint64_t shares)
{
	int64_t d = (int64_t)board - (int64_t)shares;

	return d > INT32_MAX ? INT32_MAX : d < INT32_MIN + 1 ? INT32_MIN + 1 : (int32_t)d;
}

/* Looks at a cell until board and shares stand still for a moment. */
static bool
look_at_cell(const struct scoreboard *b, struct share *const *shares, size_t share_count,
	uint32_t cell, int32_t *active, int32_t *suspects)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		uint64_t word = atomic_load_explicit(&b->words[cell], memory_order_acquire);
		struct sum sum, again;

		*active = *suspects = 0;
		/* A share's page is not filled just to read a 0 there: nothing taken, nothing wrong
		 * that the next connection would not bring to light. */
		if (!(word & ~PLACE_FAILED))
			return true;
		sum = sum_cell(shares, share_count, cell);
		if (atomic_load_explicit(&b->words[cell], memory_order_acquire) != word)
			continue;
		again = sum_cell(shares, share_count, cell);
		if (again.active != sum.active || again.suspects != sum.suspects)
			continue;
		*active = difference(PLACE_ACTIVE(word), sum.active);
		*suspects = difference(
			PLACE_SUSPECTS(word), sum.suspects < 0xffffu ? sum.suspects : 0xffffu);
		return true;
	}
	return false;
}

static uint64_t
corrected(uint64_t value, int32_t d, uint64_t max)
{
	int64_t v = (int64_t)value - d;

	return v < 0 ? 0 : (uint64_t)v > max ? max : (uint64_t)v;
}

static void
correct_cell(_Atomic uint64_t *word, int32_t active, int32_t suspects)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t next;

	do {
		next = (seen & PLACE_FAILED) | corrected(PLACE_ACTIVE(seen), active, UINT32_MAX) |
			corrected(PLACE_SUSPECTS(seen), suspects, 0xffffu) * PLACE_SUSPECT_ONE;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, next, memory_order_acq_rel, memory_order_relaxed));
}

/* The same on two looks running? Returns what to take away now, and remembers. */
static int32_t
lasting(int32_t *remembered, int32_t now)
{
	int32_t d = now != 0 && now == *remembered ? now : 0;

	*remembered = d != 0 ? 0 : now;
	return d;
}

static bool
audit_cell(struct scoreboard *b, struct share *const *shares, size_t share_count, uint32_t cell,
	struct audit *state)
{
	int32_t active, suspects;

	if (!look_at_cell(b, shares, share_count, cell, &active, &suspects))
		active = suspects = 0;
	/* Only written where it changes, so that the page of an idle cell stays untouched. */
	if (!active && !suspects && !state->difference[cell] && !state->suspect_difference[cell])
		return false;
	active = lasting(&state->difference[cell], active);
	suspects = lasting(&state->suspect_difference[cell], suspects);
	if (!active && !suspects)
		return false;
	correct_cell(&b->words[cell], active, suspects);
	return true;
}

static uint64_t
sum_frontend(struct share *const *shares, size_t share_count, uint32_t id)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < share_count; i++) {
		uint32_t active = SHARE_GET(shares[i]->frontends[id].active);

		sum += active <= ACTIVE_PLAUSIBLE ? active : 0;
	}
	return sum;
}

static int32_t
look_at_frontend(
	const struct scoreboard *b, struct share *const *shares, size_t share_count, uint32_t id)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		uint32_t board = atomic_load_explicit(
			&b->frontends[id].active, memory_order_acquire);
		uint64_t sum;

		if (board == 0)
			return 0;
		sum = sum_frontend(shares, share_count, id);
		if (atomic_load_explicit(&b->frontends[id].active, memory_order_acquire) == board &&
			sum_frontend(shares, share_count, id) == sum)
			return difference(board, sum);
	}
	return 0;
}

static bool
audit_frontend(struct scoreboard *b, struct share *const *shares, size_t share_count, uint32_t id,
	struct audit *state)
{
	_Atomic uint32_t *active = &b->frontends[id].active;
	int32_t now = look_at_frontend(b, shares, share_count, id);
	int32_t d = lasting(&state->frontend_difference[id], now);
	uint32_t seen;

	if (d == 0)
		return false;
	seen = atomic_load_explicit(active, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(active, &seen,
		(uint32_t)corrected(seen, d, UINT32_MAX), memory_order_acq_rel,
		memory_order_relaxed))
		;
	return true;
}

int
scoreboard_audit(struct scoreboard *b, struct share *const *shares, size_t share_count,
	uint32_t cell_count, uint32_t frontend_count, struct audit *state)
{
	int fixed = 0;

	if (audit_init(state) < 0)
		return 0; /* the next second's audit tries again */
	if (cell_count > SCOREBOARD_CELLS)
		cell_count = SCOREBOARD_CELLS;
	if (frontend_count > SCOREBOARD_FRONTENDS)
		frontend_count = SCOREBOARD_FRONTENDS;
	for (uint32_t i = 0; i < cell_count; i++)
		fixed += audit_cell(b, shares, share_count, i, state);
	for (uint32_t i = 0; i < frontend_count; i++)
		fixed += audit_frontend(b, shares, share_count, i, state);
	return fixed;
}
