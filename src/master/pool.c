/* The pools as a whole: takes configurations over, and turns the loop's events (timers, answers of
 * the resolver) into the steps of the other parts. Owns the pools, the resolver and the prober. */
#include "config.h"

#include "pool.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/shed.h"
#include "pool_priv.h"

#define TICK_NS (5 * NSEC_PER_MSEC)
#define PROMOTE_STEP_NS (100 * NSEC_PER_MSEC)
/* The more backends there are to go through, the longer is waited for more names to change. */
#define FIND_DELAY_EACH_NS (10 * NSEC_PER_USEC)

struct pool *
pools_find(const struct pools *p, uint32_t id)
{
	struct pool *pool;

	TAILQ_FOREACH(pool, &p->list, link)
		if (pool->id == id)
			return pool;
	return NULL;
}

struct pool *
pool_new(struct pools *p, uint32_t id)
{
	struct pool *pool = calloc(1, sizeof(*pool)), *after;

	if (!pool)
		return NULL;
	pool->promote = promote_state_new();
	if (!pool->promote) {
		free(pool);
		return NULL;
	}
	pool->pools = p;
	pool->id = id;
	TAILQ_INIT(&pool->backends);
	TAILQ_INIT(&pool->departed);
	TAILQ_FOREACH(after, &p->list, link)
		if (after->id > id)
			break;
	if (after)
		TAILQ_INSERT_BEFORE(after, pool, link);
	else
		TAILQ_INSERT_TAIL(&p->list, pool, link);
	return pool;
}

void
pool_free(struct pool *pool)
{
	struct backend *b;

	while ((b = TAILQ_FIRST(&pool->backends)))
		backend_free(b);
	pool_forget_departed(pool, NEVER_NS);
	TAILQ_REMOVE(&pool->pools->list, pool, link);
	pool_settings_free(pool->settings);
	pool_settings_free(pool->next);
	promote_state_free(pool->promote);
	free(pool);
}

void
pools_changed(struct pools *p)
{
	p->owner.changed(p->owner.arg);
}

void
pools_take_shares(struct pools *p)
{
	p->share_count = p->owner.shares(p->owner.arg, p->shares, POOL_SHARES_MAX);
}

void
timer_set_ns(struct event *timer, int64_t wait_ns)
{
	struct timeval tv;

	if (wait_ns < 0)
		wait_ns = 0;
	tv.tv_sec = wait_ns / NSEC_PER_SEC;
	tv.tv_usec = wait_ns % NSEC_PER_SEC / NSEC_PER_USEC;
	(void)evtimer_add(timer, &tv);
}

/* Writes the hosts of a pool's targets to `out` (NULL: only counts them). Returns how many. */
static size_t
list_hosts(const struct pool_conf *c, const char **out)
{
	size_t count = 0;

	for (size_t t = 0; t < c->tier_count; t++)
		for (size_t g = 0; g < c->tiers[t].target_count; g++)
			for (size_t h = 0; h < c->tiers[t].targets[g].host_count; h++, count++)
				if (out)
					out[count] = c->tiers[t].targets[g].hosts[h];
	return count;
}

bool
pool_names_host(const struct pool *pool, const char *host, uint16_t port)
{
	const struct pool_conf *c = pool->conf ? &pool->conf->pool : NULL;

	for (size_t t = 0; c && t < c->tier_count; t++)
		for (size_t g = 0; g < c->tiers[t].target_count; g++) {
			const struct target_conf *target = &c->tiers[t].targets[g];

			for (size_t h = 0; h < target->host_count; h++)
				if ((port == 0 || port == target->port) &&
					strcmp(target->hosts[h], host) == 0)
					return true;
		}
	return false;
}

/* The loop's events */

void
pools_set_timer(struct pools *p)
{
	int64_t next_ns = wheel_next_ns(&p->wheel);

	if (next_ns == INT64_MAX)
		(void)evtimer_del(p->timer);
	else
		timer_set_ns(p->timer, next_ns - clock_now_ns());
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pools *p = arg;
	int64_t now_ns = clock_now_ns();
	struct wheel_entry *e;

	(void)fd;
	(void)what;
	pools_take_shares(p);
	while ((e = wheel_expire(&p->wheel, now_ns)))
		backend_step(CONTAINER_OF(e, struct backend, due), now_ns);
	pools_set_timer(p);
}

