/* The acceptor: accepts only once a usable backend has a place, so that clients without one wait in
 * the listen queue. Owns this worker's copies of the listening sockets. */
#include "config.h"

#include "worker/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/worker.h"

#include "worker/batch.h"
#include "worker/conn.h"
#include "worker/dial.h"
#include "worker/frontend.h"

/* A worker with nothing to pick looks again this often. */
#define POLL_NS (10 * NSEC_PER_MSEC)
#define PAUSE_NS (400 * NSEC_PER_MSEC)
#define BATCH_MAX 64
/* So many full turns before a longer batch is tried, which may end with an accept in vain. */
#define FULL_TURNS 8
/* Kept free: both sockets of the next connection, a hedge, a pipe. */
#define DESCRIPTOR_RESERVE 8

struct listener {
	struct acceptor *acceptor;
	struct frontend *frontend; /* NULL = its frontend is not in the table */
	struct event event;
	uint32_t frontend_id;
	uint32_t slot;
	int fd; /* -1 = closed */
	bool known; /* its frontend has been in a table, and not as removed */
	bool mine; /* the table says that this worker accepts from it */
	bool added;
	bool blocked; /* clients wait in the queue, no backend has a place */
	bool was_blocked; /* clients may have gone while they waited: until the queue is empty */
	unsigned batch; /* accepts a turn: follows how many there are */
	unsigned full_turns; /* running, that found as many as the batch allows */
};

struct acceptor {
	struct worker *worker;
	struct listener *listeners;
	size_t count;
	struct event poll_event;
	struct event pause_event;
	bool poll_armed;
	bool paused;
};

enum accepted { ACCEPTED, QUEUE_EMPTY, NO_PLACE, NO_RESOURCES, ACCEPT_AGAIN };

static void on_listener(evutil_socket_t fd, short what, void *arg);
static void on_poll(evutil_socket_t fd, short what, void *arg);
static void on_pause_over(evutil_socket_t fd, short what, void *arg);

void
acceptor_update_limit(struct worker *w)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		w->descriptor_limit = limit.rlim_cur;
}

struct acceptor *
acceptor_new(struct worker *w, const struct worker_listener *listeners, size_t count)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	size_t i;

	if (a == NULL)
		return NULL;
	a->worker = w;
	a->listeners = calloc(count + 1, sizeof(*a->listeners));
	if (a->listeners == NULL) {
		free(a);
		return NULL;
	}
	a->count = count;
	for (i = 0; i < count; i++) {
		struct listener *l = &a->listeners[i];

		l->acceptor = a;
		l->frontend_id = listeners[i].frontend;
		l->slot = listeners[i].slot;
		l->fd = listeners[i].fd;
		l->batch = 1;
		event_assign(&l->event, w->base, l->fd, EV_READ | EV_PERSIST, on_listener, l);
	}
	evtimer_assign(&a->poll_event, w->base, on_poll, a);
	evtimer_assign(&a->pause_event, w->base, on_pause_over, a);
	return a;
}

static void
listener_stop(struct listener *l)
{
	if (l->added)
		event_del(&l->event);
	l->added = false;
}

static void
listener_close(struct listener *l)
{
	listener_stop(l);
	if (l->fd >= 0) {
		close(l->fd);
		l->acceptor->worker->descriptors--;
	}
	l->fd = -1;
	l->mine = false;
	l->blocked = false;
}

void
acceptor_close(struct acceptor *a)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		listener_close(&a->listeners[i]);
}

void
acceptor_free(struct acceptor *a)
{
	if (a == NULL)
		return;
	acceptor_close(a);
	event_del(&a->poll_event);
	event_del(&a->pause_event);
	free(a->listeners);
	free(a);
}

/* Listens to the event only where an accept is wanted: it is level-triggered. */
static void
listener_update(struct listener *l)
{
	bool wanted = l->fd >= 0 && l->mine && !l->blocked && !l->acceptor->paused;

	if (!wanted)
		listener_stop(l);
	else if (!l->added)
		l->added = event_add(&l->event, NULL) == 0;
}

