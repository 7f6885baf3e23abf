/* One attempt to connect to a backend, whoever it is for. */
#ifndef IAIDO_WORKER_ATTEMPT_H
#define IAIDO_WORKER_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/macros.h"
#include "iaido/table.h"

struct frontend;
struct worker;

/* Returns a socket whose connect() is under way, or -errno. */
int attempt_open(struct worker *w, const struct addr *a) MUST_CHECK;
/* What the socket's event says: 0 = connected, -EINPROGRESS = nothing yet, or -errno. */
int attempt_outcome(int fd, short what) MUST_CHECK;
/* The kernel connected the socket to itself: nobody listens there. Asked of a new connection. */
bool attempt_hit_itself(struct worker *w, uint32_t cell, int fd);

/* Counts it. The failed flag is set for every worker at once (but not for a fault of this host),
 * and the master hears of it once. */
void attempt_failed(struct worker *w, uint32_t cell, int error);
/* Counts it, and how long it took (CLOCK_MONOTONIC). */
void attempt_answered(struct worker *w, uint32_t cell, int64_t started_ns);

/* A fault of this host says nothing about a backend. */
bool attempt_error_is_local(int error);
/* One that every other attempt would meet now. */
bool attempt_error_is_shortage(int error);
/* How long an attempt may take before another is made beside it; 0 = for ever. */
int64_t attempt_patience_ns(const struct frontend *f, const struct table_backend *b);
/* Marks the backend as suspect on behalf of one attempt, whose own mark *flag is, or lifts it. */
void attempt_set_suspect(struct worker *w, uint32_t cell, bool *flag, bool suspect);

#endif
