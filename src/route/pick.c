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
	uint64_t ignored; /* bits of a word that do not rule it out */
};

/* The count of connections, or something larger than any limit where a flag or a suspect stands
 * above it: so that one comparison with the limit says whether it is usable. */
static inline uint64_t
load_of(const struct look *l, uint32_t i)
{
	return atomic_load_explicit(&l->b->words[l->p->cells[i]], memory_order_relaxed) &
		~l->ignored;
}

static inline bool
is_usable(const struct look *l, uint32_t i)
{
	return load_of(l, i) < l->p->limits[i];
}

static bool
may_take(const struct look *l, uint32_t i)
{
	return is_usable(l, i) && !tried_has(l->tried, l->p->cells[i]);
}

#define BLOCK 8

/* Where the first block from i on lies in which one is usable, or what is left for another look.
 * Limits are far below half of the range, so that taking them away leaves the highest bit set where
 * a load is below its limit, and nowhere else: no branch for each. */
static inline uint32_t
skip_unusable(const struct look *l, uint32_t i, uint32_t to, uint64_t ignored)
{
	const uint32_t *cells = l->p->cells, *limits = l->p->limits;
	const _Atomic uint64_t *words = l->b->words;

	for (; to - i >= BLOCK; i += BLOCK) {
		uint64_t below = 0;

		for (uint32_t k = 0; k < BLOCK; k++)
			below |= (atomic_load_explicit(&words[cells[i + k]], memory_order_relaxed) &
					 ~ignored) -
				limits[i + k];
		if (below >> 63)
			break;
	}
	return i;
}

/* The first in [from, to) that may be taken, or `to`. Where thousands have failed, they are passed
 * by in a few microseconds; fastest where the compiler knows that no bit is ignored. */
static uint32_t
find_usable(const struct look *l, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to;) {
		uint32_t end;

		i = l->ignored ? skip_unusable(l, i, to, l->ignored) : skip_unusable(l, i, to, 0);
		for (end = to - i >= BLOCK ? i + BLOCK : to; i < end; i++)
			if (may_take(l, i))
				return i;
	}
	return to;
}

/* The least loaded in [from, to) that beats *best; ties go to the first. */
static uint32_t
find_fewest(const struct look *l, uint32_t from, uint32_t to, uint64_t *best, uint32_t found)
{
	for (uint32_t i = from; i<to && * best> 0; i++) {
		uint64_t load = load_of(l, i);

		if (load >= l->p->limits[i] || load >= *best || tried_has(l->tried, l->p->cells[i]))
			continue;
		*best = load;
		found = i;
	}
	return found;
}

static uint32_t
better_of(const struct look *l, uint32_t a, uint32_t b)
{
	return load_of(l, b) < load_of(l, a) ? b : a;
}

/* The better of two drawn at random from [from, to), of which `from` may be taken. Where few may,
 * the first two from a random place on. */
static uint32_t
draw_two(const struct look *l, uint32_t from, uint32_t to, struct rng *rng)
{
	uint32_t found[2], count = 0, start, second;

	for (int k = 0; k < DRAWS && count < 2; k++) {
		uint32_t i = from + (uint32_t)rng_below(rng, to - from);

		if (may_take(l, i))
			found[count++] = i;
	}
	if (count == 2)
		return better_of(l, found[0], found[1]);
	start = from + (uint32_t)rng_below(rng, to - from);
	start = find_usable(l, start, to);
	if (start == to)
		return from;
	second = find_usable(l, start + 1, to);
	return better_of(l, start, second == to ? from : second);
}

/* The rank that a place in the picker belongs to. */
static uint32_t
rank_of(const struct picker *p, uint32_t i)
{
	uint32_t low = 0, high = p->rank_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (p->rank_start[middle] <= i)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The best of a rank, of which `first` is the first that may be taken. A tie goes to the first from
 * this rank's turn on. UINT32_MAX: they were taken meanwhile. */
static uint32_t
look_in_rank(const struct look *l, uint32_t rank, uint32_t first, struct rng *rng)
{
	uint32_t from = l->p->rank_start[rank], to = l->p->rank_start[rank + 1];
	uint32_t turn = from + l->p->turn[rank];
	uint64_t best = UINT64_MAX;
	uint32_t found;

	if (to - from > SCAN_MAX)
		return draw_two(l, first, to, rng);
	found = find_fewest(l, turn > first ? turn : first, to, &best, UINT32_MAX);
	return find_fewest(l, first, turn, &best, found);
}

/* Reserves in the lowest rank that has one; returns its place in the picker, or UINT32_MAX. */
static uint32_t
take(const struct look *l, struct picker *p, struct scoreboard *b, struct share *s, struct rng *rng)
{
	for (int races = 0; races < RACES_MAX; races++) {
		uint32_t first = find_usable(l, 0, p->count), rank, i;

		if (first == p->count)
			break;
		rank = rank_of(p, first);
		i = look_in_rank(l, rank, first, rng);
		if (i == UINT32_MAX || !place_reserve(b, s, p->cells[i], p->limits[i]))
			continue;
		p->turn[rank] = i + 1 < p->rank_start[rank + 1] ? i + 1 - p->rank_start[rank] : 0;
		return i;
	}
	return UINT32_MAX;
}

#define SUSPECT_BITS (UINT64_C(0xffff) << 32)

int
picker_take(struct picker *p, struct scoreboard *b, struct share *s, const struct tried *tried,
	struct rng *rng)
{
	struct look look = { .p = p, .b = b, .tried = tried, .ignored = 0 };
	uint32_t i = take(&look, p, b, s, rng);

	if (i == UINT32_MAX) {
		look.ignored = SUSPECT_BITS;
		i = take(&look, p, b, s, rng);
	}
	return i == UINT32_MAX ? PICK_NONE : (int)p->index[i];
}

bool
picker_usable(const struct picker *p, const struct scoreboard *b, const struct tried *tried)
{
	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t word = atomic_load_explicit(&b->words[p->cells[i]], memory_order_relaxed);

		if (!(word & PLACE_FAILED) && PLACE_ACTIVE(word) < p->limits[i] &&
			!tried_has(tried, p->cells[i]))
			return true;
	}
	return false;
}
