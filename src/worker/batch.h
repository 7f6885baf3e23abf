/* A turn's batch: the connections whose messages are passed on together. */
#ifndef IAIDO_WORKER_BATCH_H
#define IAIDO_WORKER_BATCH_H

struct batch;
struct conn;
struct worker;

/* NULL without memory. */
struct batch *batch_new(void);
void batch_free(struct batch *b);
/* Why it does without io_uring: an errno; 0 = it has it. */
int batch_ring_error(const struct batch *b);

/* The connection, which is relaying, has something to do: it is done by batch_run(), or at once if the
 * batch is full. From handlers of events only. */
void batch_add(struct conn *c);
/* Does it, for all of them. */
void batch_run(struct worker *w);
/* Does it now if one of them may end by it: for who asks for a place, so that it finds the one that has
 * been left. */
void batch_run_ends(struct worker *w);

#endif
