/* Promotion: how many connections of which backends may be closed, so that their clients come back
 * on a better rank. Sizes are counted in places: each connection let go has a place waiting for it,
 * and keeps it for one maintenance time, whether its client comes back or not. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/scoreboard.h"
#include "iaido/shed.h"

/* However short the maintenance time, a quarter of the connections a second is the most: a fifth by
 * the rate, a twentieth at once. */
#define SPREAD_MIN_NS (5 * NSEC_PER_SEC)
#define AT_ONCE_PART 20
/* A caller that slept earns no more credit than this. */
#define STEP_MAX_NS NSEC_PER_SEC
/* Grants spent are remembered in slices of the maintenance time. */
#define SLICES 32
#define PLACES_MANY UINT32_MAX

/* So many places of a rank were promised to connections closed at that time. */
struct promise {
	int64_t at_ns;
	uint32_t rank;
	uint32_t count;
};

struct rank_room {
	int64_t since_ns; /* it has had room since; 0 = it has none */
	uint32_t left; /* places not yet promised; PLACES_MANY = no limit */
	bool changed; /* other backends than the last time */
	bool has_room;
};

struct promote_state {
	struct rank_room *rooms;
	uint32_t rank_count;
	uint32_t *ranks; /* of each backend, the last time */
	uint32_t *targets; /* the rank that its grants were for */
	size_t count;
	struct promise *promises; /* oldest first */
	size_t promise_count;
	size_t promise_size;
	int64_t last_ns; /* of the last step; 0 = none yet */
	uint64_t wave; /* how many there were to move when it was most */
	int64_t credit; /* grants earned and not spent, in millionths */
	uint32_t cursor; /* which backend is served first, in turn */
};

#define CREDIT_ONE 1000000

struct promote_state *
promote_state_new(void)
{
	return calloc(1, sizeof(struct promote_state));
}

void
promote_state_free(struct promote_state *s)
{
	if (!s)
		return;
	free(s->rooms);
	free(s->ranks);
	free(s->targets);
	free(s->promises);
	free(s);
}

static uint32_t
add_places(uint32_t a, uint32_t b)
{
	return a > PLACES_MANY - b ? PLACES_MANY : a + b;
}

