/* Frontend ids: a growing list of the addresses ever served; the place in it is the id. Knows nothing
 * of sockets. */
#include "config.h"

#include "frontend_id.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/scoreboard.h"
#include "iaido/wire.h"

#define KEY_MAX 512

void
frontend_ids_fini(struct frontend_ids *f)
{
	uint32_t i;

	for (i = 0; i < f->count; i++) {
		free(f->items[i].key);
		free(f->items[i].name);
	}
	free(f->items);
	*f = (struct frontend_ids){ 0 };
}

static bool
is_among(uint32_t id, const uint32_t *ids, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int
append(struct frontend_ids *f, const char *key, uint32_t *out)
{
	struct frontend_id *grown = realloc(f->items, (f->count + 1) * sizeof(*grown));
	char *copy;

	if (!grown)
		return -ENOMEM;
	f->items = grown;
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	f->items[f->count] = (struct frontend_id){ .key = copy };
	*out = f->count++;
	return 0;
}

/* All ids have been given out: one whose frontend is gone serves again. */
static int
take_over(struct frontend_ids *f, const char *key, const uint32_t *busy, size_t busy_count,
	uint32_t *out)
{
	uint32_t id;
	char *copy;

	for (id = 0; id < f->count && is_among(id, busy, busy_count); id++)
		;
	if (id == f->count)
		return -ENOSPC;
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	free(f->items[id].key);
	free(f->items[id].name);
	f->items[id] = (struct frontend_id){ .key = copy };
	*out = id;
	return 0;
}

int
frontend_ids_find(struct frontend_ids *f, const char *key, const uint32_t *busy, size_t busy_count,
	uint32_t *out)
{
	uint32_t id;

	for (id = 0; id < f->count; id++) {
		if (strcmp(f->items[id].key, key) == 0) {
			*out = id;
			return 0;
		}
	}
	if (f->count < SCOREBOARD_FRONTENDS)
		return append(f, key, out);
	return take_over(f, key, busy, busy_count, out);
}

int
frontend_ids_set_name(struct frontend_ids *f, uint32_t id, const char *name)
{
	char *copy;

	if (f->items[id].name && strcmp(f->items[id].name, name) == 0)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(f->items[id].name);
	f->items[id].name = copy;
	return 0;
}

const char *
frontend_ids_name(const struct frontend_ids *f, uint32_t id)
{
	return id < f->count && f->items[id].name ? f->items[id].name : "?";
}

void
frontend_ids_save(const struct frontend_ids *f, struct wire_writer *w)
{
	uint32_t i;

	wire_put_u32(w, f->count);
	for (i = 0; i < f->count; i++) {
		wire_put_string(w, f->items[i].key);
		wire_put_string(w, f->items[i].name ? f->items[i].name : "");
	}
}

int
frontend_ids_load(struct frontend_ids *f, struct wire_reader *r)
{
	uint32_t i, id, count = wire_get_count(r, 2, SCOREBOARD_FRONTENDS);

	for (i = 0; i < count && !r->bad; i++) {
		char *key = wire_get_string(r, KEY_MAX);
		char *name = wire_get_string(r, KEY_MAX);
		int error = key && name ? append(f, key, &id) : -EBADMSG;

		if (error == 0 && *name != '\0')
			error = frontend_ids_set_name(f, id, name);
		free(key);
		free(name);
		if (error < 0)
			return error;
	}
	return r->bad ? -EBADMSG : 0;
}
