/* io_uring (io_uring(7)): many system calls by one. */
#ifndef IAIDO_WORKER_RING_H
#define IAIDO_WORKER_RING_H

#include "worker/transfer.h"

struct ring;

/* For up to so many transfers at once, a power of two. NULL where the kernel has none (before 6.0), or
 * none for us, or without memory; errno tells. */
struct ring *ring_open(unsigned capacity);
void ring_close(struct ring *r);

/* Each carries out the first of the transfers, and returns how many: fewer than asked for when the kernel
 * lacks memory. A result of -EINTR or -ENOMEM means that nothing was done. */
unsigned ring_receive(struct ring *r, struct transfer *t, unsigned count);
unsigned ring_send(struct ring *r, struct transfer *t, unsigned count);

#endif
