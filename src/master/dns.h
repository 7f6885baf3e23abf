/* Asking DNS: c-ares in a libevent loop, one channel at a time, answers handed out by the loop and
 * never by c-ares itself. Knows nothing of names' lives: that is the resolver's. */
#ifndef IAIDO_MASTER_DNS_H
#define IAIDO_MASTER_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/conf.h"
#include "iaido/macros.h"

struct dns;
struct dns_query;
struct event_base;

/* An answer with more addresses of one family than this is cut. */
#define DNS_ADDRESSES_MAX 1024
#define DNS_TTL_NONE (-1) /* from the hosts file: there is no TTL */

enum dns_kind {
	DNS_NONE, /* not answered yet */
	DNS_OK,
	DNS_NO_DATA, /* the name exists, without an address of this family */
	DNS_NO_NAME,
	DNS_SERVER_FAILURE,
	DNS_REFUSED,
	DNS_TIMEOUT,
	DNS_UNREACHABLE, /* no server can be reached */
	DNS_BAD_ANSWER,
	DNS_BAD_NAME,
	DNS_LOCAL, /* this host's fault: memory, files */
};

struct dns_answer {
	enum dns_kind kind;
	struct addr *addrs; /* port 0; sorted, each once; belongs to the query */
	size_t count;
	size_t left_out; /* how many were more than DNS_ADDRESSES_MAX */
	int64_t ttl_s; /* the smallest, aliases counted, or DNS_TTL_NONE */
	unsigned place; /* of the name that has them, in the order of search (dns_search.h) */
};

/* Called by the loop, never from inside dns_ask(); the query is gone when it returns. */
typedef void dns_callback(void *arg, const struct dns_answer *answer);
/* What the system says about names (resolv.conf, hosts) has changed. */
typedef void dns_system_callback(void *arg);

int dns_new(struct event_base *base, dns_system_callback *changed, void *arg, struct dns **out)
	MUST_CHECK;
/* No callback is called. */
void dns_free(struct dns *d);
/* Servers (none: those of resolv.conf) and the time of one try. What is under way is asked again
 * where these changed. Returns 0 or -errno: then the former ones are in use. */
int dns_configure(struct dns *d, const struct resolver_conf *conf) MUST_CHECK;

/* Asks for the addresses of one family (AF_INET, AF_INET6). NULL: no memory. */
struct dns_query *dns_ask(
	struct dns *d, const char *host, int family, dns_callback *done, void *arg);
/* Forgets it: done is not called. */
void dns_query_cancel(struct dns_query *q);

/* For people: "timeout", "no such name", … */
const char *dns_kind_text(enum dns_kind kind);

#endif
