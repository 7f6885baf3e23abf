/* A snapshot as Prometheus wants it: each frontend and each backend once, and not too many. */
#ifndef IAIDO_DIAG_METRICS_VIEW_H
#define IAIDO_DIAG_METRICS_VIEW_H

#include <stddef.h>

#include "iaido/macros.h"
#include "iaido/snapshot.h"
#include "iaido/text.h"

/* Past this many backends none has series of its own. */
#define METRICS_BACKENDS_MAX 1000

struct metrics_backend {
	const char *frontend;
	struct snapshot_backend sum; /* of those with the same labels */
	size_t labels_at; /* in the view's text */
	size_t labels_len;
};

struct metrics_view {
	struct snapshot_frontend
		*frontends; /* by address; their backends are not to be looked at */
	size_t frontend_count;
	struct metrics_backend *backends; /* by frontend, then address */
	size_t backend_count;
	size_t omitted;
	struct text labels; /* of all backends, for who renders */
};

/* Points into the snapshot, which has to live longer. Returns 0 or -ENOMEM. */
int metrics_view_init(struct metrics_view *v, const struct snapshot *s) MUST_CHECK;
void metrics_view_fini(struct metrics_view *v);

#endif
