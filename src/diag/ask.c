/* A minimal HTTP/1.0 client. Both ends are iaido; still nothing that comes is trusted. */
#include "config.h"

#include "ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "diag_addr.h"
#include "iaido/text.h"

#define PATIENCE_SECONDS 10 /* for each step */
#define ANSWER_MAX ((size_t)256 << 20)

static int
connect_to(const struct diag_sockaddr *to)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int r, fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* The one for sending limits connect() as well. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, &to->sa, to->len) < 0) {
		r = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int
send_request(int fd, const char *path)
{
	struct text t;
	ssize_t n;
	int r = 0;

	text_init(&t);
	text_addf(&t, "GET %s HTTP/1.0\r\nHost: iaido\r\n\r\n", path);
	if (t.bad) {
		r = -ENOMEM;
	} else {
		n = send(fd, t.data, t.len, MSG_NOSIGNAL); /* fits into any socket's buffer */
		if (n != (ssize_t)t.len)
			r = n < 0 ? -errno : -EIO;
	}
	text_fini(&t);
	return r;
}

static int
receive_all(int fd, struct text *all)
{
	char piece[16384];
	ssize_t n;

	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
		if (all->len > ANSWER_MAX)
			return -EFBIG;
		text_add_bytes(all, piece, (size_t)n);
	}
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return all->bad ? -ENOMEM : 0;
}

/* Splits head from body and checks that the body is whole. */
static int
take_body(const struct text *all, struct text *body)
{
	static const char wanted[] = "\r\nContent-Length: ";
	const char *end, *length;
	size_t len;

	if (all->len < 12 || strncmp(all->data, "HTTP/1.", 7) != 0)
		return -EPROTO;
	end = strstr(all->data, "\r\n\r\n");
	if (!end)
		return -EPROTO;
	len = all->len - (size_t)(end + 4 - all->data);
	length = strcasestr(all->data, wanted);
	if (length && length < end && strtoull(length + strlen(wanted), NULL, 10) != len)
		return -EPROTO;
	text_reset(body);
	text_add_bytes(body, end + 4, len);
	return body->bad ? -ENOMEM : (int)strtol(all->data + 9, NULL, 10);
}

int
diag_ask(const char *diag_addr, const char *path, struct text *body)
{
	struct diag_sockaddr to;
	struct text all;
	int r, fd;

	r = diag_addr_resolve(diag_addr, DIAG_ADDR_TO_CONNECT, &to);
	if (r < 0)
		return r;
	fd = connect_to(&to);
	if (fd < 0)
		return fd;
	text_init(&all);
	r = send_request(fd, path);
	if (r == 0)
		r = receive_all(fd, &all);
	if (r == 0)
		r = take_body(&all, body);
	text_fini(&all);
	close(fd);
	return r;
}
