/* Giving up what nobody uses any more. A backend's cell may be used anew only when no worker can
 * reserve a place on it: so it is first quiet in a table that all have applied (nobody picks it),
 * has no connection, is then left out of tables, and freed once such a one is applied everywhere. */
#include "config.h"

#include "pool_priv.h"

void
backend_set_stand(struct backend *b, enum table_stand stand)
{
	if (b->stand == stand)
		return;
	b->stand = stand;
	b->stand_table = 0;
}

void
pool_set_stand(struct pool *pool, enum table_stand stand)
{
	if (pool->stand == stand)
		return;
	pool->stand = stand;
	pool->stand_table = 0;
}

void
pools_table_sent(struct pools *p, uint64_t number)
{
	struct pool *pool;

	TAILQ_FOREACH(pool, &p->list, link) {
		struct backend *b;

		if (pool->stand_table == 0 && pool->built == pool->stand)
			pool->stand_table = number;
		TAILQ_FOREACH(b, &pool->backends, link)
			if (b->stand_table == 0 && b->built == b->stand)
				b->stand_table = number;
	}
}

static bool
is_applied(uint64_t stand_table, uint64_t applied)
{
	return stand_table != 0 && applied >= stand_table;
}

/* A disabled one stays as long as the file names it. */
static bool
may_go(const struct backend *b)
{
	return b->use == BACKEND_REMOVED || (b->use == BACKEND_GONE && b->was_absent);
}

/* Returns whether a new table is wanted. */
static bool
sweep_backend(struct backend *b, uint64_t applied, int64_t now_ns)
{
	if (!may_go(b) || backend_active(b) > 0 || !is_applied(b->stand_table, applied))
		return false;
	if (b->stand == STAND_QUIET) {
		backend_set_stand(b, STAND_LEFT_OUT);
		return true;
	}
	if (b->stand == STAND_LEFT_OUT) {
		b->pool->is_dirty = b->pool->is_dirty || b->pool->left_out > 0;
		pool_note_departed(b, now_ns);
		backend_free(b);
	}
	return false;
}

static bool
sweep_pool(struct pool *pool, uint64_t applied)
{
	const struct pools *p = pool->pools;

	if (pool->conf || !TAILQ_EMPTY(&pool->backends) ||
		!is_applied(pool->stand_table, applied) ||
		atomic_load(&p->board->frontends[pool->id].active) > 0)
		return false;
	if (pool->stand == STAND_QUIET) {
		pool_set_stand(pool, STAND_LEFT_OUT);
		return true;
	}
	if (pool->stand == STAND_LEFT_OUT)
		pool_free(pool);
	return false;
}

void
pools_sweep(struct pools *p, int64_t now_ns)
{
	uint64_t applied = p->owner.applied(p->owner.arg);
	struct pool *pool, *next_pool;
	bool changed = false;

	for (pool = TAILQ_FIRST(&p->list); pool; pool = next_pool) {
		struct backend *b, *next;

		next_pool = TAILQ_NEXT(pool, link);
		for (b = TAILQ_FIRST(&pool->backends); b; b = next) {
			next = TAILQ_NEXT(b, link);
			changed = sweep_backend(b, applied, now_ns) || changed;
		}
		pool_forget_departed(pool, now_ns);
		changed = sweep_pool(pool, applied) || changed;
	}
	if (changed)
		pools_changed(p);
}

size_t
pools_removed(const struct pools *p, uint32_t *ids, size_t max)
{
	const struct pool *pool;
	size_t count = 0;

	TAILQ_FOREACH(pool, &p->list, link)
		if (!pool->conf && count < max)
			ids[count++] = pool->id;
	return count;
}