static void
find_backends(struct pools *p)
{
	int64_t now_ns = clock_now_ns();
	struct pool *pool;

	pools_take_shares(p);
	TAILQ_FOREACH(pool, &p->list, link)
		if (pool->is_dirty)
			pool_find_backends(pool, now_ns);
	pools_set_timer(p);
}

static void
on_find(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	find_backends(arg);
}

static void
on_name_changed(void *arg, const char *host)
{
	struct pools *p = arg;
	struct pool *pool;

	TAILQ_FOREACH(pool, &p->list, link)
		if (!pool->is_dirty && pool_names_host(pool, host, 0))
			pool->is_dirty = true;
	if (!evtimer_pending(p->find, NULL))
		timer_set_ns(p->find, (int64_t)p->cell_bound * FIND_DELAY_EACH_NS);
}

static void
on_rank(evutil_socket_t fd, short what, void *arg)
{
	struct pools *p = arg;

	(void)fd;
	(void)what;
	if (pools_rank(p) < 0)
		timer_set_ns(p->rank, NSEC_PER_SEC);
	pools_changed(p);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct pools *p = arg;

	(void)fd;
	(void)what;
	pools_take_shares(p);
	pools_sweep_failures(p, clock_now_ns());
	pools_sweep(p, clock_now_ns());
	pools_set_timer(p);
	find_backends(p);
}

static void
on_promote(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pools_promote(arg, clock_now_ns());
}

/* Starts or ends the steps, as the configuration asks. */
static void
watch_promotion(struct pools *p)
{
	const struct timeval step = { .tv_usec = PROMOTE_STEP_NS / NSEC_PER_USEC };
	const struct pool *pool;
	bool wanted = false;

	TAILQ_FOREACH(pool, &p->list, link)
		wanted = wanted || (pool->conf && pool->settings->promotes);
	if (wanted && !evtimer_pending(p->promote, NULL))
		(void)event_add(p->promote, &step);
	else if (!wanted && evtimer_pending(p->promote, NULL)) {
		pools_promote(p, clock_now_ns()); /* takes back what was granted */
		(void)event_del(p->promote);
	}
}

/* Configurations */

/* Everything that can fail, for all frontends; nothing is used yet. */
static int
prepare_pools(struct pools *p, const struct conf *conf, const uint32_t *ids)
{
	for (size_t i = 0; i < conf->frontend_count; i++) {
		const struct frontend_conf *f = &conf->frontends[i];
		struct pool *pool = pools_find(p, ids[i]);
		const char *title = f->bind_address;
		int r;

		if (!pool)
			pool = pool_new(p, ids[i]);
		if (!pool)
			return -ENOMEM;
		if (p->owner.name)
			title = p->owner.name(p->owner.arg, ids[i]);
		r = pool_settings_new(f, title, &pool->next);
		if (r < 0)
			return r;
		pool->next_conf = f;
	}
	return 0;
}

static void
undo_pools(struct pools *p)
{
	struct pool *pool, *next;

	for (pool = TAILQ_FIRST(&p->list); pool; pool = next) {
		next = TAILQ_NEXT(pool, link);
		pool_settings_free(pool->next);
		pool->next = NULL;
		pool->next_conf = NULL;
		if (!pool->settings && TAILQ_EMPTY(&pool->backends))
			pool_free(pool);
	}
}

