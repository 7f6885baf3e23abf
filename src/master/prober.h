/* The prober: one TCP handshake at a time per target, side by side, unseen by the backend's program
 * (the handshake's last ACK is never sent, a reset takes its place). */
#ifndef IAIDO_MASTER_PROBER_H
#define IAIDO_MASTER_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/macros.h"

struct event_base;
struct prober;

#define PROBES_MAX 512 /* under way at once */
#define PROBES_DOUBTFUL_MAX 384 /* of these, at most so many to targets that may well be dead */

/* error 0: answered after latency_ns (0 when a segment was sent twice: then no latency); else the
 * errno; `local` marks faults of this host (no descriptor, port or memory), which say nothing
 * about the backend. Never called from inside prober_start(). */
typedef void prober_callback(void *arg, int error, bool local, int64_t latency_ns);

int prober_new(struct event_base *base, struct prober **out) MUST_CHECK;
/* Cancels all; no callback is called. */
void prober_free(struct prober *p);

struct probe;
/* At most PROBES_MAX are under way at once, the rest wait in order; `doubtful` marks a target that
 * failed lately: so that many dead ones, each taking its whole timeout, never hold up the others.
 * The time starts when the probe does. Returns NULL only without memory. */
struct probe *prober_start(struct prober *p, const struct addr *a, bool doubtful,
	int64_t timeout_ns, prober_callback *done, void *arg);
/* Forgets it; done is not called. */
void probe_cancel(struct probe *p);

#endif
