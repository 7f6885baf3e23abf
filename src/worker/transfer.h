/* Receives and sends on many sockets at once. */
#ifndef IAIDO_WORKER_TRANSFER_H
#define IAIDO_WORKER_TRANSFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ring;

/* One recv() or send() on a socket that does not block. */
struct transfer {
	int fd;
	uint8_t *data;
	size_t len;
	ssize_t result; /* bytes, or -errno */
};

/* Each gets its result; the order among them is open. Without a ring (NULL) each is a system call. */
void transfer_receive(struct ring *r, struct transfer *t, unsigned count);
void transfer_send(struct ring *r, struct transfer *t, unsigned count);

#endif
