/* The pools for diagnostics: names, and each frontend's backends with what all workers counted. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/snapshot.h"
#include "pool_priv.h"

static enum backend_state
find_state(const struct backend *b)
{
	switch (b->use) {
	case BACKEND_DISABLED:
		return BACKEND_STATE_DISABLED;
	case BACKEND_GONE:
	case BACKEND_REMOVED:
		return BACKEND_DRAINING;
	default:
		return b->failed ? BACKEND_FAILED : BACKEND_UP;
	}
}

static int
fill_identity(const struct addr *a, const char *host, const struct cell_totals *t,
	struct snapshot_backend *out)
{
	char text[ADDR_TEXT_MAX];

	out->address = strdup(addr_format(a, text));
	out->host = strdup(host);
	out->total = t->total;
	out->dials_ok = t->dials_ok;
	out->dials_failed = t->dials_failed;
	out->bytes_in = t->bytes_in;
	out->bytes_out = t->bytes_out;
	return out->address && out->host ? 0 : -ENOMEM;
}

static int
fill_departed(const struct departed *d, struct snapshot_backend *out)
{
	out->tier = d->rank;
	out->configured_tier = d->tier;
	out->state = BACKEND_STATE_GONE;
	out->probes_ok = d->probes_ok;
	out->probes_failed = d->probes_failed;
	out->last_change_wall_ns = d->changed_wall_ns;
	out->last_error = d->last_error;
	return fill_identity(&d->addr, d->host, &d->totals, out);
}

static int
fill_backend(const struct backend *b, struct snapshot_backend *out)
{
	const struct scoreboard_cell *cell = &b->pool->pools->board->cells[b->cell];
	uint32_t limit = backend_limit(b);
	struct cell_totals t;

	backend_totals(b, &t);
	out->tier = b->rank;
	out->configured_tier = b->tier;
	out->latency_ns = b->latency.held_ns;
	out->state = find_state(b);
	out->active = backend_active(b);
	out->max = limit == NO_LIMIT ? 0 : limit;
	out->probes_ok = b->probes_ok;
	out->probes_failed = b->probes_failed;
	out->last_change_wall_ns = b->changed_wall_ns;
	out->last_error = atomic_load(&cell->last_error);
	return fill_identity(&b->addr, b->host, &t, out);
}

static int
fill_frontend(const struct pool *pool, struct snapshot_frontend *out)
{
	size_t count;
	struct backend **sorted = pool_sort_backends(pool, &count);
	const struct departed *d;
	const struct backend *b;
	int r = 0;

	if (!sorted)
		return -ENOMEM;
	out->bytes_in = pool->gone_bytes_in;
	out->bytes_out = pool->gone_bytes_out;
	out->backends = calloc(
		pool->backend_count + pool->departed_count + 1, sizeof(*out->backends));
	if (!out->backends)
		r = -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		out->backend_count++; /* first, so that what was made is freed */
		r = fill_backend(sorted[i], &out->backends[i]);
		out->bytes_in += out->backends[i].bytes_in;
		out->bytes_out += out->backends[i].bytes_out;
	}
	/* About to depart: already out of tables, not yet among the departed. */
	TAILQ_FOREACH(b, &pool->backends, link) {
		if (b->stand != STAND_LEFT_OUT || r < 0)
			continue;
		r = fill_backend(b, &out->backends[out->backend_count]);
		out->backends[out->backend_count].state = BACKEND_STATE_GONE;
		out->bytes_in += out->backends[out->backend_count].bytes_in;
		out->bytes_out += out->backends[out->backend_count++].bytes_out;
	}
	TAILQ_FOREACH(d, &pool->departed, link)
		if (r == 0)
			r = fill_departed(d, &out->backends[out->backend_count++]);
	free(sorted);
	return r;
}

int
pools_snapshot(struct pools *p, struct snapshot *out, const uint32_t *ids)
{
	int r = resolver_snapshot(p->resolver, out);

	pools_take_shares(p);
	for (size_t i = 0; i < out->frontend_count && r == 0; i++) {
		const struct pool *pool = pools_find(p, ids[i]);

		if (pool)
			r = fill_frontend(pool, &out->frontends[i]);
	}
	return r;
}
