/* The prober: non-blocking connects with a deadline each. Owns the probes and their sockets; what an
 * answer means is the pool's. A probe's socket is told not to acknowledge at once and to be reset
 * on close, so that the handshake ends half-way: the backend's kernel has answered, its program
 * never sees a connection. */
#include "config.h"

#include "prober.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"

enum probe_state { PROBE_WAITING, PROBE_RUNNING, PROBE_ENDED };

struct probe {
	TAILQ_ENTRY(probe) link;
	struct prober *prober;
	struct addr addr;
	enum probe_state state;
	bool doubtful;
	int fd;
	struct event *event; /* writable, or its time is over */
	int64_t timeout_ns;
	int64_t started_ns;
	int error; /* of an ended one that waits for its callback */
	int64_t latency_ns;
	prober_callback *done;
	void *arg;
};

TAILQ_HEAD(probe_list, probe);

struct prober {
	struct event_base *base;
	struct event *turn; /* starts those that wait, reports those that ended at once */
	struct probe_list waiting[2]; /* [1]: doubtful */
	struct probe_list running;
	struct probe_list ended;
	unsigned running_count[2];
};

static struct probe_list *
list_of(struct probe *p)
{
	switch (p->state) {
	case PROBE_RUNNING:
		return &p->prober->running;
	case PROBE_ENDED:
		return &p->prober->ended;
	default:
		return &p->prober->waiting[p->doubtful];
	}
}

static void
set_state(struct probe *p, enum probe_state state)
{
	TAILQ_REMOVE(list_of(p), p, link);
	p->prober->running_count[p->doubtful] -= p->state == PROBE_RUNNING;
	p->state = state;
	p->prober->running_count[p->doubtful] += p->state == PROBE_RUNNING;
	TAILQ_INSERT_TAIL(list_of(p), p, link);
}

static void
probe_free(struct probe *p)
{
	TAILQ_REMOVE(list_of(p), p, link);
	p->prober->running_count[p->doubtful] -= p->state == PROBE_RUNNING;
	if (p->event)
		event_free(p->event);
	if (p->fd >= 0)
		close(p->fd); /* SO_LINGER makes it a reset */
	free(p);
}

static bool
is_local_fault(int error)
{
	return error == EADDRNOTAVAIL || error == EMFILE || error == ENFILE || error == ENOBUFS ||
		error == ENOMEM;
}

static void
wake(struct prober *p)
{
	event_active(p->turn, EV_TIMEOUT, 0);
}

/* Tells the owner, who may start another one or end the prober's others, and frees it. */
static void
report(struct probe *p)
{
	prober_callback *done = p->done;
	int64_t latency_ns = p->latency_ns;
	int error = p->error;
	void *arg = p->arg;

	wake(p->prober);
	probe_free(p);
	done(arg, error, is_local_fault(error), latency_ns);
}

/* The kernel's own measure of the handshake where it has one: the loop may look late. */
static int64_t
measure_ns(const struct probe *p, int64_t now_ns)
{
	int64_t seen_ns = now_ns > p->started_ns ? now_ns - p->started_ns : 1, rtt_ns;
	socklen_t len = sizeof(struct tcp_info);
	struct tcp_info info = { 0 };

	if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return seen_ns;
	/* A SYN sent twice: the time is a timer's, not the network's. */
	if (info.tcpi_total_retrans > 0 || info.tcpi_retransmits > 0)
		return 0;
	rtt_ns = (int64_t)info.tcpi_rtt * NSEC_PER_USEC;
	return rtt_ns > 0 && rtt_ns < seen_ns ? rtt_ns : seen_ns;
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct probe *p = arg;
	int64_t now_ns = clock_now_ns();
	int error = 0;
	socklen_t len = sizeof(error);

	if (!(what & EV_WRITE))
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	p->error = error;
	if (error == 0)
		p->latency_ns = measure_ns(p, now_ns);
	report(p);
}

/* A socket that leaves no trace at the other end. */
static int
open_socket(const struct addr *a)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int off = 0, r;
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int
start_connect(struct probe *p)
{
	struct timeval tv = { .tv_sec = p->timeout_ns / NSEC_PER_SEC,
		.tv_usec = p->timeout_ns % NSEC_PER_SEC / NSEC_PER_USEC };

	p->fd = open_socket(&p->addr);
	if (p->fd < 0)
		return p->fd;
	p->started_ns = clock_now_ns();
	if (connect(p->fd, &p->addr.sa, addr_len(&p->addr)) < 0 && errno != EINPROGRESS)
		return -errno;
	/* Answered at once (loopback) is seen as writable, too. */
	p->event = event_new(p->prober->base, p->fd, EV_WRITE, on_connected, p);
	if (!p->event || event_add(p->event, &tv) < 0)
		return -ENOMEM;
	return 0;
}

static void
start(struct probe *p)
{
	int r;

	set_state(p, PROBE_RUNNING);
	r = start_connect(p);
	if (r < 0) {
		p->error = -r;
		set_state(p, PROBE_ENDED);
	}
}

static struct probe *
next_to_start(struct prober *p)
{
	if (p->running_count[0] + p->running_count[1] >= PROBES_MAX)
		return NULL;
	if (!TAILQ_EMPTY(&p->waiting[0]))
		return TAILQ_FIRST(&p->waiting[0]);
	return p->running_count[1] < PROBES_DOUBTFUL_MAX ? TAILQ_FIRST(&p->waiting[1]) : NULL;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct prober *p = arg;
	struct probe *next;
	unsigned budget = PROBES_MAX;

	(void)fd;
	(void)what;
	while (budget > 0 && (next = TAILQ_FIRST(&p->ended))) {
		report(next);
		budget--;
	}
	while (budget > 0 && (next = next_to_start(p))) {
		start(next);
		budget--;
	}
	if (!TAILQ_EMPTY(&p->ended) || next_to_start(p))
		wake(p);
}

int
prober_new(struct event_base *base, struct prober **out)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->base = base;
	TAILQ_INIT(&p->waiting[0]);
	TAILQ_INIT(&p->waiting[1]);
	TAILQ_INIT(&p->running);
	TAILQ_INIT(&p->ended);
	p->turn = event_new(base, -1, 0, on_turn, p);
	if (!p->turn) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

static void
free_list(struct probe_list *list)
{
	struct probe *p;

	while ((p = TAILQ_FIRST(list)))
		probe_free(p);
}

void
prober_free(struct prober *p)
{
	if (!p)
		return;
	free_list(&p->waiting[0]);
	free_list(&p->waiting[1]);
	free_list(&p->running);
	free_list(&p->ended);
	event_free(p->turn);
	free(p);
}

struct probe *
prober_start(struct prober *prober, const struct addr *a, bool doubtful, int64_t timeout_ns,
	prober_callback *done, void *arg)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->prober = prober;
	p->addr = *a;
	p->doubtful = doubtful;
	p->fd = -1;
	p->timeout_ns = timeout_ns > 0 ? timeout_ns : 1;
	p->done = done;
	p->arg = arg;
	TAILQ_INSERT_TAIL(list_of(p), p, link);
	wake(prober);
	return p;
}

void
probe_cancel(struct probe *p)
{
	wake(p->prober);
	probe_free(p);
}
