/*
 * A DNS server for tests: answers UDP and TCP from a zone that may change while it runs, and
 * misbehaves on demand. It is in no way a real server: one thread, one zone, no recursion.
 *
 *     dnsd [-a ADDR] [-p PORT] [-z FILE] [-u]
 *
 * It binds ADDR (127.0.0.1) and PORT (0: any free one, the same for UDP and TCP; -u: no TCP) and
 * prints `ready ADDR:PORT` on stdout; then a line for each query that arrives:
 *
 *     query udp|tcp PEERADDR:PEERPORT ID TYPE NAME
 *
 * With -z the zone is FILE, looked at anew before each query (replace it by rename): a change holds
 * from the next query on, and dnsd ends with the process that started it. Without -z the zone is
 * read from stdin, a line at a time, each answered on stdout by `ok` or `error: why`, and dnsd ends
 * when stdin does. Both speak the same lines (# starts a comment; names are without final dot,
 * case does not matter; the name `*` stands for every name that has no line of its own):
 *
 *     NAME A TTL ADDRESS...         addresses (any number; lines of one name add up)
 *     NAME AAAA TTL ADDRESS...
 *     NAME many COUNT TTL ADDRESS   COUNT addresses from ADDRESS on (either family)
 *     NAME CNAME TTL TARGET         followed within the zone, 16 deep (so loops may be tried)
 *     NAME do WHAT [ARG] [A|AAAA] [udp|tcp]     how its queries (of a type, of a transport) are
 *                                   answered; several may stand for one name, the first that fits
 *                                   holds (`delay` adds to it):
 *         answer                    as the zone says (so that a later, wider line does not hold)
 *         delay MS                  late
 *         silent                    not at all
 *         nxdomain servfail refused formerr notimp      that code
 *         nodata                    NOERROR and no record
 *         truncate                  no record, TC set (over UDP; TCP answers)
 *         wrongid wrongname wrongtype wrongport wrongaddr       the right answer, but for that
 *                                   (another address of the server's: over IPv4)
 *         spoofed                   a wrong id, a wrong name, a wrong port, a wrong address, each
 *                                   with 192.0.2.66, and after these the right answer
 *         garbage                   random bytes after a right id
 *         short                     the right answer cut in the middle
 *         empty                     a datagram without a byte, a TCP message of length 0
 *         loop                      a record whose name is a compression pointer to itself
 *         badcount                  the right answer claiming 65,535 records
 *         badlength                 a record whose data runs past the end
 *         big                       64 KiB of records (over TCP; UDP truncates)
 *         close                     TCP is closed instead (over UDP: silent)
 *     NAME del                      forget what was said about NAME (stdin only)
 *     clear                         forget everything (stdin only)
 *
 * A name that no line mentions is NXDOMAIN; one that is mentioned, but not with that type, has no
 * data. A UDP answer longer than 512 bytes (or what EDNS allows, at most 1,232) is truncated.
 */
#include "config.h"

#include "dnsd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct tcp_conn {
	int fd;
	size_t len;
	uint8_t buf[2 + MAX_MSG];
};

struct late {
	struct late *next;
	int64_t due_ms;
	struct query q;
};

static struct late *lates;
static struct tcp_conn *conns[MAX_TCP];
static uint64_t conn_serials[MAX_TCP], next_serial;
static int udp_fd = -1, other_port_fd = -1, other_addr_fd = -1, tcp_fd = -1;

void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
send_raw(const struct peer *p, const void *data, size_t len, enum source from)
{
	const int fds[] = {
		[USUAL] = udp_fd, [OTHER_PORT] = other_port_fd, [OTHER_ADDRESS] = other_addr_fd
	};
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };
	int i;

	if (p->transport == UDP) {
		(void)!sendto(fds[from], data, len, 0, (const struct sockaddr *)&p->sa, p->sa_len);
		return;
	}
	for (i = 0; i < MAX_TCP; i++) {
		if (conns[i] == NULL || conn_serials[i] != p->tcp_serial)
			continue;
		if (send(conns[i]->fd, head, 2, MSG_NOSIGNAL | MSG_MORE) == 2)
			(void)!send(conns[i]->fd, data, len, MSG_NOSIGNAL);
	}
}

