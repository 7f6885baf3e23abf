/* Socket addresses as values. An IPv4-mapped IPv6 address counts as its IPv4 address everywhere
 * but in the sockaddr itself, which stays as the kernel needs it. */
#include "config.h"

#include "iaido/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What addresses are compared by. */
struct plain_addr {
	int family;
	uint8_t bytes[16];
	uint16_t port;
};

static void
make_plain(const struct addr *a, struct plain_addr *p)
{
	memset(p, 0, sizeof(*p));
	if (a->sa.sa_family == AF_INET) {
		p->family = AF_INET;
		memcpy(p->bytes, &a->in.sin_addr, 4);
		p->port = ntohs(a->in.sin_port);
		return;
	}
	p->family = a->sa.sa_family;
	if (p->family != AF_INET6)
		return;
	p->port = ntohs(a->in6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
		p->family = AF_INET;
		memcpy(p->bytes, &a->in6.sin6_addr.s6_addr[12], 4);
	} else {
		memcpy(p->bytes, &a->in6.sin6_addr, 16);
	}
}

int
addr_parse(const char *text, uint16_t port, struct addr *out)
{
	char bare[INET6_ADDRSTRLEN];
	struct addr a;
	size_t len = strlen(text);
	bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, text, len);
	bare[len] = '\0';

	memset(&a, 0, sizeof(a));
	if (!bracketed && inet_pton(AF_INET, bare, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, bare, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
	} else {
		return -EINVAL;
	}
	addr_set_port(&a, port);
	*out = a;
	return 0;
}

int
addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *out)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	if (len < (socklen_t)sizeof(sa->sa_family))
		return -EAFNOSUPPORT;
	if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof(a.in))
		memcpy(&a.in, sa, sizeof(a.in));
	else if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof(a.in6))
		memcpy(&a.in6, sa, sizeof(a.in6));
	else
		return -EAFNOSUPPORT;
	*out = a;
	return 0;
}

socklen_t
addr_len(const struct addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

uint16_t
addr_port(const struct addr *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

bool
addr_is_any(const struct addr *a)
{
	static const uint8_t zeros[16];
	struct plain_addr p;

	make_plain(a, &p);
	return memcmp(p.bytes, zeros, sizeof(zeros)) == 0;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

int
addr_compare(const struct addr *a, const struct addr *b)
{
	struct plain_addr p, q;
	int r;

	make_plain(a, &p);
	make_plain(b, &q);
	if (p.family != q.family)
		return p.family == AF_INET || (q.family != AF_INET && p.family < q.family) ? -1 : 1;
	r = memcmp(p.bytes, q.bytes, sizeof(p.bytes));
	if (r != 0)
		return r < 0 ? -1 : 1;
	return (p.port > q.port) - (p.port < q.port);
}

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 30;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 27;
	h *= UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

uint64_t
addr_hash(const struct addr *a)
{
	struct plain_addr p;
	uint64_t words[2];

	make_plain(a, &p);
	memcpy(words, p.bytes, sizeof(words));
	return mix(mix(mix((uint64_t)p.family << 16 | p.port) + words[0]) + words[1]);
}

const char *
addr_format_host(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	struct plain_addr p;

	make_plain(a, &p);
	if ((p.family != AF_INET && p.family != AF_INET6) ||
		!inet_ntop(p.family, p.bytes, buf, ADDR_TEXT_MAX))
		(void)snprintf(buf, ADDR_TEXT_MAX, "?");
	return buf;
}

static char *
add_number(char *at, unsigned number)
{
	char digits[10];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + number % 10);
	while (number /= 10);
	while (len > 0)
		*at++ = digits[--len];
	return at;
}

const char *
addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	char host[ADDR_TEXT_MAX];
	struct plain_addr p;
	char *at = buf;

	make_plain(a, &p);
	if (p.family == AF_INET) {
		/* Twice in the line of each connection: worth to be quick at. */
		for (unsigned i = 0; i < 4; i++) {
			at = add_number(at, p.bytes[i]);
			*at++ = i < 3 ? '.' : ':';
		}
		at = add_number(at, addr_port(a));
		*at = '\0';
		return buf;
	}
	addr_format_host(a, host);
	(void)snprintf(buf, ADDR_TEXT_MAX, strchr(host, ':') ? "[%.48s]:%u" : "%.48s:%u", host,
		(unsigned)addr_port(a));
	return buf;
}
