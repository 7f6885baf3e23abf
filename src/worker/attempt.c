/* One attempt to connect: opening its socket, what its event says, what its end means for the backend.
 * Whose attempt it is (a connection's own, or one beside it) is dial.c's and hedge.c's. */
#include "config.h"

#include "worker/attempt.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/msg.h"

#include "worker/frontend.h"
#include "worker/loop.h"

/* A port of this host's own choice could be the very port that is dialled (a self-connect); worth a
 * look when the backend has not answered for this long. */
#define SELF_CONNECT_NS (100 * NSEC_PER_MSEC)

bool
attempt_error_is_local(int error)
{
	switch (error) {
	case EADDRNOTAVAIL:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EPERM:
		return true;
	default:
		return false;
	}
}

bool
attempt_error_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The failed flag is set for every worker at once; the master hears of it once. */
void
attempt_failed(struct worker *w, uint32_t cell, int error)
{
	struct msg_dial_failed m = { .cell = cell, .error = error };

	SHARE_ADD(w->share->cells[cell].dials_failed, 1);
	if (attempt_error_is_local(error))
		return;
	if (!place_fail(w->board, cell, error, clock_now_ns()))
		return;
	/* A full channel loses nothing: the master also looks at the flags. */
	if (msg_send_dial_failed(w->chan_fd, &m) < 0)
		return;
}

void
attempt_answered(struct worker *w, uint32_t cell, int64_t started_ns)
{
	struct share_cell *s = &w->share->cells[cell];
	int64_t now_ns = clock_now_ns(), took_us = (now_ns - started_ns) / NSEC_PER_USEC;

	SHARE_ADD(s->dials_ok, 1);
	SHARE_SET(s->last_dial_us, took_us > 0 ? (uint32_t)took_us : 1);
	SHARE_SET(s->last_dial_ns, now_ns);
}

/* Returns a socket whose connect() is under way, or -errno. */
int
attempt_open(struct worker *w, const struct addr *a)
{
	static const int on = 1;
	int fd, error;

	fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Set later, it could be too late: of two urgent bytes the kernel drops one that a read has
	 * ended before. */
	if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) < 0 ||
		(connect(fd, &a->sa, addr_len(a)) < 0 && errno != EINPROGRESS)) {
		error = errno;
		close(fd);
		return -error;
	}
	w->descriptors++;
	return fd;
}

/* What a socket's event says of its dial: 0 = connected, -EINPROGRESS = nothing yet, or -errno.
 * Written alone means connected; with read it may be a refusal as well. */
int
attempt_outcome(int fd, short what)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(what & EV_WRITE))
		return -EINPROGRESS;
	if (!(what & (EV_READ | EV_CLOSED)))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static bool
is_self_connected(int fd)
{
	struct sockaddr_storage here = { 0 }, there = { 0 };
	socklen_t here_len = sizeof(here), there_len = sizeof(there);
	struct addr a, b;

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
		getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
		return false;
	return addr_from_sockaddr((struct sockaddr *)&here, here_len, &a) == 0 &&
		addr_from_sockaddr((struct sockaddr *)&there, there_len, &b) == 0 &&
		addr_equal(&a, &b);
}

bool
attempt_hit_itself(struct worker *w, uint32_t cell, int fd)
{
	int64_t last_ns = SHARE_GET(w->share->cells[cell].last_dial_ns);

	return clock_coarse_ns() - last_ns > SELF_CONNECT_NS && is_self_connected(fd);
}

int64_t
attempt_patience_ns(const struct frontend *f, const struct table_backend *b)
{
	int64_t twice_ns = 2 * b->latency_ns;

	if (f->conf.hedge_ns == 0)
		return 0;
	return twice_ns > f->conf.hedge_ns ? twice_ns : f->conf.hedge_ns;
}

void
attempt_set_suspect(struct worker *w, uint32_t cell, bool *flag, bool suspect)
{
	if (*flag == suspect)
		return;
	*flag = suspect;
	if (suspect)
		place_suspect_add(w->board, w->share, cell);
	else
		place_suspect_remove(w->board, w->share, cell);
}
