/* What the parts of the resolver share: a name, its two families, their answers. */
#ifndef IAIDO_MASTER_RESOLVER_PRIV_H
#define IAIDO_MASTER_RESOLVER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "dns.h"
#include "resolver.h"
#include "iaido/addr.h"
#include "iaido/rng.h"
#include "iaido/wheel.h"

struct event;
struct name;

/* The A or the AAAA side of a name: it has its own query, TTL, and last good answer. */
struct family {
	struct name *name;
	int af;
	struct wheel_entry due; /* when it is asked for next */
	struct dns_query *query; /* under way */
	int64_t asked_ns; /* 0 = never */
	enum dns_kind last; /* how the last query ended */
	enum dns_kind settled; /* what that means, the other family looked at; DNS_OK also where
				  this one rightly has no address */
	unsigned failures; /* running */
	int64_t negative_ns; /* when it last said "nothing here" */
	bool waits; /* said "nothing here": to be settled once the other family has answered */
	struct addr *addrs; /* the last good answer */
	size_t count;
	unsigned place; /* in the order of search, of the name that they are of */
	int64_t answered_ns; /* when that came; 0 = never */
	int64_t ttl_ns; /* clamped */
};

struct name {
	struct name *next; /* in its bucket */
	TAILQ_ENTRY(name) link;
	struct resolver *resolver;
	char *host;
	bool is_literal;
	bool is_wanted; /* while the set of names is being replaced */
	bool is_reported; /* in `changed`, whose callbacks are due */
	struct family families[2];
	struct addr *addrs; /* of both families; of a literal: itself */
	size_t count;
	enum dns_kind fault; /* what was logged; DNS_OK = none */
	bool was_cut; /* logged that an answer had too many addresses */
	uint64_t lookups_success;
	uint64_t lookups_error;
	uint64_t lookups_timeout;
};

TAILQ_HEAD(name_list, name);

#define RESOLVER_BUCKETS 4096

struct resolver {
	struct event_base *base;
	resolver_callback *changed;
	void *arg;
	struct dns *dns;
	struct rng rng;
	int64_t min_ttl_ns;
	int64_t max_ttl_ns;
	int64_t burst_ns; /* when this burst of questions began */
	unsigned burst; /* how many it has */
	struct wheel wheel; /* families, by when they are due */
	struct event *timer;
	struct event *report; /* names wait for their callback */
	struct name_list names;
	size_t count;
	struct name *buckets[RESOLVER_BUCKETS];
};

struct name *resolver_find(const struct resolver *r, const char *host);
/* A new name without answers that nothing asks for yet; NULL without memory. */
struct name *resolver_add(struct resolver *r, const char *host);
/* Makes name->addrs of the families; true when the set differs from before. Without memory the set
 * stays, and false. */
bool name_join_families(struct name *n);
/* When the family is to be asked for again: by its TTL, or its backoff. */
void family_schedule(struct family *f, int64_t due_ns);
/* As soon as is allowed; what is under way answers soon anyhow. */
void family_refresh(struct family *f, int64_t now_ns);
/* The dns_callback of a family's query. */
void family_answered(void *arg, const struct dns_answer *a);
/* To when the first family is due. */
void resolver_set_timer(struct resolver *r);

#endif
