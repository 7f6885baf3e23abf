/* Frees a snapshot; who fills and who renders it lives elsewhere. */
#include "config.h"

#include "iaido/snapshot.h"

#include <stdlib.h>
#include <string.h>

static void
frontend_fini(struct snapshot_frontend *f)
{
	for (size_t i = 0; i < f->backend_count; i++) {
		free(f->backends[i].address);
		free(f->backends[i].host);
	}
	free(f->backends);
	free(f->bind_address);
}

static void
name_fini(struct snapshot_name *n)
{
	for (size_t i = 0; i < n->address_count; i++)
		free(n->addresses[i]);
	free(n->addresses);
	free(n->host);
	free(n->last_error);
}

void
snapshot_fini(struct snapshot *s)
{
	for (size_t i = 0; i < s->frontend_count; i++)
		frontend_fini(&s->frontends[i]);
	for (size_t i = 0; i < s->name_count; i++)
		name_fini(&s->names[i]);
	free(s->frontends);
	free(s->names);
	free(s->workers);
	free(s->config_path);
	free(s->reload_error);
	memset(s, 0, sizeof(*s));
}
