/* Which backends there are: finds them from targets and names, keeps those that stay, gives each a
 * cell of the scoreboard. Owns the cells' numbers. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/log.h"
#include "pool_priv.h"

/* The answer to the question that is asked when a TTL is over has to come, too. */
#define ABSENCE_SLACK_NS NSEC_PER_SEC

/* Of one look's changes so many are told at level info: a name may have a thousand addresses. */
#define TOLD_MAX 16

static unsigned
bucket_of(uint32_t pool_id, const struct addr *a)
{
	uint64_t h = (addr_hash(a) ^ pool_id) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(h >> 32) % POOL_BUCKETS;
}

struct backend *
pool_find_backend(const struct pool *pool, const struct addr *a)
{
	struct backend *b = pool->pools->buckets[bucket_of(pool->id, a)];

	while (b && (b->pool != pool || !addr_equal(&b->addr, a)))
		b = b->next;
	return b;
}

/* Cells */

static void
sum_cell(const struct pools *p, uint32_t cell, struct cell_totals *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < p->share_count; i++) {
		const struct share_cell *c = &p->shares[i]->cells[cell];

		out->total += SHARE_GET(c->total);
		out->dials_ok += SHARE_GET(c->dials_ok);
		out->dials_failed += SHARE_GET(c->dials_failed);
		out->bytes_in += SHARE_GET(c->bytes_in);
		out->bytes_out += SHARE_GET(c->bytes_out);
	}
}

/* Shares are others' to write: what they say is taken for no more than a number. */
static uint64_t
since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void
backend_totals(const struct backend *b, struct cell_totals *out)
{
	sum_cell(b->pool->pools, b->cell, out);
	out->total = since(out->total, b->before.total);
	out->dials_ok = since(out->dials_ok, b->before.dials_ok);
	out->dials_failed = since(out->dials_failed, b->before.dials_failed);
	out->bytes_in = since(out->bytes_in, b->before.bytes_in);
	out->bytes_out = since(out->bytes_out, b->before.bytes_out);
}

uint32_t
backend_active(const struct backend *b)
{
	return PLACE_ACTIVE(atomic_load(&b->pool->pools->board->words[b->cell]));
}

/* The lowest free one, so that all in use stay close together. */
static int
find_cell(struct pools *p, uint32_t *cell)
{
	while (p->cell_hint < SCOREBOARD_CELLS && p->cells[p->cell_hint])
		p->cell_hint++;
	if (p->cell_hint == SCOREBOARD_CELLS)
		return -ENOSPC;
	*cell = p->cell_hint;
	return 0;
}

static void
take_cell(struct backend *b, uint32_t cell)
{
	struct pools *p = b->pool->pools;

	b->cell = cell;
	p->cells[cell] = b;
	if (cell >= p->cell_bound)
		p->cell_bound = cell + 1;
}

static void
give_cell(struct backend *b)
{
	struct pools *p = b->pool->pools;

	p->cells[b->cell] = NULL;
	if (b->cell < p->cell_hint)
		p->cell_hint = b->cell;
	while (p->cell_bound > 0 && !p->cells[p->cell_bound - 1])
		p->cell_bound--;
}

/* Backends */

int
backend_new(struct pool *pool, const struct addr *a, const char *host, uint32_t cell,
	struct backend **out)
{
	struct pools *p = pool->pools;
	struct backend **bucket = &p->buckets[bucket_of(pool->id, a)], *b;
	bool is_new = cell == SCOREBOARD_CELLS;

