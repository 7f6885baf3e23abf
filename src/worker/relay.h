/* The relay: moves bytes between a connection's endpoints, by copy or by splice. */
#ifndef IAIDO_WORKER_RELAY_H
#define IAIDO_WORKER_RELAY_H

#include "worker/conn.h"

/* Moves what can be moved in both directions; may close the connection. */
void relay_run(struct conn *c);
/* The same, and reads even where the last read said that nothing is left: a short read can leave an
 * urgent byte or a reset behind it. */
void relay_recheck(struct conn *c);
/* A reset is being passed on: tries to deliver what came before it. `last` = no more time. */
void relay_resetting(struct conn *c, bool last);

#endif
