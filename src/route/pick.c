/* The picker: fill and spill over the ranks, the fewest connections within one. It reads the dense
 * words of the scoreboard only, and takes no lock and no system call. */
#include "config.h"

#include "iaido/pick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/rng.h"
#include "iaido/scoreboard.h"
#include "iaido/table.h"

/* Past this many in a rank, the better of two drawn at random will do. */
#define SCAN_MAX 256
#define DRAWS 8
/* Another worker may take the place just found; each time somebody got further. */
#define RACES_MAX 100

static bool
takes_connections(const struct table_frontend *f, const struct table_backend *b)
{
	return !f->removed && b->use == BACKEND_ENABLED && !b->drain && b->limit > 0;
}

int
picker_init(struct picker *p, const struct table_frontend *f, struct rng *rng)
{
	struct picker new = { 0 };
	uint32_t size = 0, at = 0;

	for (uint32_t i = 0; i < f->backend_count; i++)
		size += takes_connections(f, &f->backends[i]);
	new.cells = calloc(size + 1, sizeof(*new.cells));
	new.limits = calloc(size + 1, sizeof(*new.limits));
	new.index = calloc(size + 1, sizeof(*new.index));
	new.rank_start = calloc(size + 1, sizeof(*new.rank_start));
	new.turn = calloc(size + 1, sizeof(*new.turn));
	if (!new.cells || !new.limits || !new.index || !new.rank_start || !new.turn) {
		picker_fini(&new);
		return -ENOMEM;
	}
	for (uint32_t i = 0, last = 0; i < f->backend_count; i++) {
		const struct table_backend *b = &f->backends[i];

		if (!takes_connections(f, b))
			continue;
		if (at == 0 || b->rank != last)
			new.rank_start[new.rank_count++] = at;
		last = b->rank;
		new.cells[at] = b->cell;
		new.limits[at] = b->limit;
		new.index[at++] = i;
	}
	new.count = at;
	new.rank_start[new.rank_count] = at;
	/* Workers that begin together do not take turns together. */
	for (uint32_t i = 0; i < new.rank_count; i++)
		new.turn[i] = (uint32_t)rng_below(rng, new.rank_start[i + 1] - new.rank_start[i]);
	*p = new;
	return 0;
}

void
picker_fini(struct picker *p)
{
	free(p->cells);
	free(p->limits);
	free(p->index);
	free(p->rank_start);
	free(p->turn);
	*p = (struct picker){ 0 };
}

void
tried_fini(struct tried *t)
{
	free(t->cells);
	*t = (struct tried){ 0 };
}

/* Where a cell is, or belongs: they are kept sorted. */
static uint32_t
tried_position(const struct tried *t, uint32_t cell)
{
	uint32_t low = 0, high = t->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->cells[middle] < cell)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
tried_has(const struct tried *t, uint32_t cell)
{
	uint32_t at;

	if (!t || t->count == 0)
		return false;
	at = tried_position(t, cell);
	return at < t->count && t->cells[at] == cell;
}

void
tried_add(struct tried *t, uint32_t cell)
{
	uint32_t at = tried_position(t, cell);

	if (at < t->count && t->cells[at] == cell)
		return;
	if (t->count == t->size) {
		uint32_t size = t->size ? t->size * 2 : 4;
		uint32_t *grown = realloc(t->cells, size * sizeof(*grown));

		if (!grown) {
			t->count = 0;
			return;
		}
		t->cells = grown;
		t->size = size;
	}
	memmove(&t->cells[at + 1], &t->cells[at], (t->count - at) * sizeof(*t->cells));
	t->cells[at] = cell;
	t->count++;
}

/* One look for a backend. */
struct look {
	const struct picker *p;
	const struct scoreboard *b;
	const struct tried *tried;
	uint64_t refused; /* bits of a word that rule it out now */
	bool suspects_seen; /* one was left out only for being suspect */
};

