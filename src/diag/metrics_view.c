/* Two frontends can have one address for a while (one was removed and came back before its last
 * connection ended), and so can two backends; as series they are one, or a scrape would fail. */
#include "config.h"

#include "metrics_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
compare_frontends(const void *a, const void *b)
{
	const struct snapshot_frontend *fa = a, *fb = b;

	return strcmp(fa->bind_address, fb->bind_address);
}

static int
compare_backends(const void *a, const void *b)
{
	const struct metrics_backend *ba = a, *bb = b;
	int r = strcmp(ba->frontend, bb->frontend);

	return r != 0 ? r : strcmp(ba->sum.address, bb->sum.address);
}

static void
add_frontend(struct snapshot_frontend *to, const struct snapshot_frontend *f)
{
	to->accepting = to->accepting || f->accepting;
	to->active += f->active;
	to->total += f->total;
	to->waiting += f->waiting;
	to->accept_pauses += f->accept_pauses;
	to->queue_drops += f->queue_drops;
	to->bytes_in += f->bytes_in;
	to->bytes_out += f->bytes_out;
	to->dial_us_sum += f->dial_us_sum;
	to->duration_us_sum += f->duration_us_sum;
	for (unsigned by = 0; by < ENDED_BY_COUNT; by++)
		for (unsigned why = 0; why < ENDED_REASON_COUNT; why++)
			to->ended[by][why] += f->ended[by][why];
	for (unsigned i = 0; i < DIAL_BUCKETS; i++)
		to->dial_us[i] += f->dial_us[i];
	for (unsigned i = 0; i < DURATION_BUCKETS; i++)
		to->duration_us[i] += f->duration_us[i];
}

/* What describes a backend comes from the one that is in use rather than from one on its way out. */
static void
add_backend(struct snapshot_backend *to, const struct snapshot_backend *b)
{
	struct snapshot_backend sum = b->state < to->state ? *b : *to;

	sum.active = to->active + b->active;
	sum.total = to->total + b->total;
	sum.dials_ok = to->dials_ok + b->dials_ok;
	sum.dials_failed = to->dials_failed + b->dials_failed;
	sum.probes_ok = to->probes_ok + b->probes_ok;
	sum.probes_failed = to->probes_failed + b->probes_failed;
	sum.bytes_in = to->bytes_in + b->bytes_in;
	sum.bytes_out = to->bytes_out + b->bytes_out;
	*to = sum;
}

static void
merge_frontends(struct metrics_view *v)
{
	size_t kept = 0;

	qsort(v->frontends, v->frontend_count, sizeof(*v->frontends), compare_frontends);
	for (size_t i = 0; i < v->frontend_count; i++) {
		if (kept > 0 && compare_frontends(&v->frontends[kept - 1], &v->frontends[i]) == 0)
			add_frontend(&v->frontends[kept - 1], &v->frontends[i]);
		else
			v->frontends[kept++] = v->frontends[i];
	}
	v->frontend_count = kept;
}

static void
merge_backends(struct metrics_view *v)
{
	size_t kept = 0;

	qsort(v->backends, v->backend_count, sizeof(*v->backends), compare_backends);
	for (size_t i = 0; i < v->backend_count; i++) {
		if (kept > 0 && compare_backends(&v->backends[kept - 1], &v->backends[i]) == 0)
			add_backend(&v->backends[kept - 1].sum, &v->backends[i].sum);
		else
			v->backends[kept++] = v->backends[i];
	}
	v->backend_count = kept;
}

/* Those that are there come first; those that are gone only fill what room is left. */
static void
take_backends(struct metrics_view *v, const struct snapshot *s, bool gone)
{
	for (size_t i = 0; i < s->frontend_count; i++) {
		const struct snapshot_frontend *f = &s->frontends[i];

		for (size_t j = 0; j < f->backend_count; j++) {
			if ((f->backends[j].state == BACKEND_STATE_GONE) != gone)
				continue;
			if (v->backend_count == METRICS_BACKENDS_MAX) {
				v->omitted++;
				continue;
			}
			v->backends[v->backend_count++] = (struct metrics_backend){
				.frontend = f->bind_address,
				.sum = f->backends[j],
			};
		}
	}
}

int
metrics_view_init(struct metrics_view *v, const struct snapshot *s)
{
	*v = (struct metrics_view){ 0 };
	v->frontends = calloc(s->frontend_count + 1, sizeof(*v->frontends));
	v->backends = calloc(METRICS_BACKENDS_MAX, sizeof(*v->backends));
	if (!v->frontends || !v->backends) {
		metrics_view_fini(v);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->frontend_count; i++)
		v->frontends[v->frontend_count++] = s->frontends[i];
	merge_frontends(v);
	take_backends(v, s, false);
	if (v->omitted > 0) {
		/* None rather than some: a sum over a part would look like the whole. */
		v->omitted += v->backend_count;
		v->backend_count = 0;
		return 0;
	}
	take_backends(v, s, true);
	merge_backends(v);
	return 0;
}

void
metrics_view_fini(struct metrics_view *v)
{
	free(v->frontends);
	free(v->backends);
	text_fini(&v->labels);
	*v = (struct metrics_view){ 0 };
}
