/* Opens the socket of diagAddr. */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag_addr.h"
#include "iaido/diag.h"

#define DIAG_BACKLOG 1024

static int
listen_on(const struct diag_sockaddr *at)
{
	const int on = 1, off = 0;
	int r, fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (at->sa.sa_family != AF_UNIX &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (at->sa.sa_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		goto fail;
	if (bind(fd, &at->sa, at->len) < 0 || listen(fd, DIAG_BACKLOG) < 0)
		goto fail;
	return fd;
fail:
	r = -errno;
	close(fd);
	return r;
}

/* A socket file that nobody listens on is one that an earlier run left behind. */
static void
remove_dead_socket(const struct diag_sockaddr *at)
{
	const char *path = at->un.sun_path;
	struct stat st;
	int fd;

	if (path[0] == '\0' || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, &at->sa, at->len) < 0 && errno == ECONNREFUSED)
		(void)unlink(path); /* if it cannot be, bind() says so */
	close(fd);
}

int
diag_listen(const char *diag_addr)
{
	struct diag_sockaddr at;
	int fd, r = diag_addr_resolve(diag_addr, DIAG_ADDR_TO_LISTEN, &at);

	if (r < 0)
		return r;
	if (at.sa.sa_family == AF_UNIX)
		remove_dead_socket(&at);
	fd = listen_on(&at);
	/* All addresses means those of IPv4 where there is no IPv6. */
	if (diag_addr[0] == ':' && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
		const in_port_t port = at.in6.sin6_port;

		at = (struct diag_sockaddr){ .len = sizeof(at.in) };
		at.in.sin_family = AF_INET;
		at.in.sin_port = port;
		fd = listen_on(&at);
	}
	return fd;
}

void
diag_unlisten(const char *diag_addr)
{
	struct diag_sockaddr at;

	if (diag_addr_resolve(diag_addr, DIAG_ADDR_TO_LISTEN, &at) == 0 &&
		at.sa.sa_family == AF_UNIX && at.un.sun_path[0] != '\0')
		(void)unlink(at.un.sun_path); /* where it cannot be, the next start does it */
}
