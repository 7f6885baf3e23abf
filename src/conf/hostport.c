/* Hosts and ports as text. Nothing is resolved here: a name only has to be one. */
#include "config.h"

#include "hostport.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "iaido/addr.h"

static const char zone_unsupported[] = "an address with a zone (%) is not supported";

const char *
port_parse(const char *text, bool zero, uint16_t *port)
{
	uint32_t v = 0;

	if (*text == '\0')
		return "the port is missing: write host:port";
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return zero ? "the port must be a number from 0 to 65535"
				    : "the port must be a number from 1 to 65535";
		v = v * 10 + (uint32_t)(*text - '0');
		if (v > 65535)
			return "the port must be at most 65535";
	}
	if (v == 0 && !zero)
		return "the port must be from 1 to 65535";
	*port = (uint16_t)v;
	return NULL;
}

static const char *
check_address(const struct addr *a, enum host_use use)
{
	const struct in6_addr *six = &a->in6.sin6_addr;
	uint32_t four;

	if (a->sa.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(six)) {
		if (IN6_IS_ADDR_MULTICAST(six))
			return "a multicast address takes no TCP connections";
		if (IN6_IS_ADDR_LINKLOCAL(six))
			return "a link-local address needs a zone, which is not supported";
		if (use == HOST_TO_CONNECT && IN6_IS_ADDR_UNSPECIFIED(six))
			return "must be one address, not all of them";
		return NULL;
	}
	if (a->sa.sa_family == AF_INET)
		four = ntohl(a->in.sin_addr.s_addr);
	else
		four = (uint32_t)six->s6_addr[12] << 24 | (uint32_t)six->s6_addr[13] << 16 |
			(uint32_t)six->s6_addr[14] << 8 | six->s6_addr[15];
	if (four >> 28 == 14 || four == UINT32_MAX)
		return "a multicast or broadcast address takes no TCP connections";
	if (use == HOST_TO_CONNECT && four == 0)
		return "must be one address, not all of them";
	return NULL;
}

static const char *
check_label(const char *label, size_t len)
{
	if (len == 0)
		return "not a host name: two dots in a row, or one at the start";
	if (len > 63)
		return "not a host name: more than 63 characters between dots";
	if (label[0] == '-' || label[len - 1] == '-')
		return "not a host name: a hyphen at the start or end of a part";
	return NULL;
}

static const char *
check_name(const char *name)
{
	const char *what, *label = name;
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0)
		return "the host must not be empty";
	if (len > 253)
		return "not a host name: longer than 253 characters";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c >= 0x80)
			return "not a host name: write international names as xn--...";
		if (c == '%')
			return zone_unsupported;
		if (!isalnum(c) && c != '-' && c != '_' && c != '.')
			return "not a host name: only letters, digits, hyphens and dots";
		if (c != '.')
			continue;
		what = check_label(label, (size_t)(name + i - label));
		if (what)
			return what;
		label = name + i + 1;
	}
	what = check_label(label, (size_t)(name + len - label));
	if (what)
		return what;
	/* No top-level domain is a number; "10.0.0.256" and "127.1" are meant as addresses. */
	if (strspn(label, "0123456789") == (size_t)(name + len - label))
		return "not an IPv4 address: write four numbers from 0 to 255";
	return NULL;
}

static bool
has_port(const char *text)
{
	const char *colon = strchr(text, ':');

	return strstr(text, "]:") || (text[0] != '[' && colon && colon == strrchr(text, ':'));
}

const char *
host_normalise(const char *text, enum host_use use, char host[HOST_TEXT_MAX])
{
	char buf[ADDR_TEXT_MAX];
	struct addr a;
	const char *what;

	if (addr_parse(text, 0, &a) == 0) {
		what = check_address(&a, use);
		if (!what)
			(void)snprintf(host, HOST_TEXT_MAX, "%s", addr_format_host(&a, buf));
		return what;
	}
	if (strchr(text, '%'))
		return zone_unsupported;
	if (has_port(text))
		return use == HOST_TO_CONNECT ? "a host has no port here: it stands under `port`"
					      : "must be an address without a port";
	if (strchr(text, ':') || text[0] == '[')
		return "not an IPv6 address";
	what = check_name(text);
	if (!what)
		(void)snprintf(host, HOST_TEXT_MAX, "%s", text);
	return what;
}

static const char *
must_be_host_port(enum host_use use)
{
	return use == HOST_TO_BIND ? "must be host:port, or :port for all addresses"
				   : "must be host:port";
}

const char *
hostport_split(const char *text, enum host_use use, char host[HOST_TEXT_MAX], uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char name[HOST_TEXT_MAX];
	const char *what;
	size_t len;

	if (!colon)
		return must_be_host_port(use);
	if (text[0] == '[' && (colon == text || colon[-1] != ']'))
		return "must be [address]:port";
	len = (size_t)(colon - text);
	if (text[0] != '[' && memchr(text, ':', len) && strchr(text, '%'))
		return zone_unsupported;
	if (text[0] != '[' && memchr(text, ':', len))
		return strspn(text, "0123456789abcdefABCDEF:.") >= len
			? "an IPv6 address needs brackets: [address]:port"
			: must_be_host_port(use);
	if (len >= sizeof(name))
		return "not a host name: longer than 253 characters";
	what = port_parse(colon + 1, use == HOST_TO_BIND, port);
	if (what)
		return what;
	memcpy(name, text, len);
	name[len] = '\0';
	if (len == 0 && use == HOST_TO_BIND) {
		host[0] = '\0';
		return NULL;
	}
	if (strcmp(name, "*") == 0)
		return "leave the host empty for all addresses: \":port\"";
	return host_normalise(name, use, host);
}

const char *
hostport_join(const char *host, uint16_t port, char *buf, size_t size)
{
	(void)snprintf(buf, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
	return buf;
}
