/* A worker's view of one frontend: the newest table's word on it, laid out for picking. */
#ifndef IAIDO_WORKER_FRONTEND_H
#define IAIDO_WORKER_FRONTEND_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"
#include "iaido/pick.h"
#include "iaido/table.h"

#include "worker/loop.h"

struct frontend {
	struct worker *worker;
	uint32_t id;
	struct table_frontend conf; /* owned; of the newest table that had it */
	struct picker picker;
	struct share_frontend *share;
	struct conn_queue waiting; /* accepted, without a backend; linked by turn_link */
	uint32_t waiting_count;
	uint32_t conn_count; /* of this worker, dialling ones included */
};

/* Takes over a decoded table (empties and frees it): makes, updates and removes frontends. Returns
 * 0 or -ENOMEM, in which case the former view stands. */
int frontends_apply(struct worker *w, struct route_table *table) MUST_CHECK;
void frontends_free(struct worker *w);
struct frontend *frontend_find(struct worker *w, uint32_t id);

/* The table's word on the backend of a cell; NULL when the newest table does not have it. */
const struct table_backend *frontend_backend(const struct frontend *f, uint32_t cell);
/* How many connections the backend may have: 0 for one that is to be drained. */
uint32_t frontend_limit(const struct frontend *f, uint32_t cell);

#endif
