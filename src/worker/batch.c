/* A turn's batch: first all receives, then all sends. Who is sent something may wake and take the
 * processor from us: once for many messages, not once for each. */
#include "config.h"

#include "worker/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "worker/conn.h"
#include "worker/deliver.h"
#include "worker/relay.h"
#include "worker/ring.h"
#include "worker/transfer.h"

#define BATCH_MAX 16
/* Apart by some cache lines more than a power of two, so that the heads of all messages do not have to share
 * a few places in the cache. */
#define BUFFER_STRIDE (COPY_BUFFER_SIZE + 3 * CACHE_LINE)

/* One direction's message on its way. */
struct job {
	struct conn *conn;
	enum side from;
	uint8_t *data;
	ssize_t received;
};

struct batch {
	struct conn *conns[BATCH_MAX];
	unsigned count;
	bool has_end; /* one of them has heard of an end */
	uint8_t *buffers; /* BATCH_MAX, BUFFER_STRIDE apart; no memory until they are used */
	struct ring *ring; /* NULL = none to be had: */
	int ring_error;
	struct job jobs[BATCH_MAX];
	struct transfer transfers[BATCH_MAX];
};

struct batch *
batch_new(void)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->buffers = mmap(NULL, (size_t)BATCH_MAX * BUFFER_STRIDE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->buffers == MAP_FAILED) {
		free(b);
		return NULL;
	}
	b->ring = ring_open(BATCH_MAX);
	if (b->ring == NULL)
		b->ring_error = errno;
	return b;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	ring_close(b->ring);
	munmap(b->buffers, (size_t)BATCH_MAX * BUFFER_STRIDE);
	free(b);
}

int
batch_ring_error(const struct batch *b)
{
	return b->ring_error;
}

void
batch_add(struct conn *c)
{
	struct worker *w = c->worker;
	struct batch *b = w->batch;

	if (!c->in_batch) {
		if (b->count == BATCH_MAX)
			batch_run(w);
		c->in_batch = true;
		b->conns[b->count++] = c;
	}
	b->has_end |= c->end[CLIENT].closed_seen || c->end[BACKEND].closed_seen;
}

/* All that is more than one message that is passed on whole. */
static void
run_alone(struct conn *c)
{
	if (c->state == CONN_RELAYING)
		relay_run(c);
}

/* Returns how many can go together; the others are done. */
static unsigned
choose(struct batch *b, unsigned count)
{
	unsigned jobs = 0;

	for (unsigned i = 0; i < count; i++) {
		struct conn *c = b->conns[i];
		struct job *j = &b->jobs[jobs];

		c->in_batch = false;
		if (count == 1 || c->state != CONN_RELAYING || !relay_is_one_copy(c, &j->from)) {
			run_alone(c);
			continue;
		}
		j->conn = c;
		j->data = b->buffers + (size_t)jobs * BUFFER_STRIDE;
		jobs++;
	}
	return jobs;
}

static void
receive(struct batch *b, unsigned jobs)
{
	for (unsigned i = 0; i < jobs; i++) {
		struct job *j = &b->jobs[i];

		b->transfers[i] = (struct transfer){
			.fd = j->conn->end[j->from].fd, .data = j->data, .len = COPY_BUFFER_SIZE
		};
	}
	transfer_receive(b->ring, b->transfers, jobs);
	for (unsigned i = 0; i < jobs; i++)
		b->jobs[i].received = b->transfers[i].result;
}

/* The results stand in the transfers, in the order of the jobs that received something. */
static void
send_on(struct batch *b, unsigned jobs)
{
	unsigned sends = 0;

	for (unsigned i = 0; i < jobs; i++) {
		struct job *j = &b->jobs[i];
		struct endpoint *to = &j->conn->end[other_side(j->from)];

		if (j->received <= 0)
			continue;
		deliver_prepare(to, (size_t)j->received);
		b->transfers[sends++] = (struct transfer){
			.fd = to->fd, .data = j->data, .len = (size_t)j->received
		};
	}
	transfer_send(b->ring, b->transfers, sends);
}

static void
finish(struct batch *b, unsigned jobs)
{
	unsigned sends = 0;

	for (unsigned i = 0; i < jobs; i++) {
		const struct job *j = &b->jobs[i];
		ssize_t sent = j->received > 0 ? b->transfers[sends++].result : 0;

		relay_copied(j->conn, j->from, j->data, j->received, sent);
	}
}

void
batch_run(struct worker *w)
{
	struct batch *b = w->batch;
	unsigned count = b->count, jobs;

	if (count == 0)
		return;
	b->count = 0;
	b->has_end = false;
	jobs = choose(b, count);
	receive(b, jobs);
	send_on(b, jobs);
	finish(b, jobs);
}

void
batch_run_ends(struct worker *w)
{
	if (w->batch->has_end)
		batch_run(w);
}
