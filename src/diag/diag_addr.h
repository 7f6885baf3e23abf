/* A normalised diagAddr as a socket address. */
#ifndef IAIDO_DIAG_DIAG_ADDR_H
#define IAIDO_DIAG_DIAG_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "iaido/macros.h"

struct diag_sockaddr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

enum diag_addr_use { DIAG_ADDR_TO_LISTEN, DIAG_ADDR_TO_CONNECT };

/* "host:port" (an empty host: all addresses, or this host to connect to), "unix:/path",
 * "unix:@abstract". A name is looked up, which may take a while. Returns 0 or -errno. */
int diag_addr_resolve(const char *text, enum diag_addr_use use, struct diag_sockaddr *out)
	MUST_CHECK;

#endif
