/* The resolver: names to addresses with c-ares, in the master's loop. Each family has its own query,
 * TTL and last good answer; a failed lookup changes nothing. */
#ifndef IAIDO_MASTER_RESOLVER_H
#define IAIDO_MASTER_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/conf.h"
#include "iaido/macros.h"

struct event_base;
struct resolver;
struct snapshot;
struct wire_reader;
struct wire_writer;

/* Called in the loop, never from inside a resolver call, when a name's set of addresses changed. */
typedef void resolver_callback(void *arg, const char *host);

int resolver_new(struct event_base *base, resolver_callback *changed, void *arg,
	struct resolver **out) MUST_CHECK;
void resolver_free(struct resolver *r);

/* Servers, TTL clamps, timeout. A change of servers makes a new c-ares channel. */
int resolver_configure(struct resolver *r, const struct resolver_conf *conf) MUST_CHECK;
/* The names to keep resolved; others are forgotten. Literals are answered at once, without DNS. */
int resolver_set_names(struct resolver *r, const char *const *hosts, size_t count) MUST_CHECK;
/* The last good addresses (port 0), sorted by family and address; the array is the resolver's,
 * valid until the next turn of the loop. Returns how many; 0 before the first answer. */
size_t resolver_addresses(const struct resolver *r, const char *host, const struct addr **out);
/* How long an answer of this name lasts (clamped TTL). */
int64_t resolver_ttl_ns(const struct resolver *r, const char *host);
/* Asks again now (at most once a second a name): a dial to it failed. */
void resolver_refresh(struct resolver *r, const char *host);

/* The names for diagnostics; literals are none. Returns 0 or -ENOMEM. */
int resolver_snapshot(const struct resolver *r, struct snapshot *out) MUST_CHECK;
/* For an upgrade: the last good answers. resolver_load() is called on a new resolver; the names stay
 * until the first resolver_set_names(). -EBADMSG: not readable. */
void resolver_save(const struct resolver *r, struct wire_writer *w);
int resolver_load(struct resolver *r, struct wire_reader *rd) MUST_CHECK;

#endif
