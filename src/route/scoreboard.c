/* The scoreboard: one word per backend that every process changes by compare-and-swap, and the
 * places, suspects and promotions that are counted in it. What a dead worker leaves behind is put
 * right in audit.c. */
#include "config.h"

#include "iaido/scoreboard.h"

#include <errno.h>
#include <stddef.h>

#include "map.h"

#define BOARD_MAGIC UINT64_C(0x64726f626f646961) /* "aidobord" */
#define BOARD_HEAD_SIZE 4096

/* Where things lie; fields are only ever appended. */
struct board_head {
	_Atomic uint64_t magic;
	uint32_t major;
	uint32_t size; /* of this header */
	uint32_t cell_count;
	uint32_t cell_size;
	uint32_t frontend_count;
	uint32_t frontend_size;
};

#define WORDS_OFFSET BOARD_HEAD_SIZE
#define CELLS_OFFSET (WORDS_OFFSET + SCOREBOARD_CELLS * sizeof(uint64_t))
#define FRONTENDS_OFFSET (CELLS_OFFSET + SCOREBOARD_CELLS * sizeof(struct scoreboard_cell))
#define BOARD_SIZE (FRONTENDS_OFFSET + SCOREBOARD_FRONTENDS * sizeof(struct scoreboard_frontend))

_Static_assert(sizeof(struct board_head) <= BOARD_HEAD_SIZE, "the header fits its page");
_Static_assert(sizeof(struct scoreboard_cell) == 64, "one cache line");
_Static_assert(sizeof(struct scoreboard_frontend) == 64, "one cache line");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "atomics in shared memory need no lock");

static void
board_point(struct scoreboard *b)
{
	char *at = b->map;

	b->words = (_Atomic uint64_t *)(void *)(at + WORDS_OFFSET);
	b->cells = (struct scoreboard_cell *)(void *)(at + CELLS_OFFSET);
	b->frontends = (struct scoreboard_frontend *)(void *)(at + FRONTENDS_OFFSET);
}

int
scoreboard_create(struct scoreboard *b)
{
	struct scoreboard new = { .fd = -1 };
	struct board_head *head;
	int r = map_create("iaido-scoreboard", BOARD_SIZE, &new.fd, &new.map);

	if (r < 0)
		return r;
	head = new.map;
	head->major = SCOREBOARD_MAJOR;
	head->size = sizeof(*head);
	head->cell_count = SCOREBOARD_CELLS;
	head->cell_size = sizeof(struct scoreboard_cell);
	head->frontend_count = SCOREBOARD_FRONTENDS;
	head->frontend_size = sizeof(struct scoreboard_frontend);
	atomic_store_explicit(&head->magic, BOARD_MAGIC, memory_order_release);
	board_point(&new);
	*b = new;
	return 0;
}

int
scoreboard_attach(int fd, struct scoreboard *b)
{
	struct scoreboard new = { .fd = fd };
	const struct board_head *head;
	int r = map_attach(fd, BOARD_SIZE, &new.map);

	if (r < 0)
		return r;
	head = new.map;
	if (head->magic != BOARD_MAGIC || head->major != SCOREBOARD_MAJOR ||
		head->size < sizeof(*head) || head->cell_count != SCOREBOARD_CELLS ||
		head->cell_size != sizeof(struct scoreboard_cell) ||
		head->frontend_count != SCOREBOARD_FRONTENDS ||
		head->frontend_size != sizeof(struct scoreboard_frontend)) {
		map_close(-1, new.map, BOARD_SIZE);
		return -EPROTO;
	}
	board_point(&new);
	*b = new;
	return 0;
}

void
scoreboard_close(struct scoreboard *b)
{
	map_close(b->fd, b->map, BOARD_SIZE);
	*b = (struct scoreboard){ .fd = -1 };
}

bool
place_reserve(struct scoreboard *b, struct share *s, uint32_t cell, uint32_t limit)
{
	_Atomic uint64_t *word = &b->words[cell];
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	do {
		if ((seen & PLACE_FAILED) || PLACE_ACTIVE(seen) >= limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, seen + 1, memory_order_acq_rel, memory_order_relaxed));
	SHARE_ADD(s->cells[cell].active, 1);
	return true;
}

