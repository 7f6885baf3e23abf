/* The relay: two independent directions a connection, each in copy or in splice mode. Knows sockets
 * and budgets, no events: whoever calls says what became ready by the endpoints' flags. */
#include "config.h"

#include "worker/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"

#include "worker/deliver.h"
#include "worker/maintain.h"
#include "worker/pipe.h"
#include "worker/redial.h"

/* Copies of one direction before the others have their turn; a splice, which moves up to a whole
 * pipe, counts for several. */
#define TURNS_A_PASS 16
#define TURNS_A_SPLICE 8
/* A splice that brings less than this would have been cheaper as a copy; so many of them running
 * and the direction copies again. */
#define SMALL_SPLICE 16384
#define SMALL_SPLICES_MAX 4
/* How long what came before a reset may take to be delivered. */
#define RESET_DELIVERY_NS NSEC_PER_SEC
#define RESET_POLL_NS (10 * NSEC_PER_MSEC)

static void
account(struct conn *c, enum side from, size_t n)
{
	c->bytes[from] += n;
	c->end[from].heard = true;
	c->last_ns = clock_coarse_ns();
	if (from == CLIENT) {
		SHARE_ADD(c->share->bytes_in, n);
	} else {
		SHARE_ADD(c->share->bytes_out, n);
		c->backend_last_ns = c->last_ns;
	}
	conn_mark_active(c);
}

/* Worth more system calls: those that splice, and those that make the worker's death a reset, without
 * waiting until the connection has lasted for a while. */
static void
begin_stream(struct conn *c, struct direction *d)
{
	d->splicing = true;
	endpoint_make_abortive(&c->end[CLIENT]);
	endpoint_make_abortive(&c->end[BACKEND]);
}

/* What a read of up to COPY_BUFFER_SIZE bytes brought: so many, or -errno. STEP_DONE: they are to be
 * delivered. */
static enum step
take_read(struct conn *c, enum side from, ssize_t n)
{
	struct endpoint *src = &c->end[from];
	struct direction *d = &c->from[from];

	if (LIKELY(n > 0)) {
		/* A short read says "empty" too, but not where more may stand behind it. */
		if (n < COPY_BUFFER_SIZE && !src->closed_seen)
			src->readable = false;
		else if (n == COPY_BUFFER_SIZE && !d->never_splice)
			begin_stream(c, d);
		account(c, from, (size_t)n);
		return STEP_DONE;
	}
	if (n == 0) {
		d->ended = true;
		return STEP_DONE;
	}
	if (n != -EAGAIN) {
		errno = (int)-n;
		return STEP_SENDER_FAILED;
	}
	src->readable = false;
	return STEP_DONE;
}

static enum step
read_copy(struct conn *c, enum side from)
{
	enum step step;
	ssize_t n;

	do {
		n = recv(c->end[from].fd, c->worker->copy_buffer, COPY_BUFFER_SIZE, 0);
	} while (n < 0 && errno == EINTR);
	step = take_read(c, from, n < 0 ? -errno : n);
	if (n <= 0)
		return step;
	return deliver_read(c, &c->from[from], &c->end[other_side(from)], (size_t)n);
}

