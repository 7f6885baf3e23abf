/* Counts the connections that evhttp accepts, and gives each its own deadline. evhttp says when it
 * makes a bufferevent, by asking for one, and when it closes a connection; the connection's handle,
 * which is needed to be told that, is what evhttp sets as the bufferevent's callback argument. */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "iaido/clock.h"
#include "iaido/reserve.h"

#define RESUME_MSEC 100 /* after accept() failed, or memory ran out */
#define ROOM_MSEC 100 /* at the cap, who says nothing for so long makes room */

struct client {
	struct clients *owner;
	struct client *next;
	struct client **prev;
	struct bufferevent *bev; /* a reference, until the connection is known */
	struct evhttp_connection *conn; /* NULL until evhttp has made it */
	struct event *timer;
	size_t taken_len; /* of the present request, as it came */
	int64_t waiting_since_ns; /* for a request */
	bool is_answering;
	bool has_sent; /* since the last look at its progress */
	int unacked_len; /* in the kernel's send queue at that look */
	int stalled_seconds;
};

struct clients {
	struct evhttp *http;
	struct evconnlistener *listener; /* evhttp's; NULL when that is being freed */
	struct event *resume;
	struct event *room;
	struct client *first;
	unsigned count;
};

static void
client_free(struct client *cl)
{
	struct clients *c = cl->owner;

	*cl->prev = cl->next;
	if (cl->next)
		cl->next->prev = cl->prev;
	event_free(cl->timer);
	if (cl->bev)
		bufferevent_decref(cl->bev);
	free(cl);
	if (c->count-- == DIAG_CLIENTS_MAX && c->listener)
		evconnlistener_enable(c->listener);
}

static void
set_deadline(struct client *cl, int seconds)
{
	const struct timeval after = { .tv_sec = seconds };

	(void)event_add(cl->timer, &after);
}

/* What the kernel still holds of an answer: it shrinks long before the socket is writable again. */
static int
get_unacked_len(struct client *cl)
{
	int len = 0, fd = bufferevent_getfd(evhttp_connection_get_bufferevent(cl->conn));

	return ioctl(fd, SIOCOUTQ, &len) < 0 ? 0 : len;
}

/* Once a second while it takes an answer; false when it has not for too long. */
static bool
makes_progress(struct client *cl)
{
	int len = get_unacked_len(cl);

	if (cl->has_sent || len < cl->unacked_len)
		cl->stalled_seconds = 0;
	else
		cl->stalled_seconds++;
	cl->has_sent = false;
	cl->unacked_len = len;
	return cl->stalled_seconds < DIAG_PROGRESS_SECONDS;
}

static void
make_room_soon(struct clients *c)
{
	const struct timeval after = { .tv_usec = ROOM_MSEC * 1000 };

	(void)event_add(c->room, &after);
}

static void
on_closed(struct evhttp_connection *conn, void *arg)
{
	(void)conn;
	client_free(arg);
}

static void
on_sent(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	struct client *cl = arg;

	(void)buffer;
	if (info->n_deleted > 0)
		cl->has_sent = true;
}

static void
on_taken(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	struct client *cl = arg;

	(void)buffer;
	cl->taken_len += info->n_deleted;
}

static bool
somebody_waits(struct clients *c)
{
	struct pollfd p = { .fd = evconnlistener_get_fd(c->listener), .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* At the cap: clients that hold a place and ask nothing are no reason to let others wait. */
static void
on_room(evutil_socket_t fd, short what, void *arg)
{
	struct clients *c = arg;
	int64_t before_ns = clock_now_ns() - ROOM_MSEC * NSEC_PER_MSEC;
	struct client *cl, *next;

	(void)fd;
	(void)what;
	for (cl = somebody_waits(c) ? c->first : NULL; cl; cl = next) {
		next = cl->next;
		if (cl->conn && !cl->is_answering && cl->waiting_since_ns <= before_ns)
			evhttp_connection_free(cl->conn);
	}
	if (c->count == DIAG_CLIENTS_MAX)
		make_room_soon(c);
}

/* First called before anything has come from the new connection, then at its deadline, or to look at
 * its progress. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;
	void *conn = NULL;

	(void)fd;
	(void)what;
	if (cl->conn && cl->is_answering && makes_progress(cl)) {
		set_deadline(cl, 1);
		return;
	}
	if (cl->conn) {
		evhttp_connection_free(cl->conn);
		return;
	}
	bufferevent_getcb(cl->bev, NULL, NULL, NULL, &conn);
	if (!conn) {
		client_free(cl); /* evhttp did not take it after all */
		return;
	}
	cl->conn = conn;
	bufferevent_decref(cl->bev);
	cl->bev = NULL;
	evhttp_connection_set_closecb(conn, on_closed, cl);
	cl->waiting_since_ns = clock_now_ns();
	set_deadline(cl, DIAG_REQUEST_SECONDS);
}