static bool
owns_slot(const struct worker *w, const struct frontend *f, uint32_t slot)
{
	return f != NULL && !f->conf.removed && slot < f->conf.slot_count &&
		f->conf.slot_owners[slot] == w->number;
}

void
acceptor_apply_table(struct acceptor *a)
{
	struct worker *w = a->worker;
	size_t i;

	for (i = 0; i < a->count; i++) {
		struct listener *l = &a->listeners[i];

		l->frontend = frontend_find(w, l->frontend_id);
		if (l->fd < 0)
			continue;
		if (l->frontend == NULL || l->frontend->conf.removed) {
			/* A new generation is ready before the table has what its file has: what
			 * is new, or was removed by the file before. */
			if (l->known)
				listener_close(l);
			continue;
		}
		l->known = true;
		l->mine = owns_slot(w, l->frontend, l->slot);
		/* The new table may have room. */
		l->blocked = false;
		listener_update(l);
	}
	acceptor_poll_soon(a);
}

void
acceptor_poll_soon(struct acceptor *a)
{
	struct timeval tv = worker_timeval(POLL_NS);

	/* A pause looks by itself when it is over. */
	if (a->poll_armed || a->paused)
		return;
	a->poll_armed = event_add(&a->poll_event, &tv) == 0;
}

void
acceptor_pause(struct acceptor *a, int error)
{
	struct worker *w = a->worker;
	struct timeval tv = worker_timeval(PAUSE_NS);
	uint64_t left_out;
	size_t i;

	if (a->paused || event_add(&a->pause_event, &tv) < 0)
		return;
	a->paused = true;
	if (SHARE_GET(w->share->head->paused_since_ns) == 0)
		SHARE_SET(w->share->head->paused_since_ns, clock_now_ns());
	for (i = 0; i < a->count; i++) {
		struct listener *l = &a->listeners[i];

		if (l->added && l->frontend != NULL)
			SHARE_ADD(l->frontend->share->accept_pauses, 1);
		listener_update(l);
	}
	if (log_limit_allow(&w->limit_log, clock_now_ns(), &left_out))
		log_event(LOG_LEVEL_WARN, "accept.paused", "accepting pauses",
			LOG_ERR("error", error), LOG_INT("connections", w->conn_count),
			LOG_INT("limit", w->descriptor_limit), LOG_INT("leftOut", left_out));
}

static bool
has_descriptors(const struct worker *w)
{
	return w->descriptors + DESCRIPTOR_RESERVE <= w->descriptor_limit;
}

static void
serve_waiting(struct acceptor *a)
{
	struct worker *w = a->worker;
	size_t i;

	for (i = 0; i < w->frontend_count; i++) {
		if (!dial_serve_waiting(w->frontends[i]))
			acceptor_poll_soon(a);
	}
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;
	struct timeval tv = worker_timeval(PAUSE_NS);
	size_t i;

	(void)fd;
	(void)what;
	acceptor_update_limit(a->worker);
	/* Who was accepted before needs one descriptor, not the reserve. */
	serve_waiting(a);
	if (!has_descriptors(a->worker) && event_add(&a->pause_event, &tv) == 0)
		return;
	a->paused = false;
	SHARE_SET(a->worker->share->head->paused_since_ns, 0);
	for (i = 0; i < a->count; i++)
		listener_update(&a->listeners[i]);
	/* Nobody looked meanwhile at those who wait for a place. */
	acceptor_poll_soon(a);
}

/* Errors of the client that was next in the queue, and is in it no more (accept(2)). Any other is of
 * this host, and would be there again at once. */
