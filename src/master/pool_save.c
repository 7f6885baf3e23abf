/* The pools over an upgrade in place: what must not be forgotten, as a record. Configured pools get
 * their settings from the file again; those of removed ones are in the record. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "iaido/clock.h"
#include "iaido/wire.h"
#include "pool_priv.h"

#define RECORD_VERSION 1
#define HOST_LEN_MAX 1024
#define BACKEND_WIRE_MIN 100
#define TIERS_MAX 65536

/* Settings */

static void
save_settings(const struct pool_settings *s, struct wire_writer *w)
{
	const struct table_frontend *f = &s->frontend;

	wire_put_string(w, s->title);
	table_put_settings(f, w);
	wire_put_i64(w, s->bucket_ns);
	wire_put_i64(w, s->rebalance_ns);
	wire_put_u8(w, s->keep_gone);
	wire_put_u32(w, f->tier_count);
	for (uint32_t i = 0; i < f->tier_count; i++) {
		wire_put_i64(w, f->tiers[i].dial_timeout_ns);
		wire_put_i64(w, f->tiers[i].dial_failure_timeout_ns);
		wire_put_i64(w, s->promote_after_ns[i]);
		wire_put_u32(w, s->limits[i]);
	}
}

static void
load_tiers(struct pool_settings *s, struct wire_reader *r)
{
	uint32_t count = wire_get_count(r, 28, TIERS_MAX);

	if (r->bad || count == 0 || pool_settings_alloc_tiers(s, count) < 0) {
		r->bad = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		s->frontend.tiers[i].dial_timeout_ns = wire_get_i64(r);
		s->frontend.tiers[i].dial_failure_timeout_ns = wire_get_i64(r);
		s->promote_after_ns[i] = wire_get_i64(r);
		s->limits[i] = wire_get_u32(r);
		if (s->frontend.tiers[i].dial_timeout_ns <= 0 ||
			s->frontend.tiers[i].dial_failure_timeout_ns <= 0)
			r->bad = true;
	}
}

static struct pool_settings *
load_settings(struct wire_reader *r)
{
	struct pool_settings *s = calloc(1, sizeof(*s));
	struct table_frontend *f;

	if (!s) {
		r->bad = true;
		return NULL;
	}
	f = &s->frontend;
	s->title = wire_get_string(r, HOST_LEN_MAX);
	table_get_settings(f, r);
	s->bucket_ns = wire_get_i64(r);
	s->rebalance_ns = wire_get_i64(r);
	s->keep_gone = wire_get_u8(r) != 0;
	load_tiers(s, r);
	if (r->bad || s->rebalance_ns <= 0) {
		r->bad = true;
		pool_settings_free(s);
		return NULL;
	}
	return s;
}

/* Backends */

static void
save_backend(const struct backend *b, struct wire_writer *w)
{
	wire_put_addr(w, &b->addr);
	wire_put_string(w, b->host);
	wire_put_u32(w, b->cell);
	wire_put_u16(w, b->tier);
	wire_put_u8(w, (uint8_t)b->use);
	wire_put_u8(w, b->was_absent);
	wire_put_i64(w, b->absent_ns);
	wire_put_u32(w, b->rank);
	for (size_t i = 0; i < ARRAY_SIZE(b->latency.samples_ns); i++)
		wire_put_i64(w, b->latency.samples_ns[i]);
	wire_put_u8(w, b->latency.count);
	wire_put_u8(w, b->latency.apart);
	wire_put_i64(w, b->latency.held_ns);
	wire_put_u8(w, b->failed);
	wire_put_i64(w, b->changed_wall_ns);
	wire_put_i64(w, b->probe_ns);
	wire_put_i64(w, b->restore_ns);
	wire_put_i64(w, b->since_ns);
	wire_put_u64(w, b->probes_ok);
	wire_put_u64(w, b->probes_failed);
	wire_put_u64(w, b->before.total);
	wire_put_u64(w, b->before.dials_ok);
	wire_put_u64(w, b->before.dials_failed);
	wire_put_u64(w, b->before.bytes_in);
	wire_put_u64(w, b->before.bytes_out);
	wire_put_u32(w, b->granted);
}

static void
load_latency(struct latency *l, struct wire_reader *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->samples_ns); i++)
		l->samples_ns[i] = wire_get_i64(r);
	l->count = wire_get_u8(r);
	l->apart = wire_get_u8(r);
	l->held_ns = wire_get_i64(r);
	if (l->count > ARRAY_SIZE(l->samples_ns) || l->held_ns < 0)
		r->bad = true;
}

