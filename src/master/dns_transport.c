/* The sockets under c-ares, of which 1.18 asks a server all that it has to ask from one port, with
 * ids that are far from evenly spread (chi-square of the upper four bits of 10,000: 1,000, where 25
 * would be much): who forges answers has little to guess. Here what c-ares takes for its socket is
 * an epoll descriptor, and in it is a socket for each question, with a port that the kernel draws at
 * random, and a random id in place of the one that c-ares knows. */
#include "config.h"

#include "dns_transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "iaido/clock.h"

/* Ports open at once, and of the descriptor limit no more than a quarter. Past it the one that waits
 * longest goes: c-ares asks again. */
#define PORTS_MAX 2048
#define PORTS_MIN 16
#define DESCRIPTOR_PARTS 4
/* A question whose answer is late is given up after so many tries' time: c-ares makes two, the
 * second one twice as long, and does not tell when it is through with one of many. */
#define LATE_TRIES 4
#define READS_MAX 64 /* of what nobody has asked for, before others have their turn */

#define DNS_ID 2
#define DNS_HEAD 12
#define DNS_QUESTION_MAX (255 + 4) /* name, type and class */

/* What c-ares takes for one UDP socket, connected to a server. */
struct udp {
	LIST_ENTRY(udp) link;
	int fd; /* epoll */
	struct sockaddr_storage server;
	socklen_t server_len;
};

struct question {
	TAILQ_ENTRY(question) link;
	struct udp *udp;
	int fd;
	int64_t sent_ns;
	uint8_t id[DNS_ID]; /* as it was sent */
	size_t len; /* without what follows the question proper */
	uint8_t text[DNS_HEAD + DNS_QUESTION_MAX]; /* as c-ares has it */
};

TAILQ_HEAD(question_list, question);

struct dns_transport {
	LIST_HEAD(, udp) udps;
	struct question_list questions; /* of all servers, in the order in which they were sent */
	size_t count;
	size_t max;
	int64_t late_ns;
};

/* Explicitly out of the epoll: a child just forked may have a copy, which would keep it in there. */
static void
question_close(struct dns_transport *t, struct question *q)
{
	(void)epoll_ctl(q->udp->fd, EPOLL_CTL_DEL, q->fd, NULL);
	close(q->fd);
	TAILQ_REMOVE(&t->questions, q, link);
	t->count--;
	free(q);
}

static struct udp *
find_udp(const struct dns_transport *t, int fd)
{
	struct udp *u;

	LIST_FOREACH(u, &t->udps, link)
		if (u->fd == fd)
			return u;
	return NULL;
}

static void
udp_close(struct dns_transport *t, struct udp *u)
{
	struct question *q, *next;

	for (q = TAILQ_FIRST(&t->questions); q; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->udp == u)
			question_close(t, q);
	}
	LIST_REMOVE(u, link);
	close(u->fd);
	free(u);
}

static void
make_room(struct dns_transport *t, int64_t now_ns)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&t->questions)) &&
		(t->count >= t->max || now_ns - q->sent_ns > t->late_ns))
		question_close(t, q);
}

/* Without descriptors, too, the one that waits longest goes. */
static int
open_socket(struct dns_transport *t, int family)
{
	for (;;) {
		int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || t->count == 0)
			return fd;
		question_close(t, TAILQ_FIRST(&t->questions));
	}
}

