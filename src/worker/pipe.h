/* Pipes for splice(2), pooled: a connection has one only while bytes are in it. */
#ifndef IAIDO_WORKER_PIPE_H
#define IAIDO_WORKER_PIPE_H

#include <stddef.h>

#include "iaido/macros.h"

struct worker;

/* Asked for, not promised: near the user's quota there is less. */
#define PIPE_SIZE (256 * 1024)

struct pipe {
	int read_fd;
	int write_fd;
	size_t bytes; /* in it now */
	size_t size;
	struct pipe *next; /* in the pool */
};

struct pipe_pool;

struct pipe_pool *pipe_pool_new(void);
void pipe_pool_free(struct worker *w, struct pipe_pool *p);
/* Closes the pipes that nobody has needed since the last call. */
void pipe_pool_trim(struct worker *w);

/* An empty pipe, or NULL: none to be had now (the caller copies). A shortage is logged and counted once
 * for all that meet it within a second. */
struct pipe *pipe_take(struct worker *w);
/* Back into the pool; one that holds bytes is closed, so that no byte ever reaches another. */
void pipe_give(struct worker *w, struct pipe *p);

#endif
