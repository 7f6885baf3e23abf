/* The pool of pipes: made on demand, kept up to a number, closed when dirty. The kernel grants a user
 * 64 MiB of pipes in all (pipe(7), pipe-user-pages-soft) and past that only tiny ones, so a worker gives
 * back those that it does not use, and goes without where only tiny ones are to be had. */
#include "config.h"

#include "worker/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/loop.h"

/* As many as streams are usually in the middle of a transfer at once. */
#define POOL_MAX 64
/* A smaller pipe costs more system calls than copying does. */
#define USEFUL_SIZE COPY_BUFFER_SIZE
/* After a shortage nobody asks the kernel again for this long. */
#define SHORTAGE_NS NSEC_PER_SEC

struct pipe_pool {
	struct pipe *free;
	unsigned count;
	unsigned unused; /* the fewest it had since it was last trimmed */
	int64_t retry_at_ns;
	struct log_limit log;
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

static void
close_pooled(struct worker *w, struct pipe_pool *pool, unsigned count)
{
	struct pipe *p;

	for (; count > 0 && (p = pool->free) != NULL; count--) {
		pool->free = p->next;
		pool->count--;
		close_pipe(w, p);
	}
}

void
pipe_pool_free(struct worker *w, struct pipe_pool *pool)
{
	if (pool == NULL)
		return;
	close_pooled(w, pool, pool->count);
	free(pool);
}

void
pipe_pool_trim(struct worker *w)
{
	struct pipe_pool *pool = w->pipes;

	close_pooled(w, pool, pool->unused);
	pool->unused = pool->count;
}

/* Returns 0 or -errno; -EDQUOT: only tiny ones are to be had. */
static int
open_pipe(struct worker *w, struct pipe **out)
{
	struct pipe *p;
	int fds[2], size, r;

	/* The last descriptors are for connections: these can copy. */
	if (w->descriptors + 8 > w->descriptor_limit)
		return -EMFILE;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		free(p);
		return r;
	}
	p->read_fd = fds[0];
	p->write_fd = fds[1];
	w->descriptors += 2;
	/* Near the user's quota the kernel refuses to enlarge: what it gave may do. */
	size = fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
	if (size < 0)
		size = fcntl(fds[1], F_GETPIPE_SZ);
	if (size < USEFUL_SIZE) {
		close_pipe(w, p);
		return -EDQUOT;
	}
	p->size = (size_t)size;
	*out = p;
	return 0;
}

static void
note_shortage(struct worker *w, int error, int64_t now_ns)
{
	struct pipe_pool *pool = w->pipes;
	uint64_t left_out;

	pool->retry_at_ns = now_ns + SHORTAGE_NS;
	SHARE_ADD(w->share->head->pipe_shortages, 1);
	if (log_limit_allow(&pool->log, now_ns, &left_out))
		log_event(LOG_LEVEL_WARN, "worker.pipes",
			error == -EDQUOT ? "streams are copied: this user's pipes take up what "
					   "fs.pipe-user-pages-soft allows"
					 : "streams are copied: no pipe is to be had",
			LOG_ERR("error", -error), LOG_INT("leftOut", left_out));
}

struct pipe *
pipe_take(struct worker *w)
{
	struct pipe_pool *pool = w->pipes;
	struct pipe *p = pool->free;
	int64_t now_ns;
	int r;

	if (p == NULL) {
		now_ns = clock_coarse_ns();
		if (now_ns < pool->retry_at_ns)
			return NULL;
		r = open_pipe(w, &p);
		if (r < 0)
			note_shortage(w, r, now_ns);
		return p;
	}
	pool->free = p->next;
	pool->count--;
	if (pool->count < pool->unused)
		pool->unused = pool->count;
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
