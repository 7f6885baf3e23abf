/* The pools' part of a routing table: frontends and backends as they are to be used from now on. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool_priv.h"

static void
fill_backend(const struct backend *b, struct table_backend *out)
{
	out->cell = b->cell;
	out->addr = b->addr;
	out->rank = b->rank;
	out->tier = (uint16_t)backend_tier(b);
	out->use = (uint8_t)b->use;
	out->drain = backend_drains(b);
	out->limit = backend_limit(b);
	out->latency_ns = b->latency.held_ns;
}

static int
fill_backends(const struct pool *pool, struct table_frontend *out)
{
	size_t count;
	struct backend **sorted = pool_sort_backends(pool, &count);

	if (!sorted)
		return -ENOMEM;
	out->backends = calloc(count + 1, sizeof(*out->backends));
	if (out->backends) {
		for (size_t i = 0; i < count; i++)
			fill_backend(sorted[i], &out->backends[i]);
		out->backend_count = (uint32_t)count;
	}
	free(sorted);
	return out->backends ? 0 : -ENOMEM;
}

static int
fill_frontend(const struct pool *pool, struct table_frontend *out)
{
	const struct table_frontend *f = &pool->settings->frontend;

	*out = *f;
	out->id = pool->id;
	out->removed = pool->conf == NULL;
	out->tiers = calloc(f->tier_count, sizeof(*out->tiers));
	if (!out->tiers) {
		out->tier_count = 0;
		return -ENOMEM;
	}
	memcpy(out->tiers, f->tiers, f->tier_count * sizeof(*out->tiers));
	return fill_backends(pool, out);
}

/* What the table says, for pools_table_sent(). */
static void
note_built(struct pools *p)
{
	struct pool *pool;
	struct backend *b;

	TAILQ_FOREACH(pool, &p->list, link) {
		pool->built = pool->stand;
		TAILQ_FOREACH(b, &pool->backends, link)
			b->built = b->stand;
	}
}

int
pools_build_table(struct pools *p, struct route_table **out)
{
	struct route_table *t;
	const struct pool *pool;
	uint32_t count = 0;

	if (pools_rank(p) < 0)
		return -ENOMEM;
	t = table_new();
	if (!t)
		return -ENOMEM;
	t->log_connections = p->log_connections;
	TAILQ_FOREACH(pool, &p->list, link)
		count += pool->stand != STAND_LEFT_OUT;
	t->frontends = calloc(count + 1, sizeof(*t->frontends));
	if (!t->frontends)
		goto fail;
	TAILQ_FOREACH(pool, &p->list, link) {
		if (pool->stand == STAND_LEFT_OUT)
			continue;
		/* Counted first, so that what was made of it is freed. */
		if (fill_frontend(pool, &t->frontends[t->frontend_count++]) < 0)
			goto fail;
	}
	note_built(p);
	*out = t;
	return 0;
fail:
	table_free(t);
	return -ENOMEM;
}
