/* See stream.h. Blocking sockets; a byte depends on its stream's seed and on its place there. */
#include "config.h"

#include "stream.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (64U << 10)

static unsigned char
byte_at(uint32_t seed, size_t i)
{
	return (unsigned char)(((uint32_t)i * 2654435761U + seed * 40503U) >> 13);
}

int
stream_listen(uint16_t *port, int backlog)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

int
stream_send(int fd, uint32_t seed, size_t from, size_t bytes)
{
	unsigned char buf[CHUNK];

	while (bytes > 0) {
		size_t len = bytes < sizeof(buf) ? bytes : sizeof(buf), done = 0;

		for (size_t i = 0; i < len; i++)
			buf[i] = byte_at(seed, from + i);
		while (done < len) {
			ssize_t n = send(fd, buf + done, len - done, MSG_NOSIGNAL);

			if (n <= 0)
				return -1;
			done += (size_t)n;
		}
		from += len;
		bytes -= len;
	}
	return 0;
}

pid_t
stream_send_beside(int fd, uint32_t seed, size_t bytes)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(stream_send(fd, seed, 0, bytes) == 0 ? 0 : 1);
	return pid;
}

void
stream_read(int fd, uint32_t seed, size_t from, size_t bytes)
{
	unsigned char buf[CHUNK];

	while (bytes > 0) {
		ssize_t n = recv(fd, buf, bytes < sizeof(buf) ? bytes : sizeof(buf), 0);

		ck_assert_msg(n > 0, "at offset %zu: %s", from, n == 0 ? "end" : strerror(errno));
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != byte_at(seed, from + (size_t)i))
				ck_abort_msg("wrong byte at offset %zu", from + (size_t)i);
		from += (size_t)n;
		bytes -= (size_t)n;
	}
}
