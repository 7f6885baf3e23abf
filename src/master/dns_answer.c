/* From what c-ares answers to addresses, a TTL and a kind of failure. */
#include "config.h"

#include "dns_answer.h"

#include <ares.h>
#include <stdlib.h>

const char *
dns_kind_text(enum dns_kind kind)
{
	static const char *const texts[] = {
		[DNS_NONE] = "not answered yet",
		[DNS_OK] = "ok",
		[DNS_NO_DATA] = "no address",
		[DNS_NO_NAME] = "no such name",
		[DNS_SERVER_FAILURE] = "server failure",
		[DNS_REFUSED] = "refused",
		[DNS_TIMEOUT] = "timeout",
		[DNS_UNREACHABLE] = "no server can be reached",
		[DNS_BAD_ANSWER] = "malformed answer",
		[DNS_BAD_NAME] = "malformed name",
		[DNS_LOCAL] = "out of memory or files",
	};

	return texts[kind];
}

enum dns_kind
dns_kind_of_status(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
		return DNS_NO_DATA;
	case ARES_ENOTFOUND:
	case ARES_ENONAME:
		return DNS_NO_NAME;
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EFORMERR:
		return DNS_SERVER_FAILURE;
	case ARES_EREFUSED:
		return DNS_REFUSED;
	case ARES_ETIMEOUT:
		return DNS_TIMEOUT;
	case ARES_ECONNREFUSED:
		return DNS_UNREACHABLE;
	case ARES_EBADRESP:
	case ARES_EOF:
		return DNS_BAD_ANSWER;
	case ARES_EBADNAME:
	case ARES_EBADSTR:
	case ARES_EBADQUERY:
		return DNS_BAD_NAME;
	default:
		return DNS_LOCAL;
	}
}

static int
compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* A TTL with its highest bit set counts as 0 (RFC 2181). */
static int64_t
usable_ttl(int ttl)
{
	return ttl < 0 ? 0 : ttl;
}

static int64_t
smallest_ttl(const struct ares_addrinfo *res)
{
	int64_t ttl = INT64_MAX;

	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next)
		if (usable_ttl(n->ai_ttl) < ttl)
			ttl = usable_ttl(n->ai_ttl);
	for (const struct ares_addrinfo_cname *c = res->cnames; c; c = c->next)
		if (usable_ttl(c->ttl) < ttl)
			ttl = usable_ttl(c->ttl);
	return ttl;
}

void
dns_answer_tidy(struct dns_answer *a)
{
	size_t unique = 0;

	qsort(a->addrs, a->count, sizeof(*a->addrs), compare_addrs);
	for (size_t i = 0; i < a->count; i++)
		if (!addr_is_any(&a->addrs[i]) &&
			(unique == 0 || !addr_equal(&a->addrs[unique - 1], &a->addrs[i])))
			a->addrs[unique++] = a->addrs[i];
	a->count = unique < DNS_ADDRESSES_MAX ? unique : DNS_ADDRESSES_MAX;
	a->left_out = unique - a->count;
	if (a->count == 0)
		a->kind = DNS_NO_DATA;
}

void
dns_answer_take(struct dns_answer *a, int family, const struct ares_addrinfo *res)
{
	size_t count = 0;

	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next)
		count++;
	a->addrs = calloc(count + 1, sizeof(*a->addrs));
	if (!a->addrs) {
		a->kind = DNS_LOCAL;
		return;
	}
	for (const struct ares_addrinfo_node *n = res->nodes; n; n = n->ai_next) {
		struct addr *at = &a->addrs[a->count];

		if (n->ai_family != family || addr_from_sockaddr(n->ai_addr, n->ai_addrlen, at) < 0)
			continue;
		addr_set_port(at, 0);
		a->count++;
	}
	a->ttl_s = smallest_ttl(res);
	dns_answer_tidy(a);
}
