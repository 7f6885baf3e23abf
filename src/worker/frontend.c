/* A worker's view of the frontends: kept over tables, so that connections can point at them. */
#include "config.h"

#include "worker/frontend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct frontend *
frontend_find(struct worker *w, uint32_t id)
{
	size_t low = 0, high = w->frontend_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->frontends[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->frontend_count && w->frontends[low]->id == id ? w->frontends[low] : NULL;
}

const struct table_backend *
frontend_backend(const struct frontend *f, uint32_t cell)
{
	uint32_t index = f->worker->backend_of_cell[cell];

	if (index == 0 || index > f->conf.backend_count || f->conf.backends[index - 1].cell != cell)
		return NULL;
	return &f->conf.backends[index - 1];
}

uint32_t
frontend_limit(const struct frontend *f, uint32_t cell)
{
	const struct table_backend *b = frontend_backend(f, cell);

	if (b == NULL || b->drain)
		return 0;
	return b->limit;
}

static struct frontend *
frontend_new(struct worker *w, uint32_t id)
{
	struct frontend *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->worker = w;
	f->id = id;
	f->share = &w->share->frontends[id];
	TAILQ_INIT(&f->waiting);
	return f;
}

static void
frontend_free(struct frontend *f)
{
	if (f == NULL)
		return;
	picker_fini(&f->picker);
	table_frontend_fini(&f->conf);
	free(f);
}

/* Where each cell stands in the new table; cells that it lacks are left at 0. */
static void
index_cells(struct worker *w, const struct table_frontend *t, bool present)
{
	uint32_t i;

	for (i = 0; i < t->backend_count; i++)
		w->backend_of_cell[t->backends[i].cell] = present ? i + 1 : 0;
}

/* Everything that can fail is made before anything changes. */
struct change {
	struct frontend **frontends;
	struct picker *pickers;
	size_t count;
};

static void
change_fini(struct change *ch, struct worker *w)
{
	size_t i;

	for (i = 0; i < ch->count; i++) {
		picker_fini(&ch->pickers[i]);
		if (ch->frontends[i] != NULL && frontend_find(w, ch->frontends[i]->id) == NULL)
			frontend_free(ch->frontends[i]);
	}
	free(ch->frontends);
	free(ch->pickers);
}

static int
change_init(struct change *ch, struct worker *w, const struct route_table *t)
{
	size_t i;

	memset(ch, 0, sizeof(*ch));
	ch->frontends = calloc(
		t->frontend_count + w->frontend_count + 1, sizeof(struct frontend *));
	ch->pickers = calloc(t->frontend_count + 1, sizeof(struct picker));
	if (ch->frontends == NULL || ch->pickers == NULL)
		return -ENOMEM;
	for (i = 0; i < t->frontend_count; i++) {
		const struct table_frontend *tf = &t->frontends[i];

		ch->frontends[i] = frontend_find(w, tf->id);
		if (ch->frontends[i] == NULL)
			ch->frontends[i] = frontend_new(w, tf->id);
		ch->count = i + 1;
		if (ch->frontends[i] == NULL || picker_init(&ch->pickers[i], tf, &w->rng) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct frontend *fa = *(struct frontend *const *)a;
	const struct frontend *fb = *(struct frontend *const *)b;

	return fa->id < fb->id ? -1 : fa->id > fb->id;
}

/* Frontends that the table lacks stay, as removed, while connections point at them. */
static void
keep_or_free_missing(struct worker *w, const struct route_table *t, struct change *ch)
{
	size_t i;

	for (i = 0; i < w->frontend_count; i++) {
		struct frontend *f = w->frontends[i];

		if (table_find_frontend(t, f->id) != NULL)
			continue;
		index_cells(w, &f->conf, false);
		if (f->conn_count == 0) {
			frontend_free(f);
			continue;
		}
		f->conf.removed = true;
		picker_fini(&f->picker);
		memset(&f->picker, 0, sizeof(f->picker));
		ch->frontends[ch->count++] = f;
	}
}

int
frontends_apply(struct worker *w, struct route_table *t)
{
	struct change ch;
	size_t i, in_table = t->frontend_count;
	int r;

	r = change_init(&ch, w, t);
	if (r < 0) {
		change_fini(&ch, w);
		return r;
	}
	for (i = 0; i < w->frontend_count; i++)
		index_cells(w, &w->frontends[i]->conf, false);
	keep_or_free_missing(w, t, &ch);
	for (i = 0; i < in_table; i++) {
		struct frontend *f = ch.frontends[i];

		picker_fini(&f->picker);
		f->picker = ch.pickers[i];
		table_frontend_fini(&f->conf);
		f->conf = t->frontends[i];
		memset(&t->frontends[i], 0, sizeof(t->frontends[i]));
		index_cells(w, &f->conf, true);
	}
	qsort(ch.frontends, ch.count, sizeof(struct frontend *), by_id);
	free(w->frontends);
	free(ch.pickers);
	w->frontends = ch.frontends;
	w->frontend_count = ch.count;
	w->log_connections = t->log_connections;
	w->table_number = t->number;
	table_free(t);
	return 0;
}

void
frontends_free(struct worker *w)
{
	size_t i;

	for (i = 0; i < w->frontend_count; i++)
		frontend_free(w->frontends[i]);
	free(w->frontends);
	w->frontends = NULL;
	w->frontend_count = 0;
}
