/* A worker's channel in the master's loop: a place for one message of each kind, sent in the order
 * log, table, drain, stop as the socket takes them. Descriptors that wait are copies of its own. */
#include "config.h"

#include "channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "iaido/chan.h"

#define RECEIVE_BUDGET 64 /* messages per turn of the loop */

static void
fail(struct channel *c, int error)
{
	struct channel_owner owner = c->owner;

	channel_close(c);
	owner.closed(owner.arg, error);
}

static void
drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* One message of those that wait; 1 = sent, 0 = none waits, or -errno. */
static int
send_next(struct channel *c)
{
	int r;

	if (c->has_log) {
		r = msg_send_log(c->fd, &c->log, c->log_fd);
		if (r == 0) {
			c->has_log = false;
			drop_fd(&c->log_fd);
		}
	} else if (c->has_table) {
		r = msg_send_table(c->fd, &c->table, c->table_fd);
		if (r == 0) {
			c->has_table = false;
			drop_fd(&c->table_fd);
		}
	} else if (c->has_drain) {
		r = msg_send_drain(c->fd, &c->drain);
		c->has_drain = r != 0;
	} else if (c->has_stop) {
		r = msg_send_stop(c->fd);
		c->has_stop = r != 0;
	} else {
		return 0;
	}
	return r < 0 ? r : 1;
}

/* An error that is not "full" shows up on the reading side too; it is acted on there. */
static void
flush(struct channel *c)
{
	int r;

	if (c->fd < 0)
		return;
	do {
		r = send_next(c);
	} while (r > 0);
	if (r == -EAGAIN)
		event_add(c->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

static int
receive_one(struct channel *c, struct msg *out)
{
	struct chan_message in;
	int r = chan_receive(c->fd, &in);

	if (r <= 0)
		return r == 0 ? -EPIPE : r;
	return msg_decode(&in, MSG_FROM_WORKER, out);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;
	struct msg m;
	int i, r;

	(void)fd;
	(void)what;
	for (i = 0; i < RECEIVE_BUDGET; i++) {
		r = receive_one(c, &m);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			fail(c, r == -EPIPE || r == -ECONNRESET ? 0 : r);
			return;
		}
		c->owner.received(c->owner.arg, &m);
		if (c->fd < 0)
			return;
	}
}

int
channel_open(struct channel *c, struct event_base *base, int fd, const struct channel_owner *owner)
{
	*c = (struct channel){ .fd = -1, .log_fd = -1, .table_fd = -1, .owner = *owner };
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	if (!c->readable || !c->writable || event_add(c->readable, NULL) < 0) {
		channel_close(c);
		return -ENOMEM;
	}
	c->fd = fd;
	return 0;
}

void
channel_close(struct channel *c)
{
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	c->readable = c->writable = NULL;
	drop_fd(&c->fd);
	drop_fd(&c->log_fd);
	drop_fd(&c->table_fd);
	c->has_log = c->has_table = c->has_drain = c->has_stop = false;
}

/* A copy, since the original may be replaced before this one is sent. */
static bool
keep_copy(int *place, int fd)
{
	drop_fd(place);
	*place = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *place >= 0;
}

void
channel_send_table(struct channel *c, uint64_t number, int table_fd)
{
	if (c->fd < 0)
		return;
	c->table.number = number;
	c->has_table = keep_copy(&c->table_fd, table_fd);
	flush(c);
}

void
channel_send_log(struct channel *c, const struct msg_log *m, int log_fd)
{
	if (c->fd < 0)
		return;
	c->log = *m;
	c->has_log = keep_copy(&c->log_fd, log_fd);
	flush(c);
}

void
channel_send_drain(struct channel *c, const struct msg_drain *m)
{
	if (c->fd < 0)
		return;
	c->drain = *m;
	c->has_drain = true;
	flush(c);
}

void
channel_send_stop(struct channel *c)
{
	if (c->fd < 0)
		return;
	c->has_stop = true;
	flush(c);
}