static bool
is_clients(int error)
{
	switch (error) {
	case ECONNABORTED:
	case ECONNRESET:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case EINTR:
	case ENETDOWN:
	case ENETUNREACH:
	case ENONET:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPROTO:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* A client that waited for long may be gone: then no backend is dialled for it. */
static bool
client_is_gone(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static enum accepted
accept_client(struct listener *l, struct conn *c, int *fd_out)
{
	struct worker *w = l->acceptor->worker;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	bool wants_address = w->log_connections;
	int fd;

	fd = accept4(l->fd, wants_address ? (struct sockaddr *)&ss : NULL,
		wants_address ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN)
			return QUEUE_EMPTY;
		return is_clients(errno) ? ACCEPT_AGAIN : NO_RESOURCES;
	}
	if (l->was_blocked && client_is_gone(fd)) {
		close(fd);
		return ACCEPT_AGAIN;
	}
	if (wants_address)
		c->setup->client_known =
			addr_from_sockaddr((struct sockaddr *)&ss, len, &c->setup->client) == 0;
	*fd_out = fd;
	return ACCEPTED;
}

/* With a place reserved and a connection at hand: accepts and dials, or gives both back. */
static enum accepted
accept_with_place(struct listener *l, struct conn *c, uint32_t backend)
{
	struct worker *w = l->acceptor->worker;
	struct frontend *f = l->frontend;
	uint32_t cell = f->conf.backends[backend].cell;
	enum accepted r;
	int fd = -1, error;

	r = accept_client(l, c, &fd);
	if (r != ACCEPTED) {
		error = errno;
		place_release(w->board, w->share, cell);
		frontend_release(w->board, w->share, f->id);
		conn_discard(c);
		errno = error;
		return r;
	}
	conn_accepted(c, f, fd);
	conn_take_place(c, cell);
	if (endpoint_register(c, CLIENT) < 0)
		conn_close(c, true);
	else
		dial_start(c, backend);
	return ACCEPTED;
}

static enum accepted
accept_one(struct listener *l)
{
	struct worker *w = l->acceptor->worker;
	struct frontend *f = l->frontend;
	struct conn *c;
	int backend;

	errno = EMFILE;
	if (!has_descriptors(w))
		return NO_RESOURCES;
	/* Those who were accepted before have the first right to a place. */
	if (f->waiting_count > 0)
		return NO_PLACE;
	c = conn_new(w);
	if (c == NULL)
		return NO_RESOURCES;
	if (!frontend_reserve(w->board, w->share, f->id, f->conf.max_connections)) {
		conn_discard(c);
		return NO_PLACE;
	}
	backend = picker_take(&f->picker, w->board, w->share, NULL, &w->rng);
	if (backend == PICK_NONE) {
		frontend_release(w->board, w->share, f->id);
		conn_discard(c);
		return NO_PLACE;
	}
	return accept_with_place(l, c, (uint32_t)backend);
}

static void
accept_some(struct listener *l)
{
	unsigned count;
	enum accepted r = ACCEPTED;

	for (count = 0; count < l->batch && l->fd >= 0; count++) {
		r = accept_one(l);
		if (r != ACCEPTED && r != ACCEPT_AGAIN)
			break;
	}
	switch (r) {
	case QUEUE_EMPTY:
		l->was_blocked = false;
		/* No more accepts than there were clients, the next time. */
		l->batch = count > 1 ? count : 1;
		l->full_turns = 0;
		break;
	case NO_PLACE:
		l->blocked = true;
		l->was_blocked = true;
		listener_update(l);
		acceptor_poll_soon(l->acceptor);
		break;
	case NO_RESOURCES:
		l->was_blocked = true;
		acceptor_pause(l->acceptor, errno);
		break;
	default:
		if (++l->full_turns >= FULL_TURNS && l->batch < BATCH_MAX) {
			l->batch *= 2;
			l->full_turns = 0;
		}
		break;
	}
}

static void
on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	batch_run_ends(l->acceptor->worker);
	accept_some(l);
}

static void
on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;
	struct worker *w = a->worker;
	size_t i;

	(void)fd;
	(void)what;
	a->poll_armed = false;
	batch_run_ends(w);
	if (a->paused)
		return;
	serve_waiting(a);
	for (i = 0; i < a->count; i++) {
		struct listener *l = &a->listeners[i];

		if (!l->blocked || a->paused)
			continue;
		/* Asked first, so that a full pool costs no system call. */
		if (l->frontend->waiting_count > 0 ||
			!picker_usable(&l->frontend->picker, w->board, NULL)) {
			acceptor_poll_soon(a);
			continue;
		}
		l->blocked = false;
		accept_some(l);
		listener_update(l);
	}
}
