/* How backends are: probes at their times, real dials taken as samples, failures and recoveries.
 * The failed flag itself is the scoreboard's, for all workers at once; here is what it was set
 * for and when it ends. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "iaido/clock.h"
#include "iaido/log.h"
#include "pool_priv.h"

/* After a fault of this host. */
#define PROBE_AGAIN_NS NSEC_PER_SEC
/* Between the first probes of a backend, and between those of a round that contradicts. */
#define PROBE_FIRST_NS (200 * NSEC_PER_MSEC)
#define PROBE_DOUBT_NS (50 * NSEC_PER_MSEC)
/* A dial that took so long may have lost its first segment: no sample. */
#define DIAL_SAMPLE_MAX_US 900000

static int64_t
add_ns(int64_t a, int64_t b)
{
	return b > INT64_MAX - a ? NEVER_NS : a + b;
}

static int64_t
failure_ns(const struct backend *b)
{
	return b->pool->settings->frontend.tiers[backend_tier(b)].dial_failure_timeout_ns;
}

void
backend_set_due(struct backend *b)
{
	struct wheel *w = &b->pool->pools->wheel;
	int64_t due_ns = b->probe_ns;

	if (b->restore_ns < due_ns)
		due_ns = b->restore_ns;
	if (b->absent_ns < due_ns)
		due_ns = b->absent_ns;
	if (due_ns == NEVER_NS)
		wheel_clear(w, &b->due);
	else
		wheel_set(w, &b->due, due_ns);
}

/* A period a tenth more or less, drawn anew each time, and the first one anything from half of it on:
 * so that neither backends nor the sidecars of a fleet are probed in step. */
static int64_t
next_round_ns(const struct backend *b, int64_t now_ns)
{
	int64_t period_ns = b->pool->settings->rebalance_ns, low_ns = period_ns - period_ns / 10;

	if (b->probes_ok <= POOL_ROUND_MAX)
		low_ns = period_ns / 2;
	return add_ns(now_ns,
		rng_between(&b->pool->pools->rng, low_ns, add_ns(period_ns, period_ns / 10)));
}

/* Another probe of the same round. */
static int64_t
next_of_round_ns(const struct backend *b, int64_t now_ns)
{
	int64_t wait_ns = b->is_measured ? PROBE_DOUBT_NS : PROBE_FIRST_NS;

	if (wait_ns > b->pool->settings->rebalance_ns)
		wait_ns = b->pool->settings->rebalance_ns;
	return now_ns + rng_between(&b->pool->pools->rng, wait_ns / 2, wait_ns);
}

/* Never early: so long it is not used. */
static int64_t
next_try_ns(const struct backend *b, int64_t now_ns)
{
	int64_t period_ns = failure_ns(b);

	return add_ns(now_ns,
		rng_between(&b->pool->pools->rng, period_ns, add_ns(period_ns, period_ns / 10)));
}

static void
log_state(const struct backend *b, int error)
{
	char text[ADDR_TEXT_MAX];
	const char *address = addr_format(&b->addr, text);

	if (error != 0)
		log_event(LOG_LEVEL_WARN, "backend.failed", "backend has failed",
			LOG_STR("frontend", pool_title(b->pool)), LOG_STR("backend", address),
			LOG_STR("host", b->host), LOG_ERR("error", error));
	else
		log_event(LOG_LEVEL_INFO, "backend.up", "backend is up again",
			LOG_STR("frontend", pool_title(b->pool)), LOG_STR("backend", address),
			LOG_STR("host", b->host));
}

static void
cancel_probe(struct backend *b)
{
	if (b->probe)
		probe_cancel(b->probe);
	b->probe = NULL;
}

void
backend_fail(struct backend *b, int error, int64_t now_ns)
{
	struct pools *p = b->pool->pools;
	bool was_failed = b->failed;

	(void)place_fail(p->board, b->cell, error, now_ns);
	b->failed = true;
	b->since_ns = now_ns;
	b->round_count = 0;
	cancel_probe(b); /* begun before the failure, its answer would be older news */
	if (!pool_probes(b->pool))
		b->restore_ns = add_ns(now_ns, failure_ns(b));
	else if (b->use == BACKEND_ENABLED)
		b->probe_ns = next_try_ns(b, now_ns);
	backend_set_due(b);
	if (!was_failed) {
		b->changed_wall_ns = clock_wall_ns();
		log_state(b, error != 0 ? error : EIO);
		resolver_refresh(p->resolver, b->host);
	}
}

static void
restore(struct backend *b)
{
	b->failed = false;
	b->restore_ns = NEVER_NS;
	b->changed_wall_ns = clock_wall_ns();
	place_restore(b->pool->pools->board, b->cell);
	log_state(b, 0);
}

/* Probes */

static void
warn_of_local_fault(struct pools *p, int error, int64_t now_ns)
{
	uint64_t left_out;

	if (log_limit_allow(&p->local_faults, now_ns, &left_out))
		log_event(LOG_LEVEL_WARN, "probe.local",
			"a fault of this host: a backend could not be probed",
			LOG_ERR("error", error), LOG_INT("leftOut", left_out));
}

