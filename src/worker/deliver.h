/* The receiving half of a direction: gives bytes to an endpoint, keeps what it does not take. */
#ifndef IAIDO_WORKER_DELIVER_H
#define IAIDO_WORKER_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/conn.h"
#include "worker/pipe.h"

/* How one step of a direction went. */
enum step {
	STEP_DONE, /* delivered, or read: go on */
	STEP_QUIET, /* nothing more to read now */
	STEP_BLOCKED, /* the receiver takes no more now */
	STEP_MORE, /* the budget is spent */
	STEP_PASSED, /* the sender's FIN was passed on */
	STEP_SENDER_GONE, /* it had failed as receiver, and has nothing more to say */
	STEP_SENDER_FAILED, /* errno tells */
	STEP_RECEIVER_FAILED,
};

/* Sends the first len bytes of the worker's copy buffer; what is not taken is kept in a chunk. Called
 * with nothing pending, as are the next two. */
enum step deliver_read(struct conn *c, struct direction *d, struct endpoint *to, size_t len);
/* The same where somebody else sends: before it … */
void deliver_prepare(struct endpoint *to, size_t len);
/* … and after it: of those bytes so many were taken, or -errno. */
enum step deliver_sent(struct conn *c, struct direction *d, struct endpoint *to,
	const uint8_t *data, size_t len, ssize_t sent);
/* Sends what was kept: the chunk, then the pipe. */
enum step deliver_pending(struct conn *c, struct direction *d, struct endpoint *to);
/* The error says that this kernel, or this socket, does not splice: it is to be copied. */
bool deliver_splice_refused(int error);

/* Something was read that the receiver has not taken. */
static inline bool
direction_pending(const struct direction *d)
{
	return d->chunk != NULL || (d->pipe != NULL && d->pipe->bytes > 0);
}

/* Gives chunk and pipe back; their bytes are lost. */
void deliver_discard(struct worker *w, struct direction *d);
void deliver_free_chunks(struct worker *w);

#endif
