/* Routing tables: the pools' part, completed by names and slots, sealed and sent to all workers. */
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
	return supervisor_assign(m, f->slot_owners, f->slot_count);
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
	supervisor_send_table(m, m->tables.number, fd);
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