static enum step
read_splice(struct conn *c, enum side from)
{
	struct endpoint *src = &c->end[from];
	struct direction *d = &c->from[from];
	ssize_t n;

	if (d->pipe == NULL)
		d->pipe = pipe_take(c->worker);
	if (d->pipe == NULL) {
		/* The next read that fills the buffer asks again. */
		d->splicing = false;
		return read_copy(c, from);
	}
	do {
		n = splice(src->fd, NULL, d->pipe->write_fd, NULL, d->pipe->size,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		d->pipe->bytes += (size_t)n;
		d->small_reads = n < SMALL_SPLICE ? d->small_reads + 1 : 0;
		if (d->small_reads >= SMALL_SPLICES_MAX) {
			d->small_reads = 0;
			d->splicing = false;
		}
		account(c, from, (size_t)n);
		return deliver_pending(c, d, &c->end[other_side(from)]);
	}
	/* It also says 0 at an urgent byte that a FIN follows: recv() tells the two apart. */
	if (n == 0)
		return read_copy(c, from);
	/* The pipe is empty here, so EAGAIN speaks of the source: of nothing, or of an urgent byte. */
	if (errno == EAGAIN) {
		if (src->closed_seen)
			return read_copy(c, from);
		src->readable = false;
		return STEP_DONE;
	}
	if (!deliver_splice_refused(errno))
		return STEP_SENDER_FAILED;
	d->never_splice = true;
	d->splicing = false;
	return STEP_DONE;
}

/* Everything before the FIN is delivered. The last FIN goes out with the close of both sockets. */
static enum step
pass_end(struct conn *c, enum side from)
{
	struct direction *d = &c->from[from];

	if (d->passed)
		return STEP_PASSED;
	d->passed = true;
	if (c->first_ended > BACKEND)
		c->first_ended = from;
	if (!c->from[other_side(from)].ended) {
		/* The half-closed time runs from the FIN on, however long it was quiet before. */
		c->last_ns = clock_coarse_ns();
		if (shutdown(c->end[other_side(from)].fd, SHUT_WR) < 0)
			return STEP_RECEIVER_FAILED;
		/* A FIN wants to be acknowledged as data does. */
		c->end[other_side(from)].sent = true;
		conn_mark_active(c);
		maintain_schedule(c, c->last_ns);
	}
	return STEP_PASSED;
}

/* It was reset (or met a fault that amounts to one), though no read tells: behind a FIN all say 0, and while
 * the receiver is slow nobody reads. Leaves the error in errno. */
static bool
is_broken(struct endpoint *src)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (LIKELY(!src->error_told))
		return false;
	src->error_told = false;
	if (getsockopt(src->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		errno = error;
	return errno != 0;
}

/* Moves what it can from that side to the other, within a budget. */
static enum step
move(struct conn *c, enum side from)
{
	struct endpoint *src = &c->end[from], *dst = &c->end[other_side(from)];
	struct direction *d = &c->from[from];
	enum step step;
	int turns;

	if (UNLIKELY(dst->failed))
		return src->failed && d->ended ? STEP_SENDER_GONE : STEP_QUIET;
	if (direction_pending(d)) {
		step = deliver_pending(c, d, dst);
		if (step != STEP_DONE)
			return step;
	}
	for (turns = 0; turns < TURNS_A_PASS && src->readable && !d->ended;) {
		if (LIKELY(!d->splicing)) {
			turns++;
			step = read_copy(c, from);
		} else {
			turns += TURNS_A_SPLICE;
			step = read_splice(c, from);
		}
		if (step != STEP_DONE)
			return step;
	}
	if (src->readable && !d->ended)
		return STEP_MORE;
	if (UNLIKELY(d->pipe != NULL)) {
		pipe_give(c->worker, d->pipe);
		d->pipe = NULL;
	}
	if (LIKELY(!d->ended))
		return STEP_QUIET;
	/* A send that met the reset has used up its error: the read after it says 0, which is no FIN,
	 * and must not be passed on as one. */
	if (UNLIKELY(src->failed))
		return STEP_SENDER_GONE;
	return is_broken(src) ? STEP_SENDER_FAILED : pass_end(c, from);
}

/* Nothing waits to be delivered, nothing has come, no end is to be passed on. */
static inline bool
direction_is_quiet(const struct conn *c, enum side from)
{
	const struct direction *d = &c->from[from];

	return !c->end[from].readable && !d->ended && d->chunk == NULL && d->pipe == NULL;
}

static enum ended_reason
reason_of_error(int error)
{
	switch (error) {
	case ECONNRESET:
	case EPIPE:
		return ENDED_RESET;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ENDED_TIMEOUT;
	default:
		return ENDED_ERROR;
	}
}

/* One side is gone by a reset (or a fault that amounts to one): what came from it before is
 * delivered for up to a second, then the other side gets a reset. */
static void
begin_reset(struct conn *c, enum side from, int error)
{
	conn_set_ending(
		c, from == CLIENT ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, reason_of_error(error));
	c->state = CONN_RESETTING;
	c->reset_from = (uint8_t)from;
	c->reset_until_ns = clock_coarse_ns() + RESET_DELIVERY_NS;
	deliver_discard(c->worker, &c->from[other_side(from)]);
	relay_resetting(c, false);
}

/* The same where all that it sent has been read. */
static void
sender_failed(struct conn *c, enum side from, int error)
{
	c->from[from].ended = true;
	begin_reset(c, from, error);
}

/* Passes on what a side that was reset had sent before. STEP_DONE: all of it. */
static enum step
deliver_rest(struct conn *c, enum side from)
{
	struct endpoint *src = &c->end[from], *dst = &c->end[other_side(from)];
	struct direction *d = &c->from[from];
	enum step step;

	if (dst->failed)
		return STEP_RECEIVER_FAILED;
	step = deliver_pending(c, d, dst);
	for (int turns = 0; step == STEP_DONE && src->readable && !d->ended; turns++) {
		if (turns == TURNS_A_PASS)
			return STEP_MORE;
		step = read_copy(c, from);
		if (step != STEP_SENDER_FAILED)
			continue;
		d->ended = true;
		step = STEP_DONE;
	}
	return step;
}

void
relay_resetting(struct conn *c, bool last)
{
	enum side from = (enum side)c->reset_from;
	struct endpoint *dst = &c->end[other_side(from)];
	enum step step = deliver_rest(c, from);
	int64_t due_ns;
	int queued = 0;

	if (step == STEP_DONE && ioctl(dst->fd, SIOCOUTQ, &queued) < 0)
		queued = 0;
	if (last || step == STEP_RECEIVER_FAILED || (step == STEP_DONE && queued == 0)) {
		conn_close(c, true);
		return;
	}
	due_ns = clock_coarse_ns() + RESET_POLL_NS;
	/* A receiver that takes a little ever so often does not put off the end. */
	if (due_ns > c->reset_until_ns)
		due_ns = c->reset_until_ns;
	wheel_set(&c->worker->wheel, &c->wheel, due_ns);
	alarm_set(c->worker, ALARM_WHEEL, due_ns);
}

/* Errors of a send that say that the peer is gone. Any other leaves a socket that lives on, and bytes
 * that are lost: only a reset of both sides tells the truth then. */
static bool
is_peers(int error)
{
	switch (error) {
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
	case ENOTCONN:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

/* What a direction's turn means for the connection. */
enum turn {
	TURN_OVER,
	TURN_AGAIN, /* a receiver was found dead, which may have last words in the other direction */
	TURN_ENDED, /* the connection is past relaying */
};

static enum turn
receiver_failed(struct conn *c, enum side from, int error)
{
	enum side to = other_side(from);

	if (!is_peers(error)) {
		conn_set_ending(c, ENDED_BY_IAIDO, ENDED_ERROR);
		conn_close(c, true);
		return TURN_ENDED;
	}
	c->end[to].failed = true;
	/* Both are gone: nobody is left to read for, and no event would come any more. */
	if (c->end[from].failed) {
		sender_failed(c, from, error);
		return TURN_ENDED;
	}
	/* What it sent before it went is still to be read; then its error shows. */
	c->end[to].readable = true;
	deliver_discard(c->worker, &c->from[from]);
	return TURN_AGAIN;
}

static enum turn
end_passed(struct conn *c)
{
	if (!c->from[CLIENT].passed || !c->from[BACKEND].passed)
		return TURN_OVER;
	conn_set_ending(
		c, c->first_ended == CLIENT ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, ENDED_EOF);
	conn_close(c, false);
	return TURN_ENDED;
}

/* It has bytes that the other side did not take yet. */
static enum turn
still_pending(struct conn *c, enum side from, enum step step)
{
	struct endpoint *src = &c->end[from];

	/* It is gone: for its last words the receiver has a second from here on. */
	if (step == STEP_BLOCKED && (src->failed || is_broken(src))) {
		begin_reset(c, from, src->failed ? ECONNRESET : errno);
		return TURN_ENDED;
	}
	if (step == STEP_MORE && !c->in_ready) {
		c->in_ready = true;
		TAILQ_INSERT_TAIL(&c->worker->ready, c, turn_link);
	}
	return TURN_OVER;
}

/* Deals with how one direction's turn went. */
static enum turn
after_move(struct conn *c, enum side from, enum step step)
{
	int error = errno;

	switch (step) {
	case STEP_SENDER_FAILED:
		if (from == CLIENT || error != ECONNRESET || !conn_redial(c))
			sender_failed(c, from, error);
		return TURN_ENDED;
	case STEP_SENDER_GONE:
		sender_failed(c, from, ECONNRESET);
		return TURN_ENDED;
	case STEP_RECEIVER_FAILED:
		return receiver_failed(c, from, error);
	case STEP_PASSED:
		return end_passed(c);
	case STEP_BLOCKED:
	case STEP_MORE:
		return still_pending(c, from, step);
	default:
		return TURN_OVER;
	}
}

static enum turn
run_direction(struct conn *c, enum side from)
{
	enum step step = move(c, from);

	return LIKELY(step == STEP_QUIET) ? TURN_OVER : after_move(c, from, step);
}

void
relay_run(struct conn *c)
{
	enum turn first, second;

	do {
		first = second = TURN_OVER;
		if (!direction_is_quiet(c, CLIENT))
			first = run_direction(c, CLIENT);
		if (first == TURN_ENDED)
			return;
		if (!direction_is_quiet(c, BACKEND))
			second = run_direction(c, BACKEND);
		if (second == TURN_ENDED)
			return;
	} while (UNLIKELY(first == TURN_AGAIN || second == TURN_AGAIN));
}

/* Nothing to do there, or nothing more for ever. */
static inline bool
direction_rests(const struct conn *c, enum side from)
{
	return direction_is_quiet(c, from) || (c->from[from].passed && !c->end[from].error_told);
}

/* To be read by copy, and nothing is in the way of what that brings. */
static inline bool
direction_copies(const struct conn *c, enum side from)
{
	const struct endpoint *src = &c->end[from], *dst = &c->end[other_side(from)];
	const struct direction *d = &c->from[from];

	return src->readable && !src->failed && !d->ended && !d->splicing && d->chunk == NULL &&
		d->pipe == NULL && dst->writable && !dst->failed;
}

bool
relay_is_one_copy(const struct conn *c, enum side *from_out)
{
	enum side from = c->end[CLIENT].readable && !c->from[CLIENT].ended ? CLIENT : BACKEND;

	if (!direction_copies(c, from) || !direction_rests(c, other_side(from)))
		return false;
	*from_out = from;
	return true;
}

void
relay_copied(struct conn *c, enum side from, const uint8_t *data, ssize_t received, ssize_t sent)
{
	struct direction *d = &c->from[from];
	enum step step = take_read(c, from, received);

	if (LIKELY(received > 0))
		step = deliver_sent(c, d, &c->end[other_side(from)], data, (size_t)received, sent);
	if (LIKELY(step == STEP_DONE && !c->end[from].readable))
		return;
	if (step == STEP_DONE || after_move(c, from, step) == TURN_AGAIN)
		relay_run(c);
}

void
relay_recheck(struct conn *c)
{
	enum side from;

	for (from = CLIENT; from <= BACKEND; from++) {
		if (c->from[from].ended)
			continue;
		c->end[from].readable = true;
		/* splice() at an urgent byte says EAGAIN for ever: one recv() tells. */
		c->from[from].splicing = false;
	}
	relay_run(c);
}
