/* The resolver: keeps a set of names resolved. Owns the names, their last good answers and when
 * each family of each is asked for next; asking is dns.c's. What a failed lookup leaves is what was
 * there before; what was found goes to the owner by a callback of the loop. */
#include "config.h"

#include "resolver.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"
#include "dns_search.h"
#include "iaido/clock.h"
#include "iaido/log.h"
#include "resolver_priv.h"

#define TICK_NS (10 * NSEC_PER_MSEC)
#define BACKOFF_FIRST_NS NSEC_PER_SEC
/* However many names there are, no server gets more at once. Not a limit on what is under way: names
 * whose servers are silent would keep the others from being asked. */
#define BURST_MAX 512
#define BURST_NS (100 * NSEC_PER_MSEC)

static unsigned
bucket_of(const char *host)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *host; host++)
		h = (h ^ (uint8_t)*host) * UINT64_C(1099511628211);
	return (unsigned)(h >> 32) % RESOLVER_BUCKETS;
}

struct name *
resolver_find(const struct resolver *r, const char *host)
{
	struct name *n = r->buckets[bucket_of(host)];

	while (n && strcmp(n->host, host) != 0)
		n = n->next;
	return n;
}

static void
name_free(struct name *n)
{
	for (size_t i = 0; i < 2; i++)
		free(n->families[i].addrs);
	free(n->addrs);
	free(n->host);
	free(n);
}

struct name *
resolver_add(struct resolver *r, const char *host)
{
	struct name **bucket = &r->buckets[bucket_of(host)], *n = calloc(1, sizeof(*n));
	struct addr literal;

	if (!n)
		return NULL;
	n->resolver = r;
	n->fault = DNS_OK;
	n->host = strdup(host);
	n->is_literal = addr_parse(host, 0, &literal) == 0;
	if (n->is_literal)
		n->addrs = malloc(sizeof(*n->addrs));
	if (!n->host || (n->is_literal && !n->addrs)) {
		name_free(n);
		return NULL;
	}
	if (n->is_literal) {
		n->addrs[0] = literal;
		n->count = 1;
	}
	for (size_t i = 0; i < 2; i++) {
		n->families[i].name = n;
		n->families[i].af = i == 0 ? AF_INET : AF_INET6;
		n->families[i].place = DNS_PLACE_UNKNOWN;
	}
	n->next = *bucket;
	*bucket = n;
	TAILQ_INSERT_TAIL(&r->names, n, link);
	r->count++;
	return n;
}

static void
remove_name(struct name *n)
{
	struct resolver *r = n->resolver;
	struct name **at = &r->buckets[bucket_of(n->host)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	TAILQ_REMOVE(&r->names, n, link);
	r->count--;
	for (size_t i = 0; i < 2; i++) {
		wheel_clear(&r->wheel, &n->families[i].due);
		if (n->families[i].query)
			dns_query_cancel(n->families[i].query);
	}
	name_free(n);
}

/* Asking, and telling */

static void
on_report(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct name *n;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(n, &r->names, link) {
		if (!n->is_reported)
			continue;
		n->is_reported = false;
		r->changed(r->arg, n->host);
	}
}

static void
ask(struct family *f, int64_t now_ns)
{
	struct resolver *r = f->name->resolver;

	if (f->query)
		return;
	if (now_ns - r->burst_ns >= BURST_NS) {
		r->burst_ns = now_ns;
		r->burst = 0;
	}
	if (r->burst >= BURST_MAX) {
		family_schedule(f, r->burst_ns + BURST_NS);
		return;
	}
	r->burst++;
	f->asked_ns = now_ns;
	f->query = dns_ask(r->dns, f->name->host, f->af, family_answered, f);
	if (!f->query)
		family_schedule(f, now_ns + BACKOFF_FIRST_NS);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	int64_t now_ns = clock_now_ns();
	struct wheel_entry *e;

	(void)fd;
	(void)what;
	while ((e = wheel_expire(&r->wheel, now_ns)))
		ask(CONTAINER_OF(e, struct family, due), now_ns);
	resolver_set_timer(r);
}

void
resolver_set_timer(struct resolver *r)
{
	int64_t wait_ns, next_ns = wheel_next_ns(&r->wheel);
	struct timeval tv;

	if (next_ns == INT64_MAX) {
		(void)evtimer_del(r->timer);
		return;
	}
	wait_ns = next_ns - clock_now_ns();
	if (wait_ns < 0)
		wait_ns = 0;
	tv.tv_sec = wait_ns / NSEC_PER_SEC;
	tv.tv_usec = wait_ns % NSEC_PER_SEC / NSEC_PER_USEC + 1;
	(void)evtimer_add(r->timer, &tv);
}

static void
refresh(struct name *n, int64_t now_ns)
{
	for (size_t i = 0; i < 2 && !n->is_literal; i++)
		family_refresh(&n->families[i], now_ns);
}

void
resolver_refresh(struct resolver *r, const char *host)
{
	struct name *n = resolver_find(r, host);

	if (!n)
		return;
	refresh(n, clock_now_ns());
	resolver_set_timer(r);
}

/* Another resolv.conf, or hosts file. */
static void
on_system_changed(void *arg)
{
	struct resolver *r = arg;
	int64_t now_ns = clock_now_ns();
	struct name *n;

	TAILQ_FOREACH(n, &r->names, link)
		refresh(n, now_ns);
	resolver_set_timer(r);
}

/* The whole */

int
resolver_new(struct event_base *base, resolver_callback *changed, void *arg, struct resolver **out)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int error = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->base = base;
	r->changed = changed;
	r->arg = arg;
	r->min_ttl_ns = NSEC_PER_SEC;
	r->max_ttl_ns = 60 * NSEC_PER_SEC;
	rng_seed(&r->rng);
	TAILQ_INIT(&r->names);
	wheel_init(&r->wheel, TICK_NS, clock_now_ns());
	r->timer = evtimer_new(base, on_timer, r);
	r->report = event_new(base, -1, 0, on_report, r);
	if (!r->timer || !r->report)
		goto fail;
	error = dns_new(base, on_system_changed, r, &r->dns);
	if (error < 0)
		goto fail;
	*out = r;
	return 0;
fail:
	resolver_free(r);
	return error;
}

