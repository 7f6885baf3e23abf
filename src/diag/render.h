/* What the paths answer, as text: each takes a snapshot and adds to `out`. */
#ifndef IAIDO_DIAG_RENDER_H
#define IAIDO_DIAG_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "emit.h"
#include "iaido/macros.h"

struct snapshot;
struct text;

void render_status(const struct snapshot *s, enum emit_format format, struct text *out);
/* Returns 0 or -ENOMEM. */
int render_metrics(const struct snapshot *s, struct text *out) MUST_CHECK;

enum ready_backends { READY_BACKENDS_IGNORED, READY_BACKENDS_ANY, READY_BACKENDS_ALL };

/* Whether it is ready; if not, `why` says so in one line. */
bool render_readiness(const struct snapshot *s, enum ready_backends backends, struct text *why);

#endif
