/* Promotion: lets the rules (iaido/shed.h) say how many connections of each backend may be closed
 * so that their clients come back on a better one, and writes that where the workers look. */
#include "config.h"

#include <stdlib.h>

#include "iaido/shed.h"
#include "pool_priv.h"

/* What the workers have left of the last grants is taken back; the rest was used. */
static uint32_t
take_back(struct backend *b)
{
	struct scoreboard_cell *c = &b->pool->pools->board->cells[b->cell];
	uint32_t left = atomic_exchange(&c->promotions, 0), granted = b->granted;

	b->granted = 0;
	return left < granted ? granted - left : 0;
}

static void
give(struct backend *b, const struct promote_backend *out)
{
	struct scoreboard_cell *c = &b->pool->pools->board->cells[b->cell];

	b->granted = out->granted;
	atomic_store(&c->promotable, out->promotable);
	atomic_store(&c->promotions, out->granted);
}

static void
describe(const struct backend *b, struct promote_backend *out)
{
	bool enabled = b->use == BACKEND_ENABLED;

	out->rank = b->rank;
	out->usable = enabled && !b->failed;
	out->active = backend_active(b);
	out->limit = backend_limit(b);
	/* What takes no new ones is drained by its limit, not promoted. */
	out->promote_after_ns = enabled ? b->pool->settings->promote_after_ns[backend_tier(b)] : 0;
}

static void
promote_pool(struct pool *pool, int64_t now_ns)
{
	struct promote_backend *backends = calloc(pool->backend_count + 1, sizeof(*backends));
	uint32_t *spent = calloc(pool->backend_count + 1, sizeof(*spent));
	struct backend *b;
	size_t i = 0;

	if (backends && spent) {
		TAILQ_FOREACH(b, &pool->backends, link) {
			describe(b, &backends[i]);
			spent[i++] = take_back(b);
		}
		if (promote_step(pool->promote, backends, i, spent,
			    pool->settings->frontend.maintenance_ns, now_ns) == 0) {
			i = 0;
			TAILQ_FOREACH(b, &pool->backends, link)
				give(b, &backends[i++]);
		}
	}
	free(backends);
	free(spent);
}

/* The configuration asks for it no more. */
static void
end_promotion(struct pool *pool)
{
	static const struct promote_backend none;
	struct backend *b;

	TAILQ_FOREACH(b, &pool->backends, link) {
		(void)take_back(b);
		give(b, &none);
	}
}

void
pools_promote(struct pools *p, int64_t now_ns)
{
	struct pool *pool;

	TAILQ_FOREACH(pool, &p->list, link) {
		bool wanted = pool->conf && pool->settings->promotes;

		if (wanted)
			promote_pool(pool, now_ns);
		else if (pool->was_promoting)
			end_promotion(pool);
		pool->was_promoting = wanted;
	}
}