	if (is_new && find_cell(p, &cell) < 0)
		return -ENOSPC;
	if (p->cells[cell] || pool_find_backend(pool, a))
		return -EEXIST;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->host = strdup(host);
	if (!b->host) {
		free(b);
		return -ENOMEM;
	}
	b->pool = pool;
	b->addr = *a;
	b->is_new = is_new;
	b->probe_ns = b->restore_ns = b->absent_ns = NEVER_NS;
	b->since_ns = clock_now_ns();
	b->changed_wall_ns = clock_wall_ns();
	take_cell(b, cell);
	if (is_new) {
		place_reset(p->board, cell);
		sum_cell(p, cell, &b->before);
	}
	b->next = *bucket;
	*bucket = b;
	TAILQ_INSERT_TAIL(&pool->backends, b, link);
	pool->backend_count++;
	*out = b;
	return 0;
}

void
backend_free(struct backend *b)
{
	struct pool *pool = b->pool;
	struct pools *p = pool->pools;
	struct backend **at = &p->buckets[bucket_of(pool->id, &b->addr)];

	if (b->probe)
		probe_cancel(b->probe);
	wheel_clear(&p->wheel, &b->due);
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	TAILQ_REMOVE(&pool->backends, b, link);
	pool->backend_count--;
	give_cell(b);
	free(b->host);
	free(b);
}

static int64_t
absence_ns(const struct backend *b, int64_t now_ns)
{
	return now_ns + resolver_ttl_ns(b->pool->pools->resolver, b->host) + ABSENCE_SLACK_NS;
}

static void
log_use(const struct backend *b, enum log_level level, const char *message)
{
	static const char *const events[] = {
		[BACKEND_ENABLED] = "backend.enabled",
		[BACKEND_DISABLED] = "backend.disabled",
		[BACKEND_GONE] = "backend.gone",
		[BACKEND_REMOVED] = "backend.removed",
	};
	char text[ADDR_TEXT_MAX];

	if (!log_enabled(level))
		return;
	log_event(level, events[b->use], message, LOG_STR("frontend", pool_title(b->pool)),
		LOG_STR("backend", addr_format(&b->addr, text)), LOG_STR("host", b->host));
}

void
backend_set_use(struct backend *b, enum backend_use use, int64_t now_ns)
{
	static const char *const messages[] = {
		[BACKEND_ENABLED] = "backend may be used",
		[BACKEND_DISABLED] = "backend is disabled",
		[BACKEND_GONE] = "backend has left DNS: it takes no new connections",
		[BACKEND_REMOVED] = "backend is no longer configured",
	};

	if (b->use == use)
		return;
	b->use = use;
	b->changed_wall_ns = clock_wall_ns();
	b->was_absent = false;
	b->absent_ns = use == BACKEND_GONE ? absence_ns(b, now_ns) : NEVER_NS;
	backend_set_stand(b, use == BACKEND_ENABLED ? STAND_USED : STAND_QUIET);
	backend_watch(b, now_ns);
	pool_set_unranked(b->pool);
	log_use(b, b->pool->told++ < TOLD_MAX ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, messages[use]);
}

bool
backend_drains(const struct backend *b)
{
	if (b->use == BACKEND_GONE)
		return b->was_absent && !b->pool->settings->keep_gone;
	return b->use != BACKEND_ENABLED;
}

void
backend_end_absence(struct backend *b)
{
	b->was_absent = true;
	b->absent_ns = NEVER_NS;
	if (backend_drains(b))
		pools_changed(b->pool->pools);
}

/* A new one: with what it is wanted as, before anybody was told of it. */
static void
backend_begin(struct backend *b, int64_t now_ns)
{
	b->is_new = false;
	b->use = b->wanted;
	backend_set_stand(b, b->use == BACKEND_ENABLED ? STAND_USED : STAND_QUIET);
	backend_watch(b, now_ns);
	pool_set_unranked(b->pool);
	log_use(b, LOG_LEVEL_DEBUG, "backend was found");
}

/* Finding them */

static bool
is_literal(const char *host)
{
	struct addr a;

	return addr_parse(host, 0, &a) == 0;
}

