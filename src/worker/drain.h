/* Draining: how a worker comes to its end. */
#ifndef IAIDO_WORKER_DRAIN_H
#define IAIDO_WORKER_DRAIN_H

#include <event2/util.h>

#include "iaido/msg.h"

#include "worker/loop.h"

/* The master's word: stop accepting (now or when all is quiet), and be done within the time given. */
void drain_begin(struct worker *w, const struct msg_drain *m);
/* Accepts no more, and gives every connection its time. */
void drain_stop_accepting(struct worker *w);
/* Ends all connections and dials at once, by reset. */
void drain_close_all(struct worker *w);
/* The handler of the worker's drain event. */
void drain_on_timer(evutil_socket_t fd, short what, void *arg);

#endif
