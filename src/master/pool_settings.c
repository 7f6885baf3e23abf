/* What the configuration says of a pool, as a value of its own: it outlives the file's. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool_priv.h"

int
pool_settings_alloc_tiers(struct pool_settings *s, uint32_t count)
{
	s->frontend.tier_count = count;
	s->frontend.tiers = calloc(count, sizeof(*s->frontend.tiers));
	s->promote_after_ns = calloc(count, sizeof(*s->promote_after_ns));
	s->limits = calloc(count, sizeof(*s->limits));
	return s->frontend.tiers && s->promote_after_ns && s->limits ? 0 : -ENOMEM;
}

void
pool_settings_free(struct pool_settings *s)
{
	if (!s)
		return;
	free(s->title);
	free(s->frontend.tiers);
	free(s->promote_after_ns);
	free(s->limits);
	free(s);
}

static void
fill_tiers(struct pool_settings *s, const struct pool_conf *c)
{
	for (uint32_t i = 0; i < s->frontend.tier_count; i++) {
		const struct tier_conf *t = &c->tiers[i];

		s->frontend.tiers[i].dial_timeout_ns = t->dial_timeout_ns;
		s->frontend.tiers[i].dial_failure_timeout_ns = t->dial_failure_timeout_ns;
		s->promote_after_ns[i] = t->force_promotion_after_ns;
		s->limits[i] = t->max_backend_connections > 0 ? t->max_backend_connections
							      : NO_LIMIT;
		s->promotes = s->promotes || t->force_promotion_after_ns > 0;
	}
}

int
pool_settings_new(const struct frontend_conf *f, const char *title, struct pool_settings **out)
{
	struct pool_settings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->title = strdup(title);
	if (!s->title || pool_settings_alloc_tiers(s, (uint32_t)f->pool.tier_count) < 0) {
		pool_settings_free(s);
		return -ENOMEM;
	}
	s->frontend.max_connections = f->max_connections > 0 ? f->max_connections : NO_LIMIT;
	s->frontend.idle_ns = f->idle_duration_ns;
	s->frontend.half_close_ns = f->half_close_duration_ns;
	s->frontend.max_age_ns = f->max_connection_age_ns;
	s->frontend.wait_ns = f->wait_timeout_ns;
	s->frontend.maintenance_ns = f->pool.maintenance_time_ns;
	s->frontend.hedge_ns = f->pool.hedge_delay_ns;
	s->frontend.keepalive_idle_ns = f->tcp.idle_ns;
	s->frontend.keepalive_interval_ns = f->tcp.interval_ns;
	s->frontend.keepalive_count = f->tcp.count;
	s->frontend.user_timeout_ns = f->tcp.user_timeout_ns;
	s->frontend.shed_failed = f->pool.on_failure == CONF_ON_FAILURE_SHED;
	s->bucket_ns = f->pool.latency_bucket_ns;
	s->rebalance_ns = f->rebalance_duration_ns;
	s->keep_gone = f->pool.on_gone == CONF_ON_GONE_KEEP;
	fill_tiers(s, &f->pool);
	*out = s;
	return 0;
}

const char *
pool_title(const struct pool *pool)
{
	return pool->settings->title;
}

uint32_t
backend_tier(const struct backend *b)
{
	uint32_t count = b->pool->settings->frontend.tier_count;

	return b->tier < count ? b->tier : count - 1;
}

uint32_t
backend_limit(const struct backend *b)
{
	return b->pool->settings->limits[backend_tier(b)];
}

bool
pool_probes(const struct pool *pool)
{
	return pool->settings->bucket_ns >= 0;
}
