/* Socket addresses (IPv4 and IPv6 with a port): parsing of literals, printing, comparing. */
#ifndef IAIDO_ADDR_H
#define IAIDO_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "iaido/macros.h"

/* Long enough for "[ffff:…:255.255.255.255]:65535" with its NUL. */
#define ADDR_TEXT_MAX 64

/* A value: copied by assignment; equal addresses are equal to addr_equal() only, not to memcmp(). */
struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* Parses a literal IPv4 or IPv6 address (brackets allowed, no zone, no name).
 * Returns 0 or -EINVAL; *out is set on success only. */
int addr_parse(const char *text, uint16_t port, struct addr *out) MUST_CHECK;

/* Takes what accept(2), getsockname(2) or a resolver returned. Returns 0 or -EAFNOSUPPORT. */
int addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *out) MUST_CHECK;

socklen_t addr_len(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_is_any(const struct addr *a);

/* Family, address and port; an IPv4-mapped IPv6 address equals its IPv4 address. */
bool addr_equal(const struct addr *a, const struct addr *b);
int addr_compare(const struct addr *a, const struct addr *b);
uint64_t addr_hash(const struct addr *a);

/* "127.0.0.1:80", "[::1]:80"; a mapped address is shown as IPv4. Returns buf. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX]);
/* The same without the port and without brackets. Returns buf. */
const char *addr_format_host(const struct addr *a, char buf[ADDR_TEXT_MAX]);

#endif
