/* Dialling: connects a client to a backend, hedged; overtaken dials run on without their client. */
#ifndef IAIDO_WORKER_DIAL_H
#define IAIDO_WORKER_DIAL_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "iaido/wheel.h"

#include "worker/conn.h"

/* A dial beside a connection's own: its hedge, or one that was overtaken (conn is NULL then). */
struct dial {
	struct worker *worker;
	struct conn *conn;
	struct event event;
	int fd;
	uint32_t cell;
	bool suspect;
	int64_t started_ns;
	int64_t until_ns;
	struct wheel_entry wheel;
	LIST_ENTRY(dial) link;
};

/* Dials the backend with that index in the frontend's table, whose place the connection holds. */
void dial_start(struct conn *c, uint32_t backend);
/* No place is held: picks one and dials it, or waits for one. */
void dial_next(struct conn *c);
/* The connection's own dial has something to say. */
void dial_on_event(struct conn *c, short what);
/* A timer of the connection's dialling is due: hedge, dial timeout, wait timeout. */
void dial_on_timer(struct conn *c, int64_t now_ns);
/* A hedge's or overtaken dial's timer is due. */
void dial_expire(struct dial *d);
/* The client's connection ends while dialling: its dials are given up or run on. */
void dial_abandon(struct conn *c);
void dial_free_all(struct worker *w);

/* True when a place was found for at least one of the frontend's waiting connections, or none
 * waits. */
bool dial_serve_waiting(struct frontend *f);

/* A fault of this host says nothing about a backend. */
bool dial_error_is_local(int error);

#endif