/* How many connections it has; UINT32_MAX: not usable. Cheap, for scanning thousands. */
static inline uint32_t
load_of(struct look *l, uint32_t i)
{
	uint64_t word = atomic_load_explicit(&l->b->words[l->p->cells[i]], memory_order_relaxed);
	uint32_t active = PLACE_ACTIVE(word);

	if (active >= l->p->limits[i])
		return UINT32_MAX;
	if (LIKELY(!(word & l->refused)))
		return active;
	if (!(word & PLACE_FAILED))
		l->suspects_seen = true;
	return UINT32_MAX;
}

/* The least loaded in [from, to) that beats *best; ties go to the first. */
static uint32_t
scan(struct look *l, uint32_t from, uint32_t to, uint32_t *best, uint32_t found)
{
	for (uint32_t i = from; i < to; i++) {
		uint32_t load = load_of(l, i);

		if (load >= *best || tried_has(l->tried, l->p->cells[i]))
			continue;
		*best = load;
		found = i;
		if (load == 0)
			break; /* none has fewer */
	}
	return found;
}

/* The better of two usable ones, drawn at random; UINT32_MAX where luck has it that none is. */
static uint32_t
draw(struct look *l, uint32_t from, uint32_t to, struct rng *rng)
{
	uint32_t best = UINT32_MAX, found = UINT32_MAX, usable = 0;

	for (int k = 0; k < DRAWS && usable < 2; k++) {
		uint32_t i = from + (uint32_t)rng_below(rng, to - from);
		uint32_t load = load_of(l, i);

		if (load == UINT32_MAX || tried_has(l->tried, l->p->cells[i]))
			continue;
		usable++;
		if (load < best) {
			best = load;
			found = i;
		}
	}
	return found;
}

/* The best of one rank, or UINT32_MAX. A tie goes to the first from this rank's turn on. */
static uint32_t
look_in_rank(struct look *l, uint32_t rank, struct rng *rng)
{
	uint32_t from = l->p->rank_start[rank], to = l->p->rank_start[rank + 1];
	uint32_t turn = from + l->p->turn[rank];
	uint32_t best = UINT32_MAX, found = UINT32_MAX;

	if (to - from > SCAN_MAX) {
		found = draw(l, from, to, rng);
		if (found != UINT32_MAX)
			return found;
	}
	found = scan(l, turn, to, &best, found);
	if (best > 0)
		found = scan(l, from, turn, &best, found);
	return found;
}

/* Reserves in the lowest rank that has one; returns its place in the picker, or UINT32_MAX. */
static uint32_t
take(struct look *l, struct picker *p, struct scoreboard *b, struct share *s, struct rng *rng)
{
	for (uint32_t rank = 0; rank < p->rank_count; rank++) {
		for (int races = 0; races < RACES_MAX; races++) {
			uint32_t i = look_in_rank(l, rank, rng);

			if (i == UINT32_MAX)
				break;
			if (!place_reserve(b, s, p->cells[i], p->limits[i]))
				continue;
			p->turn[rank] =
				i + 1 < p->rank_start[rank + 1] ? i + 1 - p->rank_start[rank] : 0;
			return i;
		}
	}
	return UINT32_MAX;
}

#define SUSPECT_BITS (UINT64_C(0xffff) << 32)

int
picker_take(struct picker *p, struct scoreboard *b, struct share *s, const struct tried *tried,
	struct rng *rng)
{
	struct look look = {
		.p = p,
		.b = b,
		.tried = tried,
		.refused = PLACE_FAILED | SUSPECT_BITS,
	};
	uint32_t i = take(&look, p, b, s, rng);

	if (i == UINT32_MAX && look.suspects_seen) {
		look.refused = PLACE_FAILED;
		i = take(&look, p, b, s, rng);
	}
	return i == UINT32_MAX ? PICK_NONE : (int)p->index[i];
}

bool
picker_usable(const struct picker *p, const struct scoreboard *b)
{
	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t word = atomic_load_explicit(&b->words[p->cells[i]], memory_order_relaxed);

		if (!(word & PLACE_FAILED) && PLACE_ACTIVE(word) < p->limits[i])
			return true;
	}
	return false;
}
