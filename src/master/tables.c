/* Routing tables: the pools' part, completed by names and by who accepts from which slot, sealed and
 * sent to all workers. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iaido/log.h"
#include "iaido/table.h"

#include "listener.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"

/* Who may be given slots: ready and showing signs of life; before anyone is ready, all. */
static bool
is_fit(const struct worker *w, bool any_ready, bool draining)
{
	if (w->stopped || w->unfit)
		return false;
	return w->state == WORKER_READY || (draining && w->state == WORKER_DRAINING) ||
		(!any_ready && w->state == WORKER_STARTING);
}

/* Everyone's own slots first: all that look silent keep theirs, should there be no sibling. */
static uint32_t
assign_own(const struct master *m, uint32_t *owners, uint32_t slot_count, uint32_t *fit)
{
	const struct supervisor *s = &m->supervisor;
	bool any_ready = supervisor_has_ready(m);
	const struct worker *w;
	uint32_t fit_count = 0, i;

	TAILQ_FOREACH(w, &s->workers, link) {
		if (w->generation != s->generation || w->seat >= s->seat_count)
			continue;
		for (i = w->seat; i < slot_count; i += s->seat_count)
			owners[i] = w->number;
		if (is_fit(w, any_ready, m->shutdown.keep_accepting) && fit_count < s->seat_count)
			fit[fit_count++] = w->number;
	}
	return fit_count;
}

static bool
is_among(uint32_t number, const uint32_t *numbers, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* Which worker accepts from each slot of a frontend. */
static int
assign(const struct master *m, uint32_t *owners, uint32_t slot_count)
{
	uint32_t *fit = calloc(m->supervisor.seat_count + 1, sizeof(*fit));
	uint32_t fit_count, next = 0, i;

	if (!fit)
		return -ENOMEM;
	memset(owners, 0, slot_count * sizeof(*owners));
	fit_count = assign_own(m, owners, slot_count, fit);
	for (i = 0; i < slot_count && fit_count > 0; i++)
		if (!is_among(owners[i], fit, fit_count))
			owners[i] = fit[next++ % fit_count];
	free(fit);
	return 0;
}

static int
complete(const struct master *m, struct table_frontend *f)
{
	const struct listener *l = listeners_find(m->listeners, f->id);

	f->name = strdup(frontend_ids_name(&m->ids, f->id));
	if (!f->name)
		return -ENOMEM;
	if (f->removed || !l || l->slot_count == 0)
		return 0;
	f->slot_owners = calloc(l->slot_count, sizeof(*f->slot_owners));
	if (!f->slot_owners)
		return -ENOMEM;
	f->slot_count = l->slot_count;
	return assign(m, f->slot_owners, f->slot_count);
}

static int
build(struct master *m, int *out)
{
	struct route_table *t;
	uint32_t i;
	int r = pools_build_table(m->pools, &t);

	if (r < 0)
		return r;
	t->number = m->tables.number + 1;
	t->log_connections = m->conf->log.connections;
	for (i = 0; i < t->frontend_count && r == 0; i++)
		r = complete(m, &t->frontends[i]);
	if (r == 0)
		r = table_to_memfd(t);
	table_free(t);
	if (r < 0)
		return r;
	*out = r;
	return 0;
}

int
tables_push(struct master *m)
{
	int fd, r = build(m, &fd);

	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "table.failed", "cannot make a routing table",
			LOG_ERR("error", r));
		return r;
	}
	if (m->tables.fd >= 0)
		close(m->tables.fd);
	m->tables.fd = fd;
	m->tables.number++;
	supervisor_send_table(m);
	pools_table_sent(m->pools, m->tables.number);
	return 0;
}

static void
on_rebuild(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	const struct timeval again = { 1, 0 };

	(void)fd;
	(void)what;
	/* Before an upgrade is settled the one of the program before is in force. */
	if (m->upgrade.mode != UPGRADE_NONE)
		return;
	if (tables_push(m) < 0)
		event_add(m->tables.rebuild, &again);
}

void
tables_want(struct master *m)
{
	static const struct timeval now;

	event_add(m->tables.rebuild, &now);
}

int
tables_init(struct master *m)
{
	m->tables.rebuild = event_new(m->base, -1, 0, on_rebuild, m);
	return m->tables.rebuild ? 0 : -ENOMEM;
}

void
tables_fini(struct master *m)
{
	if (m->tables.rebuild)
		event_free(m->tables.rebuild);
	m->tables.rebuild = NULL;
	if (m->tables.fd >= 0)
		close(m->tables.fd);
	m->tables.fd = -1;
}