static void
on_probed(void *arg, int error, bool local, int64_t latency_ns)
{
	struct backend *b = arg;
	int64_t now_ns = clock_now_ns();
	bool was_failed = b->failed;

	b->probe = NULL;
	if (local) {
		warn_of_local_fault(b->pool->pools, error, now_ns);
		b->probe_ns = now_ns + PROBE_AGAIN_NS;
	} else if (error != 0) {
		b->probes_failed++;
		backend_fail(b, error, now_ns);
		/* From one's start to the next one's: its silence has lasted long enough. */
		if (was_failed && b->probe_ns != NEVER_NS)
			b->probe_ns -= now_ns - b->probed_ns;
	} else {
		b->probes_ok++;
		if (latency_ns > 0 && backend_measure(b, latency_ns))
			b->probe_ns = next_round_ns(b, now_ns);
		else
			b->probe_ns = next_of_round_ns(b, now_ns);
		if (b->failed)
			restore(b);
	}
	backend_set_due(b);
	pools_set_timer(b->pool->pools);
}

/* The quickest of the workers' last dials within the last round, or 0: a busy worker makes it look
 * slower, never quicker. */
static int64_t
find_dial_ns(const struct backend *b, int64_t now_ns)
{
	const struct pools *p = b->pool->pools;
	int64_t from_ns = now_ns - b->pool->settings->rebalance_ns;
	uint32_t best_us = 0;

	if (from_ns < b->since_ns)
		from_ns = b->since_ns;
	for (size_t i = 0; i < p->share_count; i++) {
		const struct share_cell *c = &p->shares[i]->cells[b->cell];
		int64_t at_ns = SHARE_GET(c->last_dial_ns);
		uint32_t us = SHARE_GET(c->last_dial_us);

		if (at_ns > from_ns && at_ns <= now_ns && us > 0 && (best_us == 0 || us < best_us))
			best_us = us;
	}
	return best_us < DIAL_SAMPLE_MAX_US ? best_us * NSEC_PER_USEC : 0;
}

/* Real dials have told what a probe would: the backend answers, and as quickly as it is held to.
 * (What contradicts is looked into by a probe of our own.) */
static bool
is_told_by_dials(struct backend *b, int64_t now_ns)
{
	int64_t dial_ns, apart_ns, held_ns = b->latency.held_ns;

	if (b->failed || !b->is_measured || b->round_count > 0)
		return false;
	dial_ns = find_dial_ns(b, now_ns);
	apart_ns = dial_ns > held_ns ? dial_ns - held_ns : held_ns - dial_ns;
	if (dial_ns == 0 || apart_ns > b->pool->settings->bucket_ns / 2)
		return false;
	b->since_ns = now_ns; /* each dial is told once */
	backend_take_sample(b, dial_ns);
	return true;
}

static void
probe(struct backend *b, int64_t now_ns)
{
	struct pool *pool = b->pool;
	uint32_t tier = backend_tier(b);

	if (is_told_by_dials(b, now_ns)) {
		b->probe_ns = next_round_ns(b, now_ns);
		return;
	}
	b->probe_ns = NEVER_NS;
	b->probed_ns = now_ns;
	b->probe = prober_start(pool->pools->prober, &b->addr, b->failed,
		pool->settings->frontend.tiers[tier].dial_timeout_ns, on_probed, b);
	if (!b->probe)
		b->probe_ns = now_ns + PROBE_AGAIN_NS;
}

/* Times */

void
backend_watch(struct backend *b, int64_t now_ns)
{
	int64_t latest_ns;

	if (!pool_probes(b->pool) || b->use != BACKEND_ENABLED) {
		cancel_probe(b);
		b->probe_ns = NEVER_NS;
	} else if (!b->probe) {
		latest_ns = b->failed ? next_try_ns(b, now_ns) : next_round_ns(b, now_ns);
		if (b->probe_ns == NEVER_NS)
			b->probe_ns = now_ns;
		else if (b->probe_ns > latest_ns)
			b->probe_ns = latest_ns;
	}
	if (pool_probes(b->pool))
		b->restore_ns = NEVER_NS;
	else if (b->failed && b->restore_ns == NEVER_NS)
		b->restore_ns = add_ns(now_ns, failure_ns(b));
	backend_set_due(b);
}

void
backend_step(struct backend *b, int64_t now_ns)
{
	if (now_ns >= b->probe_ns)
		probe(b, now_ns);
	if (now_ns >= b->restore_ns)
		restore(b);
	if (now_ns >= b->absent_ns)
		backend_end_absence(b);
	backend_set_due(b);
}

/* A worker found it slow to answer: a probe tells, whatever dials told before. */
static void
look_into_suspicion(struct backend *b, int64_t now_ns)
{
	if (b->failed || b->probe || b->use != BACKEND_ENABLED || !pool_probes(b->pool))
		return;
	b->since_ns = now_ns;
	b->probe_ns = now_ns;
	backend_set_due(b);
}

void
pools_sweep_failures(struct pools *p, int64_t now_ns)
{
	for (uint32_t cell = 0; cell < p->cell_bound; cell++) {
		struct backend *b = p->cells[cell];
		uint64_t word;
		bool flagged;

		if (!b)
			continue;
		word = atomic_load(&p->board->words[cell]);
		flagged = (word & PLACE_FAILED) != 0;
		if (PLACE_SUSPECTS(word) > 0)
			look_into_suspicion(b, now_ns);
		if (flagged && !b->failed)
			backend_fail(b, atomic_load(&p->board->cells[cell].last_error), now_ns);
		else if (!flagged && b->failed)
			(void)place_fail(p->board, cell,
				atomic_load(&p->board->cells[cell].last_error), now_ns);
	}
}
