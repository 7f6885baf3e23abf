/* Which scoreboard index a frontend has: remembered for every address ever served, so that counters
 * go on when one leaves the file and comes back. */
#ifndef IAIDO_MASTER_FRONTEND_ID_H
#define IAIDO_MASTER_FRONTEND_ID_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"

struct wire_reader;
struct wire_writer;

struct frontend_id {
	char *key; /* what makes a frontend the same one over reloads */
	char *name; /* its real address, once it was opened; NULL before */
};

/* Embedded; zeroed = empty. The id is the index. */
struct frontend_ids {
	struct frontend_id *items;
	uint32_t count;
};

void frontend_ids_fini(struct frontend_ids *f);

/* The id of `key`: the one it has, or else a new one. Only when all are used up is one taken from
 * another key, which must not be among `busy`. Returns 0, -ENOMEM or -ENOSPC. */
int frontend_ids_find(struct frontend_ids *f, const char *key, const uint32_t *busy,
	size_t busy_count, uint32_t *out) MUST_CHECK;

/* Returns 0 or -ENOMEM. */
int frontend_ids_set_name(struct frontend_ids *f, uint32_t id, const char *name) MUST_CHECK;
/* "?" where there is none. */
const char *frontend_ids_name(const struct frontend_ids *f, uint32_t id);

/* For an upgrade in place. Load returns 0, -EBADMSG or -ENOMEM. */
void frontend_ids_save(const struct frontend_ids *f, struct wire_writer *w);
int frontend_ids_load(struct frontend_ids *f, struct wire_reader *r) MUST_CHECK;

#endif
