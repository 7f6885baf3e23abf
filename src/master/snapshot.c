/* Fills the snapshot that diagnostics render: what the master knows itself, what the pools add, and
 * sums over the workers' shares. */
#include "config.h"

#include "iaido/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/version.h"

#include "listener.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"

static void
add_share(struct snapshot_frontend *f, const struct share_frontend *s)
{
	size_t i, k;

	f->total += SHARE_GET(s->total);
	f->waiting += SHARE_GET(s->waiting);
	f->accept_pauses += SHARE_GET(s->accept_pauses);
	for (i = 0; i < ENDED_BY_COUNT; i++)
		for (k = 0; k < ENDED_REASON_COUNT; k++)
			f->ended[i][k] += SHARE_GET(s->ended[i][k]);
	for (i = 0; i < DIAL_BUCKETS; i++)
		f->dial_us[i] += SHARE_GET(s->dial_us[i]);
	f->dial_us_sum += SHARE_GET(s->dial_us_sum);
	for (i = 0; i < DURATION_BUCKETS; i++)
		f->duration_us[i] += SHARE_GET(s->duration_us[i]);
	f->duration_us_sum += SHARE_GET(s->duration_us_sum);
}

static bool
is_accepting(const struct master *m, const struct listener *l)
{
	const struct supervisor *s = &m->supervisor;
	const struct worker *w;

	if (!l || l->slot_count == 0)
		return false;
	TAILQ_FOREACH(w, &s->workers, link)
		if (w->generation == s->generation && w->state == WORKER_READY && !w->stopped &&
			SHARE_GET(w->share.head->paused_since_ns) == 0)
			return true;
	return m->shutdown.keep_accepting;
}

static int
fill_frontend(const struct master *m, uint32_t id, struct snapshot_frontend *f)
{
	const struct listener *l = listeners_find(m->listeners, id);
	const struct worker *w;

	f->bind_address = strdup(frontend_ids_name(&m->ids, id));
	if (!f->bind_address)
		return -ENOMEM;
	f->removed = !l;
	f->accepting = is_accepting(m, l);
	f->active = atomic_load_explicit(&m->board.frontends[id].active, memory_order_relaxed);
	add_share(f, &m->supervisor.total.frontends[id]);
	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		add_share(f, &w->share.frontends[id]);
	if (l) {
		f->waiting += listener_waiting(l);
		f->queue_drops = listener_drops(l);
	}
	return 0;
}

/* Those in the file in its order, then those that only have connections left. */
static uint32_t *
collect_ids(const struct master *m, size_t *count)
{
	size_t n = m->listeners->count, i;
	uint32_t *ids = calloc(n + SCOREBOARD_FRONTENDS, sizeof(*ids));

	if (!ids)
		return NULL;
	for (i = 0; i < n; i++)
		ids[i] = m->listeners->items[i].id;
	*count = n + pools_removed(m->pools, ids + n, SCOREBOARD_FRONTENDS);
	return ids;
}

static int
fill_frontends(struct master *m, struct snapshot *out)
{
	size_t count = 0, i;
	uint32_t *ids = collect_ids(m, &count);
	int r = ids ? 0 : -ENOMEM;

	if (r == 0) {
		out->frontends = calloc(count + 1, sizeof(*out->frontends));
		if (!out->frontends)
			r = -ENOMEM;
	}
	for (i = 0; i < count && r == 0; i++) {
		out->frontend_count++;
		r = fill_frontend(m, ids[i], &out->frontends[i]);
	}
	if (r == 0)
		r = pools_snapshot(m->pools, out, ids);
	free(ids);
	return r;
}

static int
fill_workers(const struct master *m, struct snapshot *out)
{
	const struct worker *w;
	size_t n = 0;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		n++;
	out->workers = calloc(n + 1, sizeof(*out->workers));
	if (!out->workers)
		return -ENOMEM;
	TAILQ_FOREACH(w, &m->supervisor.workers, link) {
		struct snapshot_worker *s = &out->workers[out->worker_count++];

		s->pid = w->pid;
		s->generation = w->generation;
		s->state = w->stopped ? WORKER_DRAINING : w->state;
		s->connections = supervisor_connections(w);
	}
	return 0;
}

static int
fill_config(const struct master *m, struct snapshot *out)
{
	const struct reload *r = &m->reload;

	out->config_path = strdup(m->config_path);
	out->reload_error = r->error ? strdup(r->error) : NULL;
	if (!out->config_path || (r->error && !out->reload_error))
		return -ENOMEM;
	out->loaded_wall_ns = r->loaded_wall_ns;
	out->reload_wall_ns = r->tried_wall_ns;
	out->reload_ok = r->ok;
	out->reload_success_wall_ns = r->succeeded_wall_ns;
	out->reloads_ok = r->succeeded_count;
	out->reloads_failed = r->failed_count;
	return 0;
}

int
snapshot_take(void *arg, struct snapshot *out)
{
	struct master *m = arg;
	int r;

	*out = (struct snapshot){
		.version = version_string(),
		.pid = getpid(),
		.started_wall_ns = m->started_wall_ns,
		.now_wall_ns = clock_wall_ns(),
		.uptime_ns = clock_now_ns() - m->started_ns,
		.generation = m->supervisor.generation,
		.worker_restarts = m->supervisor.restarts,
		.pipe_shortages = supervisor_pipe_shortages(m),
		.listening = !m->shutdown.under_way || m->shutdown.keep_accepting,
		.workers_ready = supervisor_has_ready(m),
		.shutting_down = m->shutdown.under_way,
	};
	r = fill_config(m, out);
	if (r == 0)
		r = fill_workers(m, out);
	if (r == 0)
		r = fill_frontends(m, out);
	if (r < 0)
		snapshot_fini(out);
	return r;
}
