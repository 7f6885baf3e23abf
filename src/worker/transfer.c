/* Receives and sends on many sockets: through a ring where there is one, else, and what the ring left,
 * one after the other. */
#include "config.h"

#include "worker/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "iaido/macros.h"

#include "worker/ring.h"

/* A single one is cheaper by itself. */
#define RING_MIN 2

/* A ring says either before it has tried. */
static inline bool
is_undone(const struct transfer *t)
{
	return t->result == -EINTR || t->result == -ENOMEM;
}

static void
receive_one(struct transfer *t)
{
	do {
		t->result = recv(t->fd, t->data, t->len, MSG_DONTWAIT);
	} while (t->result < 0 && errno == EINTR);
	if (t->result < 0)
		t->result = -errno;
}

static void
send_one(struct transfer *t)
{
	do {
		t->result = send(t->fd, t->data, t->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (t->result < 0 && errno == EINTR);
	if (t->result < 0)
		t->result = -errno;
}

void
transfer_receive(struct ring *r, struct transfer *t, unsigned count)
{
	unsigned done = r != NULL && count >= RING_MIN ? ring_receive(r, t, count) : 0;

	for (unsigned i = 0; i < count; i++)
		if (UNLIKELY(i >= done || is_undone(&t[i])))
			receive_one(&t[i]);
}

void
transfer_send(struct ring *r, struct transfer *t, unsigned count)
{
	unsigned done = r != NULL && count >= RING_MIN ? ring_send(r, t, count) : 0;

	for (unsigned i = 0; i < count; i++)
		if (UNLIKELY(i >= done || is_undone(&t[i])))
			send_one(&t[i]);
}