static void
load_times(struct backend *b, struct wire_reader *r)
{
	b->probe_ns = wire_get_i64(r);
	b->restore_ns = wire_get_i64(r);
	b->since_ns = wire_get_i64(r);
	if (b->probe_ns < 0 || b->restore_ns < 0 || b->absent_ns < 0)
		r->bad = true;
}

static void
load_backend(struct pool *pool, struct wire_reader *r)
{
	struct backend *b;
	struct addr addr;
	char *host;
	uint32_t cell;
	uint8_t use;

	wire_get_addr(r, &addr);
	host = wire_get_string(r, HOST_LEN_MAX);
	cell = wire_get_u32(r);
	if (r->bad || cell >= SCOREBOARD_CELLS || backend_new(pool, &addr, host, cell, &b) < 0) {
		r->bad = true;
		free(host);
		return;
	}
	free(host);
	b->tier = wire_get_u16(r);
	use = wire_get_u8(r);
	if (use > BACKEND_REMOVED)
		r->bad = true;
	else
		b->use = (enum backend_use)use;
	b->was_absent = wire_get_u8(r) != 0;
	b->absent_ns = wire_get_i64(r);
	b->rank = wire_get_u32(r);
	load_latency(&b->latency, r);
	b->is_measured = b->latency.count == ARRAY_SIZE(b->latency.samples_ns);
	b->failed = wire_get_u8(r) != 0;
	b->changed_wall_ns = wire_get_i64(r);
	load_times(b, r);
	b->probes_ok = wire_get_u64(r);
	b->probes_failed = wire_get_u64(r);
	b->before.total = wire_get_u64(r);
	b->before.dials_ok = wire_get_u64(r);
	b->before.dials_failed = wire_get_u64(r);
	b->before.bytes_in = wire_get_u64(r);
	b->before.bytes_out = wire_get_u64(r);
	b->granted = wire_get_u32(r);
	backend_set_stand(b, b->use == BACKEND_ENABLED ? STAND_USED : STAND_QUIET);
}

/* Pools */

static void
save_pool(const struct pool *pool, struct wire_writer *w)
{
	const struct backend *b;

	wire_put_u32(w, pool->id);
	save_settings(pool->settings, w);
	wire_put_u64(w, pool->gone_bytes_in);
	wire_put_u64(w, pool->gone_bytes_out);
	wire_put_u32(w, (uint32_t)pool->backend_count);
	TAILQ_FOREACH(b, &pool->backends, link)
		save_backend(b, w);
}

static void
load_pool(struct pools *p, struct wire_reader *r)
{
	uint32_t count, id = wire_get_u32(r);
	struct pool *pool;

	if (r->bad || id >= SCOREBOARD_FRONTENDS || pools_find(p, id)) {
		r->bad = true;
		return;
	}
	pool = pool_new(p, id);
	if (!pool) {
		r->bad = true;
		return;
	}
	pool->settings = load_settings(r);
	if (!pool->settings) {
		pool_free(pool);
		return;
	}
	pool_set_stand(pool, STAND_QUIET);
	pool->gone_bytes_in = wire_get_u64(r);
	pool->gone_bytes_out = wire_get_u64(r);
	count = wire_get_count(r, BACKEND_WIRE_MIN, SCOREBOARD_CELLS);
	for (uint32_t i = 0; i < count && !r->bad; i++)
		load_backend(pool, r);
}

void
pools_save(const struct pools *p, struct wire_writer *w)
{
	const struct pool *pool;
	uint32_t count = 0;

	wire_put_u32(w, RECORD_VERSION);
	resolver_save(p->resolver, w);
	TAILQ_FOREACH(pool, &p->list, link)
		count++;
	wire_put_u32(w, count);
	TAILQ_FOREACH(pool, &p->list, link)
		save_pool(pool, w);
}

int
pools_load(struct pools *p, struct wire_reader *r)
{
	uint32_t count;

	if (wire_get_u32(r) != RECORD_VERSION || resolver_load(p->resolver, r) < 0)
		return -EBADMSG;
	count = wire_get_count(r, 1, SCOREBOARD_FRONTENDS);
	for (uint32_t i = 0; i < count && !r->bad; i++)
		load_pool(p, r);
	return r->bad ? -EBADMSG : 0;
}