static void
pause_accepting(struct clients *c)
{
	const struct timeval after = { .tv_usec = RESUME_MSEC * 1000 };

	(void)evconnlistener_disable(c->listener);
	(void)event_add(c->resume, &after);
}

/* evhttp is about to make a connection. With NULL it goes without us. */
static struct bufferevent *
on_new_connection(struct event_base *base, void *arg)
{
	struct clients *c = arg;
	struct client *cl = calloc(1, sizeof(*cl));

	/* evhttp crashes where it finds no memory for a connection: the reserve is for this one. */
	if (reserve_is_used())
		pause_accepting(c);
	if (!cl)
		return NULL;
	cl->timer = evtimer_new(base, on_timer, cl);
	cl->bev = bufferevent_socket_new(base, -1, 0);
	if (!cl->timer || !cl->bev ||
		!evbuffer_add_cb(bufferevent_get_output(cl->bev), on_sent, cl) ||
		!evbuffer_add_cb(bufferevent_get_input(cl->bev), on_taken, cl)) {
		if (cl->timer)
			event_free(cl->timer);
		if (cl->bev)
			bufferevent_free(cl->bev);
		free(cl);
		return NULL;
	}
	bufferevent_incref(cl->bev);
	cl->owner = c;
	cl->next = c->first;
	cl->prev = &c->first;
	if (cl->next)
		cl->next->prev = &cl->next;
	c->first = cl;
	if (++c->count == DIAG_CLIENTS_MAX) {
		evconnlistener_disable(c->listener);
		make_room_soon(c);
	}
	event_active(cl->timer, EV_TIMEOUT, 0);
	return cl->bev;
}

static void
on_request_done(struct evhttp_request *req, void *arg)
{
	struct client *cl = arg;

	cl->is_answering = false;
	cl->taken_len = 0;
	cl->waiting_since_ns = clock_now_ns();
	if (evhttp_request_get_command(req) == EVHTTP_REQ_CONNECT)
		set_deadline(cl, 0); /* refused, but evhttp goes on as if it were a tunnel */
	else
		set_deadline(cl, DIAG_REQUEST_SECONDS);
}

size_t
clients_answer(struct clients *c, struct evhttp_request *req)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req);

	for (struct client *cl = c->first; cl; cl = cl->next) {
		if (cl->conn != conn)
			continue;
		cl->is_answering = true;
		cl->stalled_seconds = 0;
		set_deadline(cl, 1);
		evhttp_request_set_on_complete_cb(req, on_request_done, cl);
		return cl->taken_len - evbuffer_get_length(evhttp_request_get_input_buffer(req));
	}
	return 0;
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	pause_accepting(arg);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct clients *c = arg;

	(void)fd;
	(void)what;
	if (reserve_is_used())
		pause_accepting(c);
	else if (c->count < DIAG_CLIENTS_MAX)
		(void)evconnlistener_enable(c->listener);
}

int
clients_new(struct event_base *base, struct evhttp *http, int fd, struct clients **out)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->http = http;
	c->resume = evtimer_new(base, on_resume, c);
	c->room = evtimer_new(base, on_room, c);
	c->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!c->resume || !c->room || !c->listener || !evhttp_bind_listener(http, c->listener)) {
		if (c->listener)
			evconnlistener_free(c->listener);
		if (c->resume)
			event_free(c->resume);
		if (c->room)
			event_free(c->room);
		free(c);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(c->listener, on_accept_error);
	evhttp_set_bevcb(http, on_new_connection, c);
	*out = c;
	return 0;
}

void
clients_free(struct clients *c)
{
	if (!c)
		return;
	c->listener = NULL;
	evhttp_free(c->http);
	while (c->first)
		client_free(c->first);
	event_free(c->resume);
	event_free(c->room);
	free(c);
}