static int
configure_resolver(struct pools *p, const struct conf *conf)
{
	size_t count = 0;
	const char **hosts;
	int r;

	for (size_t i = 0; i < conf->frontend_count; i++)
		count += list_hosts(&conf->frontends[i].pool, NULL);
	hosts = calloc(count + 1, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < conf->frontend_count; i++)
		count += list_hosts(&conf->frontends[i].pool, hosts + count);
	r = resolver_configure(p->resolver, &conf->resolver);
	if (r == 0) {
		r = resolver_set_names(p->resolver, hosts, count);
		/* Back to the former servers; without memory even for that, the new ones stay. */
		if (r < 0 && p->conf && resolver_configure(p->resolver, &p->conf->resolver) < 0)
			r = -ENOMEM;
	}
	free(hosts);
	return r;
}

static void
commit_pool(struct pool *pool)
{
	struct pool_settings *former = pool->settings;

	pool->conf = pool->next_conf;
	pool->next_conf = NULL;
	if (pool->next) {
		pool->settings = pool->next;
		pool->next = NULL;
		pool_settings_free(former);
	}
	pool_set_stand(pool, pool->conf ? STAND_USED : STAND_QUIET);
	pool->is_dirty = true;
	pool_set_unranked(pool);
}

int
pools_configure(struct pools *p, const struct conf *conf, const uint32_t *ids)
{
	struct pool *pool;
	int r = prepare_pools(p, conf, ids);

	if (r == 0)
		r = configure_resolver(p, conf);
	if (r < 0) {
		undo_pools(p);
		return r;
	}
	p->conf = conf;
	p->log_connections = conf->log.connections;
	TAILQ_FOREACH(pool, &p->list, link)
		commit_pool(pool);
	find_backends(p);
	TAILQ_FOREACH(pool, &p->list, link) {
		struct backend *b;

		/* Bucket, periods and tiers may be others. */
		TAILQ_FOREACH(b, &pool->backends, link)
			backend_watch(b, clock_now_ns());
	}
	watch_promotion(p);
	pools_set_timer(p);
	pools_changed(p);
	return 0;
}

/* The whole */

static int
make_events(struct pools *p)
{
	const struct timeval second = { .tv_sec = 1 };

	p->timer = evtimer_new(p->base, on_timer, p);
	p->find = evtimer_new(p->base, on_find, p);
	p->rank = evtimer_new(p->base, on_rank, p);
	p->sweep = event_new(p->base, -1, EV_PERSIST, on_sweep, p);
	p->promote = event_new(p->base, -1, EV_PERSIST, on_promote, p);
	if (!p->timer || !p->find || !p->rank || !p->sweep || !p->promote)
		return -ENOMEM;
	return event_add(p->sweep, &second) < 0 ? -ENOMEM : 0;
}

int
pools_new(struct event_base *base, struct scoreboard *board, const struct pools_owner *owner,
	struct pools **out)
{
	struct pools *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->base = base;
	p->board = board;
	p->owner = *owner;
	rng_seed(&p->rng);
	TAILQ_INIT(&p->list);
	wheel_init(&p->wheel, TICK_NS, clock_now_ns());
	r = make_events(p);
	if (r == 0)
		r = resolver_new(base, on_name_changed, p, &p->resolver);
	if (r == 0)
		r = prober_new(base, &p->prober);
	if (r < 0) {
		pools_free(p);
		return r;
	}
	*out = p;
	return 0;
}

void
pools_free(struct pools *p)
{
	struct event **events[] = { &p->timer, &p->find, &p->rank, &p->sweep, &p->promote };
	struct pool *pool;

	if (!p)
		return;
	p->is_closing = true;
	while ((pool = TAILQ_FIRST(&p->list)))
		pool_free(pool);
	prober_free(p->prober);
	resolver_free(p->resolver);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (*events[i])
			event_free(*events[i]);
	free(p);
}

void
pools_dial_failed(struct pools *p, uint32_t cell, int error)
{
	struct backend *b = cell < SCOREBOARD_CELLS ? p->cells[cell] : NULL;

	/* Without the flag it is old news: the backend has answered since. */
	if (!b || !(atomic_load(&p->board->words[cell]) & PLACE_FAILED))
		return;
	backend_fail(b, error, clock_now_ns());
	pools_set_timer(p);
}

uint32_t
pools_cell_bound(const struct pools *p)
{
	return p->cell_bound;
}
