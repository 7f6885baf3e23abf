/* The relay: moves bytes between a connection's endpoints, by copy or by splice. */
#ifndef IAIDO_WORKER_RELAY_H
#define IAIDO_WORKER_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/conn.h"

/* Moves what can be moved in both directions; may close the connection. */
void relay_run(struct conn *c);
/* The same, and reads even where the last read said that nothing is left: a short read can leave an
 * urgent byte or a reset behind it. */
void relay_recheck(struct conn *c);
/* True when the connection has to move one read of one direction, by copy, as far as is known: that
 * direction is in *from. The caller receives and sends, and says what came of it. */
bool relay_is_one_copy(const struct conn *c, enum side *from);
/* Of those bytes (0 = the end) or of that -errno, so many (or -errno) were sent on. Goes on from there as
 * relay_run() does. */
void relay_copied(
	struct conn *c, enum side from, const uint8_t *data, ssize_t received, ssize_t sent);
/* A reset is being passed on: tries to deliver what came before it. `last` = no more time. */
void relay_resetting(struct conn *c, bool last);

#endif