void
resolver_free(struct resolver *r)
{
	struct name *n;

	if (!r)
		return;
	while ((n = TAILQ_FIRST(&r->names)))
		remove_name(n);
	dns_free(r->dns);
	if (r->timer)
		event_free(r->timer);
	if (r->report)
		event_free(r->report);
	free(r);
}

int
resolver_configure(struct resolver *r, const struct resolver_conf *conf)
{
	int error = dns_configure(r->dns, conf);

	if (error < 0)
		return error;
	r->min_ttl_ns = conf->min_ttl_ns;
	r->max_ttl_ns = conf->max_ttl_ns;
	return 0;
}

/* Forgets the names that are not wanted and, of those that are, the mark. */
static void
keep_wanted(struct resolver *r)
{
	struct name *n, *next;

	for (n = TAILQ_FIRST(&r->names); n; n = next) {
		next = TAILQ_NEXT(n, link);
		if (n->is_wanted)
			n->is_wanted = false;
		else
			remove_name(n);
	}
}

int
resolver_set_names(struct resolver *r, const char *const *hosts, size_t count)
{
	int64_t now_ns = clock_now_ns();
	struct name *n;

	for (size_t i = 0; i < count; i++) {
		n = resolver_find(r, hosts[i]);
		if (!n)
			n = resolver_add(r, hosts[i]);
		if (!n)
			goto fail;
		n->is_wanted = true;
	}
	keep_wanted(r);
	TAILQ_FOREACH(n, &r->names, link)
		for (size_t i = 0; i < 2 && !n->is_literal; i++)
			if (!n->families[i].query && !wheel_entry_is_set(&n->families[i].due))
				family_schedule(&n->families[i], now_ns);
	resolver_set_timer(r);
	return 0;
fail:
	/* Those added have never been asked for; they stay until the next call and cost nothing. */
	TAILQ_FOREACH(n, &r->names, link)
		n->is_wanted = false;
	return -ENOMEM;
}

size_t
resolver_addresses(const struct resolver *r, const char *host, const struct addr **out)
{
	const struct name *n = resolver_find(r, host);

	*out = n ? n->addrs : NULL;
	return n ? n->count : 0;
}

int64_t
resolver_ttl_ns(const struct resolver *r, const char *host)
{
	const struct name *n = resolver_find(r, host);
	int64_t ttl_ns = 0;

	for (size_t i = 0; n && i < 2; i++)
		if (n->families[i].ttl_ns > ttl_ns)
			ttl_ns = n->families[i].ttl_ns;
	return ttl_ns > 0 ? ttl_ns : r->max_ttl_ns;
}
