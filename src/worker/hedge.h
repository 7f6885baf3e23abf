/* Dials beside a connection's own: its hedge, and those that run on without a client. */
#ifndef IAIDO_WORKER_HEDGE_H
#define IAIDO_WORKER_HEDGE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "iaido/macros.h"
#include "iaido/wheel.h"

#include "worker/conn.h"

struct dial {
	struct worker *worker;
	struct conn *conn; /* NULL: it runs on without a client */
	struct event event;
	int fd; /* -1: given up; the backend is suspect until until_ns */
	uint32_t cell;
	bool suspect;
	int64_t started_ns;
	int64_t until_ns;
	struct wheel_entry wheel;
	LIST_ENTRY(dial) link;
};

/* Dials the next best backend beside the present dial, where one has a free place. A former hedge
 * makes way: its dial is given up. */
void hedge_start(struct conn *c);
/* The hedge becomes the connection's own dial (or its backend, once it has answered). Returns 0 or
 * -errno, in which case the connection has to end. */
int hedge_adopt(struct conn *c) MUST_CHECK;
/* The connection's own dial goes on without it, as a suspect when it was overtaken. */
void hedge_orphan(struct conn *c, bool overtaken);
/* Goes on without its client, who has gone … */
void hedge_part(struct dial *d);
/* … or has found another backend: until it answers, it is suspect. */
void hedge_overtaken(struct dial *d);
/* Its timer is due: it fails, or its suspicion is over. */
void hedge_expire(struct dial *d);
void hedge_free_all(struct worker *w);

#endif