/* Never below 0, whatever the map holds: a borrow would run into the flags. */
static void
share_take_away(_Atomic uint32_t *field)
{
	uint32_t value = SHARE_GET(*field);

	if (value > 0)
		SHARE_SET(*field, value - 1);
}

void
place_release(struct scoreboard *b, struct share *s, uint32_t cell)
{
	_Atomic uint64_t *word = &b->words[cell];
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	share_take_away(&s->cells[cell].active);
	do {
		if (PLACE_ACTIVE(seen) == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, seen - 1, memory_order_acq_rel, memory_order_relaxed));
}

bool
place_release_excess(struct scoreboard *b, struct share *s, uint32_t cell, uint32_t limit)
{
	_Atomic uint64_t *word = &b->words[cell];
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	if (PLACE_ACTIVE(seen) <= limit)
		return false;
	share_take_away(&s->cells[cell].active);
	do {
		if (PLACE_ACTIVE(seen) <= limit) {
			SHARE_ADD(s->cells[cell].active, 1);
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, seen - 1, memory_order_acq_rel, memory_order_relaxed));
	return true;
}

void
place_suspect_add(struct scoreboard *b, struct share *s, uint32_t cell)
{
	_Atomic uint64_t *word = &b->words[cell];
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	do {
		if (PLACE_SUSPECTS(seen) == 0xffffu)
			break; /* it stays suspect; the audit counts anew */
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, seen + PLACE_SUSPECT_ONE, memory_order_acq_rel, memory_order_relaxed));
	SHARE_ADD(s->cells[cell].suspects, 1);
}

void
place_suspect_remove(struct scoreboard *b, struct share *s, uint32_t cell)
{
	_Atomic uint64_t *word = &b->words[cell];
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	share_take_away(&s->cells[cell].suspects);
	do {
		if (PLACE_SUSPECTS(seen) == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
		word, &seen, seen - PLACE_SUSPECT_ONE, memory_order_acq_rel, memory_order_relaxed));
}

bool
place_fail(struct scoreboard *b, uint32_t cell, int error, int64_t now_ns)
{
	struct scoreboard_cell *c = &b->cells[cell];
	uint64_t before;

	/* Facts first: whoever sees the flag sees when and why. */
	atomic_store_explicit(&c->failed_at_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(&c->last_error, error, memory_order_relaxed);
	before = atomic_fetch_or_explicit(&b->words[cell], PLACE_FAILED, memory_order_acq_rel);
	return !(before & PLACE_FAILED);
}

void
place_restore(struct scoreboard *b, uint32_t cell)
{
	atomic_fetch_and_explicit(&b->words[cell], ~PLACE_FAILED, memory_order_acq_rel);
}

void
place_reset(struct scoreboard *b, uint32_t cell)
{
	struct scoreboard_cell *c = &b->cells[cell];

	atomic_store_explicit(&c->failed_at_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&c->last_error, 0, memory_order_relaxed);
	atomic_store_explicit(&c->promotable, 0, memory_order_relaxed);
	atomic_store_explicit(&c->promotions, 0, memory_order_relaxed);
	atomic_store_explicit(&c->idle_seen_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&b->words[cell], 0, memory_order_release);
}

bool
frontend_reserve(struct scoreboard *b, struct share *s, uint32_t frontend, uint32_t limit)
{
	_Atomic uint32_t *active = &b->frontends[frontend].active;
	uint32_t seen = atomic_load_explicit(active, memory_order_relaxed);

	do {
		if (seen >= limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		active, &seen, seen + 1, memory_order_acq_rel, memory_order_relaxed));
	SHARE_ADD(s->frontends[frontend].active, 1);
	return true;
}

void
frontend_release(struct scoreboard *b, struct share *s, uint32_t frontend)
{
	_Atomic uint32_t *active = &b->frontends[frontend].active;
	uint32_t seen = atomic_load_explicit(active, memory_order_relaxed);

	share_take_away(&s->frontends[frontend].active);
	do {
		if (seen == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
		active, &seen, seen - 1, memory_order_acq_rel, memory_order_relaxed));
}

bool
promotion_take(struct scoreboard *b, uint32_t cell)
{
	_Atomic uint32_t *left = &b->cells[cell].promotions;
	uint32_t seen = atomic_load_explicit(left, memory_order_relaxed);

	do {
		if (seen == 0)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		left, &seen, seen - 1, memory_order_acq_rel, memory_order_relaxed));
	return true;
}
