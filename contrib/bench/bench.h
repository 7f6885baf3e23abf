/*
 * What the load generator, the backend and the floor share: the request that a client sends, the
 * byte counters that load and backend both see, and a few socket helpers that die on failure.
 */
#ifndef IAIDO_BENCH_H
#define IAIDO_BENCH_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BENCH_CHUNK (64 * 1024) /* one send or receive of a stream */

enum bench_kind {
	BENCH_ANSWER = 1, /* answer with size bytes, then take the next request */
	BENCH_DOWN = 2, /* send until the client goes */
	BENCH_UP = 3, /* receive until the client goes */
};

/* Each request is 64 bytes, whatever it asks for. */
struct bench_request {
	uint64_t kind;
	uint64_t size;
	uint64_t padding[6];
};

/* A file that backend and load map: what the backend received on streams up. */
struct bench_counters {
	uint64_t received_bytes;
};

/* A whole number from the command line. */
static inline unsigned
bench_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n > UINT32_MAX)
		errx(2, "not a number: %s", text);
	return (unsigned)n;
}

static inline uint64_t
bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline struct sockaddr_in
bench_loopback(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return sin;
}

static inline void
bench_set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
		err(1, "TCP_NODELAY");
}

/* Listens on the loopback address, also beside another process that does so here; accepted sockets
 * inherit TCP_NODELAY. *port may be 0 and is then set to the one that was given. */
static inline int
bench_listen(unsigned *port)
{
	struct sockaddr_in sin = bench_loopback(*port);
	socklen_t len = sizeof sin;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	bench_set_nodelay(fd);
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(fd, 4096) < 0)
		err(1, "listen on 127.0.0.1:%u", *port);
	if (getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		err(1, "getsockname");
	*port = ntohs(sin.sin_port);
	return fd;
}

#endif
