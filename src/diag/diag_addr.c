/* A normalised diagAddr as a socket address. */
#include "config.h"

#include "diag_addr.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 256

static int
resolve_unix(const char *path, struct diag_sockaddr *out)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(out->un.sun_path))
		return -ENAMETOOLONG;
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, path, len + 1);
	out->len = sizeof(out->un);
	if (path[0] == '@') {
		out->un.sun_path[0] = '\0';
		out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	return 0;
}

/* All addresses are those of both families; to this host one goes by its IPv4 loopback. */
static void
resolve_any(uint16_t port, enum diag_addr_use use, struct diag_sockaddr *out)
{
	if (use == DIAG_ADDR_TO_LISTEN) {
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = htons(port);
		out->len = sizeof(out->in6);
		return;
	}
	out->in.sin_family = AF_INET;
	out->in.sin_port = htons(port);
	out->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	out->len = sizeof(out->in);
}

static int
resolve_host(const char *host, const char *port, struct diag_sockaddr *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list;
	int r = -EADDRNOTAVAIL;

	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -EADDRNOTAVAIL;
	if (list->ai_addrlen <= sizeof(out->in6)) {
		memcpy(&out->sa, list->ai_addr, list->ai_addrlen);
		out->len = list->ai_addrlen;
		r = 0;
	}
	freeaddrinfo(list);
	return r;
}

int
diag_addr_resolve(const char *text, enum diag_addr_use use, struct diag_sockaddr *out)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_MAX];
	size_t len;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0)
		return resolve_unix(text + 5, out);
	if (!colon)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len >= sizeof(host))
		return -ENAMETOOLONG;
	memcpy(host, text, len);
	host[len] = '\0';
	if (len == 0) {
		resolve_any((uint16_t)strtoul(colon + 1, NULL, 10), use, out);
		return 0;
	}
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	return resolve_host(host, colon + 1, out);
}
