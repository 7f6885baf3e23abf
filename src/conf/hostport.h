/* "host:port" and host names: taking them apart, and saying what is wrong with them. */
#ifndef IAIDO_HOSTPORT_H
#define IAIDO_HOSTPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

#define HOST_TEXT_MAX 256

/* Where the host stands for nothing, one's own addresses, or somebody else's. */
enum host_use { HOST_TO_BIND, HOST_TO_CONNECT };

/* Takes "host:port", "[::1]:port" or, to bind, ":port" apart: host[] gets the host without
 * brackets, a literal address in its usual form. Returns NULL, or what is wrong. */
const char *hostport_split(
	const char *text, enum host_use use, char host[HOST_TEXT_MAX], uint16_t *port);

/* A name or a literal address (brackets allowed), made as above. Returns NULL, or what is wrong. */
const char *host_normalise(const char *text, enum host_use use, char host[HOST_TEXT_MAX]);

/* "1" to "65535" (or "0" where zero is allowed), digits only. Returns NULL or what is wrong. */
const char *port_parse(const char *text, bool zero, uint16_t *port);

/* "host:port" again, with brackets where they are needed. Returns buf. */
const char *hostport_join(const char *host, uint16_t port, char *buf, size_t size);

#endif
