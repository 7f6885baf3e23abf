/* The pool of pipes: made on demand, kept up to a number, closed when dirty. */
#include "config.h"

#include "worker/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/loop.h"

/* As many as streams are usually in the middle of a transfer at once. */
#define POOL_MAX 64

struct pipe_pool {
	struct pipe *free;
	unsigned count;
};

struct pipe_pool *
pipe_pool_new(void)
{
	return calloc(1, sizeof(struct pipe_pool));
}

static void
close_pipe(struct worker *w, struct pipe *p)
{
	close(p->read_fd);
	close(p->write_fd);
	w->descriptors -= 2;
	free(p);
}

void
pipe_pool_free(struct worker *w, struct pipe_pool *pool)
{
	struct pipe *p;

	if (pool == NULL)
		return;
	while ((p = pool->free) != NULL) {
		pool->free = p->next;
		close_pipe(w, p);
	}
	free(pool);
}

static struct pipe *
open_pipe(struct worker *w)
{
	struct pipe *p;
	int fds[2], size;

	/* The last descriptors are for connections: these can copy. */
	if (w->descriptors + 8 > w->descriptor_limit)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(p);
		return NULL;
	}
	/* Past the user's quota the kernel refuses to enlarge: a small pipe works as well. */
	size = fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
	if (size <= 0)
		size = fcntl(fds[1], F_GETPIPE_SZ);
	p->read_fd = fds[0];
	p->write_fd = fds[1];
	p->size = size > 0 ? (size_t)size : 4096;
	w->descriptors += 2;
	return p;
}

struct pipe *
pipe_take(struct worker *w)
{
	struct pipe_pool *pool = w->pipes;
	struct pipe *p = pool->free;

	if (p == NULL)
		return open_pipe(w);
	pool->free = p->next;
	pool->count--;
	p->next = NULL;
	return p;
}

void
pipe_give(struct worker *w, struct pipe *p)
{
	struct pipe_pool *pool = w->pipes;

	if (p->bytes > 0 || pool->count >= POOL_MAX) {
		close_pipe(w, p);
		return;
	}
	p->next = pool->free;
	pool->free = p;
	pool->count++;
}
