/* The acceptor: listening sockets, when to accept from them and when to pause. */
#ifndef IAIDO_WORKER_ACCEPTOR_H
#define IAIDO_WORKER_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"

struct acceptor;
struct frontend;
struct worker;
struct worker_listener;

/* Takes the listening descriptors. NULL without memory. */
struct acceptor *acceptor_new(
	struct worker *w, const struct worker_listener *listeners, size_t count);
void acceptor_free(struct acceptor *a);

/* A new table: accepts from the slots that are this worker's, closes those of frontends that are
 * gone. */
void acceptor_apply_table(struct acceptor *a);
/* Closes this worker's copies of all listening sockets: it will not serve again. */
void acceptor_close(struct acceptor *a);
/* Connections of this frontend wait for a place: looks again every 10 ms. */
void acceptor_poll_soon(struct acceptor *a);
/* Descriptors or memory ran out: accepts nothing for a while. */
void acceptor_pause(struct acceptor *a, int error);
/* The soft limit may have been changed from outside: looks. */
void acceptor_update_limit(struct worker *w);

#endif