/* Makes the memory fit what is asked for now. Ranks that are new have had room for no time. */
static int
fit(struct promote_state *s, const struct promote_backend *backends, size_t count)
{
	uint32_t rank_count = s->rank_count;
	size_t size = count > s->count ? count : s->count;
	struct rank_room *rooms;
	uint32_t *ranks, *targets;

	for (size_t i = 0; i < count; i++)
		if (backends[i].rank >= rank_count)
			rank_count = backends[i].rank + 1;
	if (rank_count > SCOREBOARD_CELLS)
		return -ENOMEM;
	rooms = realloc(s->rooms, (rank_count + 1) * sizeof(*rooms));
	if (!rooms)
		return -ENOMEM;
	s->rooms = rooms;
	memset(&rooms[s->rank_count], 0, (rank_count + 1 - s->rank_count) * sizeof(*rooms));
	s->rank_count = rank_count;
	ranks = realloc(s->ranks, (size + 1) * sizeof(*ranks));
	if (!ranks)
		return -ENOMEM;
	s->ranks = ranks;
	targets = realloc(s->targets, (size + 1) * sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	s->targets = targets;
	return 0;
}

/* A rank whose backends are others than before begins anew: its number says nothing about it. */
static void
note_changed_ranks(struct promote_state *s, const struct promote_backend *backends, size_t count)
{
	size_t both = count < s->count ? count : s->count;

	for (uint32_t r = 0; r < s->rank_count; r++)
		s->rooms[r].changed = false;
	for (size_t i = 0; i < both; i++) {
		if (s->ranks[i] == backends[i].rank)
			continue;
		s->rooms[s->ranks[i]].changed = true;
		s->rooms[backends[i].rank].changed = true;
	}
	for (size_t i = both; i < s->count; i++)
		s->rooms[s->ranks[i]].changed = true;
	for (size_t i = both; i < count; i++)
		s->rooms[backends[i].rank].changed = true;
	for (size_t i = 0; i < count; i++)
		s->ranks[i] = backends[i].rank;
	for (size_t i = both; i < count; i++)
		s->targets[i] = 0;
	s->count = count;
}

static void
measure_rooms(struct promote_state *s, const struct promote_backend *backends, size_t count,
	int64_t now_ns)
{
	for (uint32_t r = 0; r < s->rank_count; r++)
		s->rooms[r].left = 0;
	for (size_t i = 0; i < count; i++) {
		const struct promote_backend *b = &backends[i];

		if (!b->usable || b->active >= b->limit)
			continue;
		s->rooms[b->rank].left = add_places(s->rooms[b->rank].left,
			b->limit == NO_LIMIT ? PLACES_MANY : b->limit - b->active);
	}
	for (uint32_t r = 0; r < s->rank_count; r++) {
		struct rank_room *room = &s->rooms[r];
		bool had_room = room->has_room && !room->changed;

		room->has_room = room->left > 0;
		if (!had_room)
			room->since_ns = now_ns;
	}
}

/* Remembers that so many places of a rank are spoken for. */
static int
add_promise(
	struct promote_state *s, uint32_t rank, uint32_t count, int64_t slice_ns, int64_t now_ns)
{
	for (size_t i = s->promise_count; i-- > 0;) {
		struct promise *p = &s->promises[i];

		if (now_ns - p->at_ns > slice_ns)
			break;
		if (p->rank != rank)
			continue;
		p->count = add_places(p->count, count);
		return 0;
	}
	if (s->promise_count == s->promise_size) {
		size_t size = s->promise_size ? s->promise_size * 2 : 16;
		struct promise *grown = realloc(s->promises, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->promises = grown;
		s->promise_size = size;
	}
	s->promises[s->promise_count++] =
		(struct promise){ .at_ns = now_ns, .rank = rank, .count = count };
	return 0;
}

/* What was spent since the last step becomes promises; those older than a maintenance time (and the
 * slice they stand for) are forgotten; the rest are places that nobody else gets. */
static int
settle(struct promote_state *s, const uint32_t *spent, size_t count, int64_t maintenance_ns,
	int64_t now_ns)
{
	int64_t slice_ns = maintenance_ns / SLICES;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (spent[i] == 0)
			continue;
		if (add_promise(s, s->targets[i], spent[i], slice_ns, now_ns) < 0)
			return -ENOMEM;
		s->credit -= (int64_t)spent[i] * CREDIT_ONE;
	}
	if (s->credit < 0)
		s->credit = 0;
	for (size_t i = 0; i < s->promise_count; i++) {
		struct promise *p = &s->promises[i];

		if (now_ns - p->at_ns > maintenance_ns + slice_ns)
			continue;
		s->promises[kept++] = *p;
		if (p->rank < s->rank_count && s->rooms[p->rank].left != PLACES_MANY) {
			uint32_t *left = &s->rooms[p->rank].left;

			*left -= p->count < *left ? p->count : *left;
		}
	}
	s->promise_count = kept;
	return 0;
}

/* Whether rank r has had room for long enough for the connections of this backend. */
static bool
has_had_room(
	const struct promote_state *s, uint32_t r, const struct promote_backend *b, int64_t now_ns)
{
	const struct rank_room *room = &s->rooms[r];

	return room->has_room && now_ns - room->since_ns >= b->promote_after_ns;
}

/* The best rank that a connection of this backend may be closed for, or its own: none. Only when
 * `with_place` does it need a place that is promised to nobody. */
static uint32_t
target_of(const struct promote_state *s, const struct promote_backend *b, bool with_place,
	int64_t now_ns)
{
	if (b->promote_after_ns <= 0)
		return b->rank;
	for (uint32_t r = 0; r < b->rank; r++)
		if (has_had_room(s, r, b, now_ns) && (!with_place || s->rooms[r].left > 0))
			return r;
	return b->rank;
}

static void
take_places(struct rank_room *room, uint32_t count)
{
	if (room->left != PLACES_MANY)
		room->left -= count;
}

/* How many could be moved now if nothing were spread. */
static uint64_t
count_movable(const struct promote_state *s, const struct promote_backend *backends, size_t count)
{
	uint64_t candidates = 0, places = 0;
	uint32_t worst = 0;

	for (size_t i = 0; i < count; i++) {
		if (!backends[i].promotable)
			continue;
		candidates += backends[i].active;
		if (backends[i].rank > worst)
			worst = backends[i].rank;
	}
	for (uint32_t r = 0; r < worst; r++)
		places += s->rooms[r].left;
	return candidates < places ? candidates : places;
}

/* Credit grows so that the whole wave takes one maintenance time. */
static void
earn(struct promote_state *s, uint64_t movable, int64_t maintenance_ns, int64_t now_ns)
{
	int64_t spread_ns = maintenance_ns > SPREAD_MIN_NS ? maintenance_ns : SPREAD_MIN_NS;
	int64_t passed_ns = s->last_ns ? now_ns - s->last_ns : 0;
	uint64_t at_once;

	s->last_ns = now_ns;
	if (movable == 0) {
		s->wave = 0;
		s->credit = 0;
		return;
	}
	if (s->wave == 0)
		s->credit = CREDIT_ONE;
	if (movable > s->wave)
		s->wave = movable < PLACES_MANY ? movable : PLACES_MANY;
	if (passed_ns < 0)
		passed_ns = 0;
	if (passed_ns > STEP_MAX_NS)
		passed_ns = STEP_MAX_NS;
	s->credit +=
		(int64_t)((double)s->wave * (double)passed_ns / (double)spread_ns * CREDIT_ONE);
	at_once = s->wave / AT_ONCE_PART > 0 ? s->wave / AT_ONCE_PART : 1;
	if (s->credit > (int64_t)at_once * CREDIT_ONE)
		s->credit = (int64_t)at_once * CREDIT_ONE;
}

/* Gives each backend in turn up to `part` grants; returns the credits left. A backend's grants are
 * all for one rank, so that what is spent is known to be taken there. */
static uint32_t
deal_round(struct promote_state *s, struct promote_backend *backends, size_t count,
	uint32_t credits, uint32_t part, int64_t now_ns)
{
	for (size_t k = 0; k < count && credits > 0; k++) {
		size_t i = (s->cursor + k) % count;
		struct promote_backend *b = &backends[i];
		uint32_t grant = part < credits ? part : credits;
		uint32_t target;

		if (!b->promotable || b->active <= b->granted)
			continue;
		target = b->granted > 0 ? s->targets[i] : target_of(s, b, true, now_ns);
		if (target == b->rank)
			continue;
		if (grant > b->active - b->granted)
			grant = b->active - b->granted;
		if (grant > s->rooms[target].left)
			grant = s->rooms[target].left;
		take_places(&s->rooms[target], grant);
		s->targets[i] = target;
		b->granted += grant;
		credits -= grant;
	}
	return credits;
}

/* Deals the whole credits out: an even part to each backend, the rest to whoever has a use for it. */
static void
deal(struct promote_state *s, struct promote_backend *backends, size_t count, int64_t now_ns)
{
	uint32_t credits = (uint32_t)(s->credit / CREDIT_ONE);

	if (count == 0)
		return;
	credits = deal_round(s, backends, count, credits, credits / (uint32_t)count + 1, now_ns);
	(void)deal_round(s, backends, count, credits, credits, now_ns);
	s->cursor = (uint32_t)((s->cursor + 1) % count);
}

int
promote_step(struct promote_state *s, struct promote_backend *backends, size_t count,
	const uint32_t *spent, int64_t maintenance_ns, int64_t now_ns)
{
	int r;

	for (size_t i = 0; i < count; i++) {
		backends[i].granted = 0;
		backends[i].promotable = false;
	}
	r = fit(s, backends, count);
	if (r < 0)
		return r;
	note_changed_ranks(s, backends, count);
	measure_rooms(s, backends, count, now_ns);
	r = settle(s, spent, count, maintenance_ns, now_ns);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		backends[i].promotable = target_of(s, &backends[i], false, now_ns) !=
			backends[i].rank;
	earn(s, count_movable(s, backends, count), maintenance_ns, now_ns);
	deal(s, backends, count, now_ns);
	return 0;
}
