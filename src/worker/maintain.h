/* What time does to connections: idle, age, maintenance ticks, acknowledgements, drain. */
#ifndef IAIDO_WORKER_MAINTAIN_H
#define IAIDO_WORKER_MAINTAIN_H

#include <stdint.h>

#include "iaido/clock.h"

#include "worker/conn.h"

/* No byte for this long is a pause in the traffic: 100 ms, and a tick by which the coarse clock that
 * notes the last byte may lag. */
#define TRAFFIC_PAUSE_NS (110 * NSEC_PER_MSEC)

/* Puts a relaying connection at the time of its next check. */
void maintain_schedule(struct conn *c, int64_t now_ns);
/* Its time has come. May close it. */
void maintain_check(struct conn *c, int64_t now_ns);
/* Looks at all connections with recent traffic. */
void maintain_active(struct worker *w, int64_t now_ns);
/* A table was applied: where it lowered a limit, siblings are told of idle connections. */
void maintain_table(struct worker *w);
/* A drain has begun, or its plan changed: every connection gets its time. */
void maintain_drain(struct worker *w);

#endif