/* On a port of its own, with its own id. Returns what sendmsg() does. */
static ssize_t
send_question(struct dns_transport *t, struct question *q, const struct iovec *text)
{
	struct iovec parts[] = { { q->id, DNS_ID },
		{ (uint8_t *)text->iov_base + DNS_ID, text->iov_len - DNS_ID } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = q };
	const struct udp *u = q->udp;
	ssize_t sent = -1;
	int error;

	q->fd = open_socket(t, u->server.ss_family);
	if (q->fd < 0)
		return -1;
	if (connect(q->fd, (const struct sockaddr *)&u->server, u->server_len) == 0 &&
		epoll_ctl(u->fd, EPOLL_CTL_ADD, q->fd, &e) == 0)
		sent = sendmsg(q->fd, &m, MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	error = errno;
	(void)epoll_ctl(u->fd, EPOLL_CTL_DEL, q->fd, NULL);
	close(q->fd);
	errno = error;
	return -1;
}

/* How long header and question are; 0: there is none that can be. */
static size_t
question_len(const uint8_t *text, size_t len)
{
	size_t at = DNS_HEAD;

	while (at < len && text[at] > 0)
		at += 1 + (size_t)text[at];
	at += 1 + 4;
	return at <= len && at <= DNS_HEAD + DNS_QUESTION_MAX ? at : 0;
}

static struct question *
question_new(struct udp *u, const struct iovec *text)
{
	size_t len = question_len(text->iov_base, text->iov_len);
	struct question *q = len > 0 ? calloc(1, sizeof(*q)) : NULL;

	if (!q)
		return NULL;
	q->udp = u;
	q->sent_ns = clock_now_ns();
	q->len = len;
	memcpy(q->text, text->iov_base, len);
	/* A sandbox without getrandom(2) has c-ares' own. */
	if (getrandom(q->id, DNS_ID, GRND_NONBLOCK) != DNS_ID)
		memcpy(q->id, q->text, DNS_ID);
	return q;
}

static ares_ssize_t
ask(struct dns_transport *t, struct udp *u, const struct iovec *text)
{
	struct question *q = question_new(u, text);
	ssize_t sent;

	if (!q)
		return -1;
	make_room(t, q->sent_ns);
	sent = send_question(t, q, text);
	if (sent < 0) {
		free(q);
		return -1;
	}
	TAILQ_INSERT_TAIL(&t->questions, q, link);
	t->count++;
	return sent;
}

static bool
has_id_of(const struct question *q, const uint8_t *text, ssize_t len)
{
	return len >= DNS_HEAD && memcmp(text, q->id, DNS_ID) == 0;
}

/* Whatever the case of its letters. Else it is forged or spoiled, and the right one may come yet;
 * whether it is an answer is c-ares' to say. */
static bool
repeats_question(const struct question *q, const uint8_t *text, ssize_t len)
{
	if ((size_t)len < q->len)
		return false;
	for (size_t i = DNS_HEAD; i < q->len; i++)
		if ((text[i] ^ q->text[i]) & ~0x20)
			return false;
	return true;
}

static ares_ssize_t
receive(struct dns_transport *t, struct udp *u, void *buf, size_t size, struct sockaddr *from,
	ares_socklen_t *from_len)
{
	for (int reads = 0; reads < READS_MAX; reads++) {
		ares_socklen_t len = *from_len;
		struct epoll_event e;
		struct question *q;
		ssize_t got;

		if (epoll_wait(u->fd, &e, 1, 0) <= 0)
			break;
		q = e.data.ptr;
		got = recvfrom(q->fd, buf, size, MSG_DONTWAIT, from, &len);
		if (got < 0 && errno != EAGAIN && errno != EINTR) {
			int error = errno;

			question_close(t, q);
			errno = error;
			return -1;
		}
		if (!has_id_of(q, buf, got))
			continue;
		memcpy(buf, q->text, DNS_ID);
		if (repeats_question(q, buf, got))
			question_close(t, q);
		*from_len = len;
		return got;
	}
	errno = EAGAIN;
	return -1;
}

/* What c-ares calls */

static ares_socket_t
open_tcp(int family, int type, int protocol)
{
	int one = 1, fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static ares_socket_t
on_open(int family, int type, int protocol, void *arg)
{
	struct dns_transport *t = arg;
	struct udp *u;

	if (type != SOCK_DGRAM)
		return open_tcp(family, type, protocol);
	u = calloc(1, sizeof(*u));
	if (!u)
		return ARES_SOCKET_BAD;
	u->fd = epoll_create1(EPOLL_CLOEXEC);
	if (u->fd < 0) {
		free(u);
		return ARES_SOCKET_BAD;
	}
	LIST_INSERT_HEAD(&t->udps, u, link);
	return u->fd;
}

static int
on_close(ares_socket_t fd, void *arg)
{
	struct udp *u = find_udp(arg, fd);

	if (!u)
		return close(fd);
	udp_close(arg, u);
	return 0;
}

static int
on_connect(ares_socket_t fd, const struct sockaddr *server, ares_socklen_t len, void *arg)
{
	struct udp *u = find_udp(arg, fd);

	if (!u)
		return connect(fd, server, len);
	if (len > sizeof(u->server)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&u->server, server, len);
	u->server_len = len;
	return 0;
}

static ares_ssize_t
on_receive(ares_socket_t fd, void *buf, size_t size, int flags, struct sockaddr *from,
	ares_socklen_t *from_len, void *arg)
{
	struct udp *u = find_udp(arg, fd);

	return u ? receive(arg, u, buf, size, from, from_len)
		 : recvfrom(fd, buf, size, flags, from, from_len);
}

static ares_ssize_t
on_send(ares_socket_t fd, const struct iovec *parts, int count, void *arg)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)parts,
		.msg_iovlen = (size_t)count };
	struct udp *u = find_udp(arg, fd);

	return u ? ask(arg, u, &parts[0]) : sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* The whole */

/* Others want descriptors, too. */
static size_t
ports_max(void)
{
	struct rlimit l;
	rlim_t part;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return PORTS_MIN;
	part = l.rlim_cur / DESCRIPTOR_PARTS;
	if (part < PORTS_MIN)
		return PORTS_MIN;
	return part < PORTS_MAX ? part : PORTS_MAX;
}

struct dns_transport *
dns_transport_new(int64_t timeout_ns)
{
	struct dns_transport *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	LIST_INIT(&t->udps);
	TAILQ_INIT(&t->questions);
	t->max = ports_max();
	t->late_ns = LATE_TRIES * timeout_ns;
	return t;
}

void
dns_transport_free(struct dns_transport *t)
{
	struct udp *u;

	if (!t)
		return;
	while ((u = LIST_FIRST(&t->udps)))
		udp_close(t, u);
	free(t);
}

void
dns_transport_use(struct dns_transport *t, ares_channel channel)
{
	static const struct ares_socket_functions functions = { on_open, on_close, on_connect,
		on_receive, on_send };

	ares_set_socket_functions(channel, &functions, t);
}
