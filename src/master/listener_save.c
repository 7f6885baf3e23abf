/* The listening sockets over an upgrade in place, as a record: descriptors keep their numbers. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "iaido/conf.h"
#include "iaido/scoreboard.h"
#include "iaido/wire.h"

#include "listener.h"

#define NAME_MAX_LEN 512

/* What it names stays open: it is the earlier program's. */
static void
forget(struct listeners *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		l->items[i].slot_count = 0;
	listeners_free(l);
}

void
listeners_save(const struct listeners *l, struct wire_writer *w)
{
	size_t i;
	uint32_t k;

	wire_put_u32(w, (uint32_t)l->count);
	for (i = 0; i < l->count; i++) {
		const struct listener *item = &l->items[i];

		wire_put_u32(w, item->id);
		wire_put_string(w, item->key);
		wire_put_string(w, item->name);
		wire_put_addr(w, &item->addr);
		wire_put_u8(w, item->dual_stack);
		wire_put_u32(w, item->slot_count);
		for (k = 0; k < item->slot_count; k++)
			wire_put_u32(w, (uint32_t)item->fds[k]);
	}
}

static int
load_one(struct wire_reader *r, struct listener *l)
{
	uint32_t k, count;

	l->id = wire_get_u32(r);
	l->key = wire_get_string(r, NAME_MAX_LEN);
	l->name = wire_get_string(r, NAME_MAX_LEN);
	wire_get_addr(r, &l->addr);
	l->dual_stack = wire_get_u8(r) != 0;
	count = wire_get_count(r, 4, CONF_WORKERS_MAX);
	if (r->bad || !l->key || !l->name || l->id >= SCOREBOARD_FRONTENDS)
		return -EBADMSG;
	l->fds = calloc(count + 1, sizeof(*l->fds));
	if (!l->fds)
		return -ENOMEM;
	for (k = 0; k < count; k++) {
		int fd = (int)wire_get_u32(r);

		if (r->bad || fd < 0 || fcntl(fd, F_GETFD) < 0)
			return -EBADMSG;
		l->fds[l->slot_count++] = fd;
	}
	l->kept_count = l->slot_count;
	return 0;
}

int
listeners_load(struct wire_reader *r, struct listeners **out)
{
	struct listeners *l = calloc(1, sizeof(*l));
	uint32_t i, count = wire_get_count(r, 16, CONF_FRONTENDS_MAX);
	int error = 0;

	if (!l)
		return -ENOMEM;
	l->items = calloc(count + 1, sizeof(*l->items));
	if (!l->items)
		error = -ENOMEM;
	for (i = 0; i < count && error == 0; i++) {
		l->count++;
		error = load_one(r, &l->items[i]);
	}
	if (error < 0 || r->bad) {
		forget(l);
		return error < 0 ? error : -EBADMSG;
	}
	*out = l;
	return 0;
}