void
close_conn(uint64_t serial)
{
	int i;

	for (i = 0; i < MAX_TCP; i++)
		if (conns[i] != NULL && conn_serials[i] == serial) {
			close(conns[i]->fd);
			free(conns[i]);
			conns[i] = NULL;
		}
}

static void
log_query(const struct query *q)
{
	char addr[INET6_ADDRSTRLEN] = "?", type[16];
	const struct sockaddr_in *in = (const struct sockaddr_in *)&q->peer.sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&q->peer.sa;

	if (in->sin_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, addr, sizeof(addr));
	snprintf(type, sizeof(type), "TYPE%u", q->type);
	printf("query %s %s:%u %u %s %s\n", q->peer.transport == UDP ? "udp" : "tcp", addr,
		ntohs(in->sin_port), q->id,
		q->type == TYPE_A              ? "A"
			: q->type == TYPE_AAAA ? "AAAA"
					       : type,
		q->name);
}

static void
on_message(const uint8_t *data, size_t len, const struct peer *peer, const char *zone_path)
{
	struct query q = { .peer = *peer };
	int delay_ms;
	enum what w;

	if (!parse_query(data, len, &q))
		return;
	if (zone_path != NULL)
		zone_refresh(zone_path);
	log_query(&q);
	w = zone_rule(&q, &delay_ms);
	if (delay_ms > 0) {
		struct late *l = calloc(1, sizeof(*l)), **at = &lates;

		if (l == NULL)
			die("calloc");
		l->q = q;
		l->due_ms = now_ms() + delay_ms;
		while (*at != NULL && (*at)->due_ms <= l->due_ms)
			at = &(*at)->next;
		l->next = *at;
		*at = l;
		return;
	}
	answer(&q, w);
}

static void
send_late(void)
{
	struct late *l;
	int ignored;

	while ((l = lates) != NULL && l->due_ms <= now_ms()) {
		lates = l->next;
		answer(&l->q, zone_rule(&l->q, &ignored));
		free(l);
	}
}

static void
on_udp(const char *zone_path)
{
	uint8_t buf[4096];
	struct peer p = { .transport = UDP };
	ssize_t n;

	for (;;) {
		p.sa_len = sizeof(p.sa);
		n = recvfrom(udp_fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&p.sa,
			&p.sa_len);
		if (n < 0)
			return;
		on_message(buf, (size_t)n, &p, zone_path);
	}
}

static void
on_accept(void)
{
	int i, fd = accept4(tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (i = 0; i < MAX_TCP && conns[i] != NULL; i++)
		;
	if (i == MAX_TCP) {
		close(fd);
		return;
	}
	conns[i] = calloc(1, sizeof(*conns[i]));
	if (conns[i] == NULL)
		die("calloc");
	conns[i]->fd = fd;
	conn_serials[i] = ++next_serial;
}

static void
on_tcp(int i, const char *zone_path)
{
	struct tcp_conn *c = conns[i];
	uint64_t serial = conn_serials[i];
	struct peer p = { .transport = TCP, .sa_len = sizeof(p.sa), .tcp_serial = serial };
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_conn(serial);
		return;
	}
	c->len += (size_t)n;
	getpeername(c->fd, (struct sockaddr *)&p.sa, &p.sa_len);
	/* answering may close the connection: then its place is empty, or another's */
	while (conns[i] == c && conn_serials[i] == serial && c->len >= 2) {
		size_t len = (size_t)(c->buf[0] << 8 | c->buf[1]);

		if (c->len < 2 + len)
			return;
		on_message(c->buf + 2, len, &p, zone_path);
		if (conns[i] != c)
			return;
		c->len -= 2 + len;
		memmove(c->buf, c->buf + 2 + len, c->len);
	}
}

static void
on_stdin(void)
{
	static char buf[16384];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *end;

	if (n <= 0)
		exit(0);
	len += (size_t)n;
	while ((end = memchr(buf, '\n', len)) != NULL) {
		const char *wrong;
		size_t line = (size_t)(end - buf) + 1;

		*end = '\0';
		wrong = zone_line(buf);
		if (wrong != NULL)
			printf("error: %s\n", wrong);
		else
			puts("ok");
		len -= line;
		memmove(buf, buf + line, len);
	}
	if (len == sizeof(buf) - 1)
		len = 0;
}

