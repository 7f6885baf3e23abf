/* Opens the socket of diagAddr. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "iaido/diag.h"

#define DIAG_BACKLOG 1024
#define HOST_MAX 256

static int
listen_on(const struct sockaddr *sa, socklen_t len)
{
	const int on = 1, off = 0;
	int r, fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (sa->sa_family != AF_UNIX &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (sa->sa_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		goto fail;
	if (bind(fd, sa, len) < 0 || listen(fd, DIAG_BACKLOG) < 0)
		goto fail;
	return fd;
fail:
	r = -errno;
	close(fd);
	return r;
}

/* A socket file that nobody listens on is one that an earlier run left behind. */
static void
remove_dead_socket(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd;

	if (lstat(sun->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 && errno == ECONNREFUSED)
		(void)unlink(sun->sun_path); /* if it cannot be, bind() says so */
	close(fd);
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	remove_dead_socket(&sun);
	return listen_on((const struct sockaddr *)&sun, sizeof(sun));
}

/* All addresses: one socket for both families, or IPv4 alone where there is no IPv6. */
static int
listen_any(uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = listen_on((const struct sockaddr *)&in6, sizeof(in6));

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = listen_on((const struct sockaddr *)&in, sizeof(in));
	return fd;
}

static int
listen_host(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list, *ai;
	int fd = -EADDRNOTAVAIL;

	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -EADDRNOTAVAIL;
	for (ai = list; ai; ai = ai->ai_next) {
		fd = listen_on(ai->ai_addr, ai->ai_addrlen);
		if (fd >= 0)
			break;
	}
	freeaddrinfo(list);
	return fd;
}

int
diag_listen(const char *diag_addr)
{
	const char *colon = strrchr(diag_addr, ':');
	char host[HOST_MAX];
	size_t len;

	if (strncmp(diag_addr, "unix:", 5) == 0)
		return listen_unix(diag_addr + 5);
	if (!colon)
		return -EINVAL;
	len = (size_t)(colon - diag_addr);
	if (len >= sizeof(host))
		return -ENAMETOOLONG;
	memcpy(host, diag_addr, len);
	host[len] = '\0';
	if (len == 0)
		return listen_any((uint16_t)strtoul(colon + 1, NULL, 10));
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	return listen_host(host, colon + 1);
}
