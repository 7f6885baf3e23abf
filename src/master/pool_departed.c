/* Backends that are no more: what they counted is told for ten minutes yet, so that it is scraped
 * once more, and is part of their frontend's totals for ever. */
#include "config.h"

#include <stdlib.h>

#include "iaido/clock.h"
#include "pool_priv.h"

#define DEPARTED_NS (600 * NSEC_PER_SEC)
#define DEPARTED_MAX 1000 /* of one pool; past that the oldest go early */

static void
forget_oldest(struct pool *pool)
{
	struct departed *d = TAILQ_FIRST(&pool->departed);

	TAILQ_REMOVE(&pool->departed, d, link);
	pool->departed_count--;
	free(d->host);
	free(d);
}

void
pool_note_departed(struct backend *b, int64_t now_ns)
{
	const struct scoreboard_cell *cell = &b->pool->pools->board->cells[b->cell];
	struct departed *d = calloc(1, sizeof(*d));
	struct pool *pool = b->pool;
	struct cell_totals totals;

	backend_totals(b, &totals);
	pool->gone_bytes_in += totals.bytes_in;
	pool->gone_bytes_out += totals.bytes_out;
	if (!d) /* then its series end a little early */
		return;
	d->addr = b->addr;
	d->host = b->host;
	b->host = NULL;
	d->rank = b->rank;
	d->tier = b->tier;
	d->totals = totals;
	d->probes_ok = b->probes_ok;
	d->probes_failed = b->probes_failed;
	d->last_error = atomic_load(&cell->last_error);
	d->changed_wall_ns = b->changed_wall_ns;
	d->until_ns = now_ns + DEPARTED_NS;
	TAILQ_INSERT_TAIL(&pool->departed, d, link);
	if (++pool->departed_count > DEPARTED_MAX)
		forget_oldest(pool);
}

void
pool_forget_departed(struct pool *pool, int64_t now_ns)
{
	while (!TAILQ_EMPTY(&pool->departed) && TAILQ_FIRST(&pool->departed)->until_ns <= now_ns)
		forget_oldest(pool);
}
