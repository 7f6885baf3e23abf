/* Dialling: connects a client to a backend, hedged; overtaken dials run on without their client. */
#ifndef IAIDO_WORKER_DIAL_H
#define IAIDO_WORKER_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/conn.h"

/* Dials the backend with that index in the frontend's table, whose place the connection holds. */
void dial_start(struct conn *c, uint32_t backend);
/* No place is held: picks one and dials it, or waits for one. */
void dial_next(struct conn *c);
/* The connection's own dial has something to say. */
void dial_on_event(struct conn *c, short what);
/* A timer of the connection's dialling is due: hedge, dial timeout, wait timeout. */
void dial_on_timer(struct conn *c, int64_t now_ns);
/* The client's connection ends while dialling: its dials are given up or run on. */
void dial_abandon(struct conn *c);
/* Puts the connection's timer at what is due next. */
void dial_schedule(struct conn *c);

/* True when a place was found for at least one of the frontend's waiting connections, or none
 * waits. */
bool dial_serve_waiting(struct frontend *f);

#endif
