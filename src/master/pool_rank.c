/* The order of a pool's backends: ranks from configured tiers and held latencies, and what the log
 * says of it. The rules are the ranker's (iaido/rank.h). */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "iaido/clock.h"
#include "iaido/log.h"
#include "pool_priv.h"

/* Answers of probes that come together make one order, and one table; the more there are to sort,
 * the longer is waited for more. */
#define RANK_DELAY_NS (10 * NSEC_PER_MSEC)
#define RANK_DELAY_EACH_NS (10 * NSEC_PER_USEC)

void
pool_set_unranked(struct pool *pool)
{
	struct pools *p = pool->pools;

	pool->is_unranked = true;
	if (!p->is_closing && !evtimer_pending(p->rank, NULL))
		timer_set_ns(p->rank, RANK_DELAY_NS + (int64_t)p->cell_bound * RANK_DELAY_EACH_NS);
}

static void
log_rank(const struct backend *b, uint32_t rank)
{
	char text[ADDR_TEXT_MAX];

	if (log_enabled(LOG_LEVEL_DEBUG))
		log_event(LOG_LEVEL_DEBUG, "backend.rank", "backend has another rank",
			LOG_STR("frontend", pool_title(b->pool)),
			LOG_STR("backend", addr_format(&b->addr, text)), LOG_INT("rank", rank),
			LOG_INT("before", b->rank), LOG_INT("tier", b->tier),
			LOG_INT("latencyMicros", b->latency.held_ns / NSEC_PER_USEC));
}

static void
log_order(const struct pool *pool, int rank_count, size_t moved)
{
	log_event(LOG_LEVEL_INFO, "backends.ranked", "backends have a new order",
		LOG_STR("frontend", pool_title(pool)), LOG_INT("ranks", rank_count),
		LOG_INT("backends", pool->backend_count), LOG_INT("moved", moved));
}

static void
take_ranks(struct pool *pool, const struct rank_item *items, int rank_count)
{
	struct backend *b;
	size_t i = 0, moved = 0;

	TAILQ_FOREACH(b, &pool->backends, link) {
		/* Those that take no new ones come after all others. */
		uint32_t rank = b->use == BACKEND_ENABLED ? items[i++].rank : (uint32_t)rank_count;

		if (b->rank != rank && b->use == BACKEND_ENABLED) {
			log_rank(b, rank);
			moved++;
		}
		b->rank = rank;
	}
	pool->is_unranked = false;
	if (moved > 0)
		log_order(pool, rank_count, moved);
}

static int
rank_pool(struct pool *pool)
{
	struct rank_item *items = calloc(pool->backend_count + 1, sizeof(*items));
	const struct backend *b;
	size_t count = 0;
	int rank_count;

	if (!items)
		return -ENOMEM;
	TAILQ_FOREACH(b, &pool->backends, link) {
		if (b->use != BACKEND_ENABLED)
			continue;
		items[count].tier = backend_tier(b);
		items[count++].latency_ns = b->latency.held_ns;
	}
	rank_count = rank_assign(items, count, pool->settings->bucket_ns);
	if (rank_count >= 0)
		take_ranks(pool, items, rank_count);
	free(items);
	return rank_count < 0 ? rank_count : 0;
}

int
pools_rank(struct pools *p)
{
	struct pool *pool;
	int r = 0;

	TAILQ_FOREACH(pool, &p->list, link)
		if (pool->is_unranked && rank_pool(pool) < 0)
			r = -ENOMEM;
	return r;
}

static int
compare_backends(const void *a, const void *b)
{
	const struct backend *x = *(struct backend *const *)a, *y = *(struct backend *const *)b;
	bool x_quiet = x->use != BACKEND_ENABLED, y_quiet = y->use != BACKEND_ENABLED;

	if (x_quiet != y_quiet)
		return x_quiet ? 1 : -1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return addr_compare(&x->addr, &y->addr);
}

struct backend **
pool_sort_backends(const struct pool *pool, size_t *count)
{
	struct backend **sorted = calloc(pool->backend_count + 1, sizeof(struct backend *)), *b;

	if (!sorted)
		return NULL;
	*count = 0;
	TAILQ_FOREACH(b, &pool->backends, link)
		if (b->stand != STAND_LEFT_OUT)
			sorted[(*count)++] = b;
	qsort(sorted, *count, sizeof(struct backend *), compare_backends);
	return sorted;
}