static socklen_t
parse_addr(const char *text, int port, struct sockaddr_storage *sa)
{
	struct sockaddr_in *in = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	in->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		return sizeof(*in6);
	}
	fprintf(stderr, "dnsd: bad address %s\n", text);
	exit(2);
}

/* The same port on a neighbour's address, where this host has that: on 127.0.0.0/8 it does. */
static int
open_other_address(struct sockaddr_storage sa, socklen_t len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in->sin_addr.s_addr ^= htonl(2);
	if (sa.ss_family == AF_INET && fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Opens UDP and TCP on one port; with port 0 tries again where TCP finds it taken. */
static void
open_sockets(const char *addr, int port, bool with_tcp)
{
	struct sockaddr_storage sa;
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;
	socklen_t len = parse_addr(addr, port, &sa);
	int one = 1, tries;

	for (tries = 0; tries < 100; tries++) {
		socklen_t l = len;

		in->sin_port = htons((uint16_t)port);
		udp_fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (udp_fd < 0 || bind(udp_fd, (struct sockaddr *)&sa, len) < 0)
			die("bind udp");
		getsockname(udp_fd, (struct sockaddr *)&sa, &l);
		if (!with_tcp)
			break;
		tcp_fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		setsockopt(tcp_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(tcp_fd, (struct sockaddr *)&sa, len) == 0 && listen(tcp_fd, 64) == 0)
			break;
		if (port != 0)
			die("bind tcp");
		close(tcp_fd);
		close(udp_fd);
	}
	printf("ready %s:%u\n", addr, ntohs(in->sin_port));
	other_addr_fd = open_other_address(sa, len);
	in->sin_port = 0;
	other_port_fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (other_port_fd < 0 || bind(other_port_fd, (struct sockaddr *)&sa, len) < 0)
		die("bind udp");
}

static void
serve_once(const char *zone_path)
{
	struct pollfd pfd[3 + MAX_TCP];
	int i, timeout = -1;

	pfd[0] = (struct pollfd){ .fd = udp_fd, .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = tcp_fd, .events = POLLIN };
	pfd[2] = (struct pollfd){ .fd = zone_path ? -1 : STDIN_FILENO, .events = POLLIN };
	for (i = 0; i < MAX_TCP; i++)
		pfd[3 + i] =
			(struct pollfd){ .fd = conns[i] ? conns[i]->fd : -1, .events = POLLIN };
	if (lates != NULL) {
		int64_t left_ms = lates->due_ms - now_ms();

		timeout = left_ms < 0 ? 0 : (int)left_ms;
	}
	if (poll(pfd, 3 + MAX_TCP, timeout) < 0 && errno != EINTR)
		die("poll");
	send_late();
	if (pfd[2].revents)
		on_stdin();
	if (pfd[0].revents)
		on_udp(zone_path);
	for (i = 0; i < MAX_TCP; i++)
		if (pfd[3 + i].revents && conns[i] != NULL && conns[i]->fd == pfd[3 + i].fd)
			on_tcp(i, zone_path);
	if (pfd[1].revents)
		on_accept();
}

int
main(int argc, char **argv)
{
	const char *addr = "127.0.0.1", *zone_path = NULL;
	bool with_tcp = true;
	int c, port = 0;

	while ((c = getopt(argc, argv, "a:p:z:u")) != -1) {
		switch (c) {
		case 'a':
			addr = optarg;
			break;
		case 'p':
			port = (int)strtol(optarg, NULL, 10);
			break;
		case 'z':
			zone_path = optarg;
			break;
		case 'u':
			with_tcp = false;
			break;
		default:
			fputs("usage: dnsd [-a ADDR] [-p PORT] [-z FILE] [-u]\n", stderr);
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	srandom((unsigned)now_ms());
	open_sockets(addr, port, with_tcp);
	if (zone_path != NULL)
		zone_refresh(zone_path);
	for (;;)
		serve_once(zone_path);
}