static void
warn_of_tiers(struct backend *b, uint32_t tier, const char *host)
{
	char text[ADDR_TEXT_MAX];

	b->is_double = true;
	/* Of two literals the configuration's own check has told. */
	if (!b->was_warned && !(is_literal(b->host) && is_literal(host)))
		log_event(LOG_LEVEL_WARN, "backend.twice",
			"an address stands in several tiers: it counts in the nearest",
			LOG_STR("frontend", pool_title(b->pool)),
			LOG_STR("backend", addr_format(&b->addr, text)), LOG_INT("tier", b->tier),
			LOG_INT("alsoInTier", tier));
	b->was_warned = true;
}

/* Without memory it keeps the name that once gave it. */
static void
set_host(struct backend *b, const char *host)
{
	char *copy = strcmp(b->host, host) == 0 ? NULL : strdup(host);

	if (!copy)
		return;
	free(b->host);
	b->host = copy;
}

/* In the nearest of its tiers; there one `disabled` is enough. */
static void
see_backend(struct backend *b, uint32_t tier, bool disabled, const char *host)
{
	if (b->seen && b->tier != tier) {
		warn_of_tiers(b, tier, host);
		return;
	}
	if (!b->seen) {
		b->seen = true;
		b->wanted = BACKEND_ENABLED;
		if (b->tier != tier)
			pool_set_unranked(b->pool);
		b->tier = (uint16_t)tier;
		set_host(b, host);
	}
	if (disabled)
		b->wanted = BACKEND_DISABLED;
}

static void
see_host(struct pool *pool, uint32_t tier, const struct target_conf *target, const char *host)
{
	const struct addr *addrs;
	size_t count = resolver_addresses(pool->pools->resolver, host, &addrs);

	for (size_t i = 0; i < count; i++) {
		struct addr a = addrs[i];
		struct backend *b;

		addr_set_port(&a, target->port);
		b = pool_find_backend(pool, &a);
		if (!b && backend_new(pool, &a, host, SCOREBOARD_CELLS, &b) < 0)
			pool->left_out++;
		else
			see_backend(b, tier, target->disabled, host);
	}
}

static void
see_targets(struct pool *pool)
{
	const struct pool_conf *c = &pool->conf->pool;

	for (uint32_t t = 0; t < c->tier_count; t++)
		for (size_t g = 0; g < c->tiers[t].target_count; g++)
			for (size_t h = 0; h < c->tiers[t].targets[g].host_count; h++)
				see_host(pool, t, &c->tiers[t].targets[g],
					c->tiers[t].targets[g].hosts[h]);
}

/* What to think of one that nothing names now: a literal cannot have left DNS. */
static enum backend_use
find_absence(const struct backend *b)
{
	if (is_literal(b->host) || !pool_names_host(b->pool, b->host, addr_port(&b->addr)))
		return BACKEND_REMOVED;
	return BACKEND_GONE;
}

static void
log_left_out(const struct pool *pool, size_t before)
{
	if (pool->left_out > 0 && before == 0)
		log_event(LOG_LEVEL_ERROR, "backend.limit",
			"too many backends: some addresses are left out",
			LOG_STR("frontend", pool_title(pool)), LOG_INT("limit", SCOREBOARD_CELLS),
			LOG_INT("leftOut", pool->left_out));
}

void
pool_find_backends(struct pool *pool, int64_t now_ns)
{
	size_t before = pool->left_out;
	struct backend *b;

	pool->is_dirty = false;
	pool->told = 0;
	pool->left_out = 0;
	TAILQ_FOREACH(b, &pool->backends, link)
		b->seen = b->is_double = false;
	if (pool->conf)
		see_targets(pool);
	TAILQ_FOREACH(b, &pool->backends, link) {
		if (!b->seen)
			b->wanted = find_absence(b);
		if (!b->is_double)
			b->was_warned = false;
		if (b->is_new)
			backend_begin(b, now_ns);
		else
			backend_set_use(b, b->wanted, now_ns);
	}
	log_left_out(pool, before);
}
