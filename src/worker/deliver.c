/* Giving bytes to a receiver that may be slow: at once, or later from a chunk or a pipe. Owns the pool
 * of chunks. */
#include "config.h"

#include "worker/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/loop.h"
#include "worker/pipe.h"

/* One segment on any path: sent at once even without TCP_NODELAY. */
#define ONE_SEGMENT 1200
/* Chunks kept for the next receiver that is slow. */
#define FREE_CHUNKS_MAX 32

/* What a receiver did not take of one read. */
struct chunk {
	struct chunk *next;
	uint32_t at;
	uint32_t end;
	uint8_t data[COPY_BUFFER_SIZE];
};

static struct chunk *
chunk_take(struct worker *w)
{
	struct chunk *k = w->free_chunks;

	if (k == NULL)
		return malloc(sizeof(*k));
	w->free_chunks = k->next;
	w->free_chunk_count--;
	return k;
}

static void
chunk_give(struct worker *w, struct chunk *k)
{
	if (w->free_chunk_count >= FREE_CHUNKS_MAX) {
		free(k);
		return;
	}
	k->next = w->free_chunks;
	w->free_chunks = k;
	w->free_chunk_count++;
}

void
deliver_free_chunks(struct worker *w)
{
	struct chunk *k;

	while ((k = w->free_chunks) != NULL) {
		w->free_chunks = k->next;
		free(k);
	}
	w->free_chunk_count = 0;
}

void
deliver_discard(struct worker *w, struct direction *d)
{
	if (d->chunk != NULL)
		chunk_give(w, d->chunk);
	if (d->pipe != NULL)
		pipe_give(w, d->pipe);
	d->chunk = NULL;
	d->pipe = NULL;
}

/* A second segment could wait for the first one's acknowledgement: so no later than before it. */
void
deliver_prepare(struct endpoint *e, size_t len)
{
	static const int on = 1;

	e->sent = true;
	if (LIKELY(e->nodelay == NODELAY_SET))
		return;
	if (e->nodelay == NODELAY_UNSENT && len <= ONE_SEGMENT) {
		e->nodelay = NODELAY_SENT_ONE;
		return;
	}
	/* A socket that cannot take it any more is found broken by the send that follows. */
	(void)setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	e->nodelay = NODELAY_SET;
}

/* Returns how many bytes were taken, or -errno. */
static ssize_t
send_some(struct endpoint *e, const uint8_t *data, size_t len)
{
	ssize_t n;

	deliver_prepare(e, len);
	do {
		n = send(e->fd, data, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Keeps what was not taken. */
static enum step
keep_rest(struct conn *c, struct direction *d, const uint8_t *data, size_t len)
{
	d->chunk = chunk_take(c->worker);
	if (d->chunk == NULL) {
		/* Bytes that can be neither sent nor kept: only this connection ends. */
		errno = ENOMEM;
		return STEP_RECEIVER_FAILED;
	}
	d->chunk->at = 0;
	d->chunk->end = (uint32_t)len;
	memcpy(d->chunk->data, data, len);
	return STEP_BLOCKED;
}

enum step
deliver_sent(struct conn *c, struct direction *d, struct endpoint *to, const uint8_t *data,
	size_t len, ssize_t sent)
{
	if (LIKELY(sent == (ssize_t)len))
		return STEP_DONE;
	if (sent < 0 && sent != -EAGAIN) {
		errno = (int)-sent;
		return STEP_RECEIVER_FAILED;
	}
	to->writable = false;
	if (sent < 0)
		sent = 0;
	return keep_rest(c, d, data + sent, len - (size_t)sent);
}

enum step
deliver_read(struct conn *c, struct direction *d, struct endpoint *to, size_t len)
{
	const uint8_t *data = c->worker->copy_buffer;

	return deliver_sent(c, d, to, data, len, to->writable ? send_some(to, data, len) : -EAGAIN);
}

static enum step
deliver_chunk(struct conn *c, struct direction *d, struct endpoint *to)
{
	struct chunk *k = d->chunk;
	ssize_t n;

	n = send_some(to, k->data + k->at, k->end - k->at);
	if (n < 0 && n != -EAGAIN) {
		errno = (int)-n;
		return STEP_RECEIVER_FAILED;
	}
	if (n > 0)
		k->at += (uint32_t)n;
	if (k->at < k->end) {
		to->writable = false;
		return STEP_BLOCKED;
	}
	chunk_give(c->worker, k);
	d->chunk = NULL;
	return STEP_DONE;
}

/* A splice that failed took no byte: a copy goes on where it stands, and needs less memory. */
bool
deliver_splice_refused(int error)
{
	return error == EINVAL || error == ENOSYS || error == EPERM || error == EBADF ||
		error == ENOMEM;
}

/* The kernel does not splice to this socket: what is in the pipe goes the other way. */
static enum step
empty_pipe_by_copy(struct conn *c, struct direction *d, struct endpoint *to)
{
	ssize_t n;

	d->never_splice = true;
	d->splicing = false;
	do {
		n = read(d->pipe->read_fd, c->worker->copy_buffer, COPY_BUFFER_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		errno = EIO;
		return STEP_RECEIVER_FAILED;
	}
	d->pipe->bytes -= (size_t)n;
	return deliver_read(c, d, to, (size_t)n);
}

static enum step
deliver_pipe(struct conn *c, struct direction *d, struct endpoint *to)
{
	struct pipe *p = d->pipe;
	ssize_t n;

	while (p->bytes > 0) {
		if (UNLIKELY(d->never_splice)) {
			enum step step = empty_pipe_by_copy(c, d, to);

			if (step != STEP_DONE)
				return step;
			continue;
		}
		deliver_prepare(to, p->bytes);
		n = splice(p->read_fd, NULL, to->fd, NULL, p->bytes,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n > 0) {
			p->bytes -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			to->writable = false;
			return STEP_BLOCKED;
		} else if (n < 0 && deliver_splice_refused(errno)) {
			d->never_splice = true;
		} else if (n == 0) {
			errno = EIO;
			return STEP_RECEIVER_FAILED;
		} else if (errno != EINTR) {
			return STEP_RECEIVER_FAILED;
		}
	}
	return STEP_DONE;
}

enum step
deliver_pending(struct conn *c, struct direction *d, struct endpoint *to)
{
	enum step step;

	if (!direction_pending(d))
		return STEP_DONE;
	if (!to->writable)
		return STEP_BLOCKED;
	if (d->chunk != NULL) {
		step = deliver_chunk(c, d, to);
		if (step != STEP_DONE)
			return step;
	}
	return d->pipe != NULL ? deliver_pipe(c, d, to) : STEP_DONE;
}
