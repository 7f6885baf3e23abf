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
#include "iaido/clock.h"
#include "iaido/log.h"
#include "resolver_priv.h"

#define TICK_NS (10 * NSEC_PER_MSEC)
#define REFRESH_NS NSEC_PER_SEC /* a name is not refreshed more often */
#define BACKOFF_FIRST_NS NSEC_PER_SEC
#define BACKOFF_DOUBLINGS 10
#define QUERIES_MAX 512 /* under way at once; the others wait a little */
#define QUERIES_FULL_NS (50 * NSEC_PER_MSEC)

static void set_timer(struct resolver *r);

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

/* Answers */

bool
name_join_families(struct name *n)
{
	size_t count = n->families[0].count + n->families[1].count, at = 0;
	struct addr *addrs = calloc(count + 1, sizeof(*addrs));
	bool differs = count != n->count;

	if (!addrs)
		return false;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < n->families[i].count; k++)
			addrs[at++] = n->families[i].addrs[k];
	for (size_t i = 0; i < count && !differs; i++)
		differs = !addr_equal(&addrs[i], &n->addrs[i]);
	free(n->addrs);
	n->addrs = addrs;
	n->count = count;
	return differs;
}

static void
log_addresses(const struct name *n)
{
	char text[512], one[ADDR_TEXT_MAX];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n->count; i++) {
		size_t need = strlen(addr_format_host(&n->addrs[i], one)) + 1;

		if (need + sizeof(",...") > sizeof(text) - len) {
			memcpy(text + len, ",...", sizeof(",..."));
			break;
		}
		if (len > 0)
			text[len++] = ',';
		memcpy(text + len, one, need);
		len += need - 1;
	}
	log_event(LOG_LEVEL_INFO, "dns.changed", "the addresses of a name have changed",
		LOG_STR("host", n->host), LOG_INT("count", n->count), LOG_STR("addresses", text));
}

static void
publish(struct name *n)
{
	if (!name_join_families(n))
		return;
	log_addresses(n);
	n->is_reported = true;
	event_active(n->resolver->report, EV_TIMEOUT, 0);
}

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

static int64_t
clamp_ttl(const struct resolver *r, int64_t ttl_s)
{
	int64_t ttl_ns;

	if (ttl_s == DNS_TTL_NONE || ttl_s > INT64_MAX / NSEC_PER_SEC)
		return r->max_ttl_ns;
	ttl_ns = ttl_s * NSEC_PER_SEC;
	if (ttl_ns > r->max_ttl_ns)
		ttl_ns = r->max_ttl_ns;
	return ttl_ns < r->min_ttl_ns ? r->min_ttl_ns : ttl_ns;
}

void
family_schedule(struct family *f, int64_t due_ns)
{
	wheel_set(&f->name->resolver->wheel, &f->due, due_ns);
}

/* 1 s, 2 s, 4 s, … at most the largest TTL, each a quarter more or less. */
static int64_t
backoff_ns(struct resolver *r, unsigned failures)
{
	unsigned doublings = failures - 1 < BACKOFF_DOUBLINGS ? failures - 1 : BACKOFF_DOUBLINGS;
	int64_t ns = BACKOFF_FIRST_NS << doublings;

	if (ns > r->max_ttl_ns)
		ns = r->max_ttl_ns;
	return rng_between(&r->rng, ns - ns / 4, ns + ns / 4);
}

static bool
is_negative(enum dns_kind kind)
{
	return kind == DNS_NO_DATA || kind == DNS_NO_NAME;
}

/* What people are told is wrong with the whole name. */
static enum dns_kind
find_fault(const struct name *n)
{
	enum dns_kind a = n->families[0].settled, b = n->families[1].settled;

	if (a == DNS_NONE || b == DNS_NONE) /* too early to tell, but for a fault that goes */
		return a == DNS_OK || b == DNS_OK ? DNS_OK : n->fault;
	if (is_negative(a) && is_negative(b))
		return a == b ? a : DNS_NO_DATA;
	if (a != DNS_OK && !is_negative(a))
		return a;
	/* One of the two is well, so that "nothing here" from the other is an answer. */
	return is_negative(b) ? DNS_OK : b;
}

/* Once when a fault begins, changes its kind, and ends. */
static void
log_fault(struct name *n)
{
	enum dns_kind fault = find_fault(n);

	if (fault == n->fault)
		return;
	if (fault == DNS_OK)
		log_event(LOG_LEVEL_INFO, "dns.recovered", "a name can be looked up again",
			LOG_STR("host", n->host));
	else
		log_event(LOG_LEVEL_WARN, "dns.failed",
			n->count > 0 ? "a name cannot be looked up: its last good answer is kept"
				     : "a name cannot be looked up",
			LOG_STR("host", n->host), LOG_STR("error", dns_kind_text(fault)),
			LOG_INT("addresses", n->count));
	n->fault = fault;
}

static void
count_lookup(struct name *n, enum dns_kind settled)
{
	if (settled == DNS_OK)
		n->lookups_success++;
	else if (settled == DNS_TIMEOUT)
		n->lookups_timeout++;
	else
		n->lookups_error++;
}

static void
settle(struct family *f, enum dns_kind settled, int64_t due_ns)
{
	f->waits = false;
	f->settled = settled;
	count_lookup(f->name, settled);
	family_schedule(f, due_ns);
}

static void
fail(struct family *f, enum dns_kind kind, int64_t now_ns)
{
	f->failures++;
	settle(f, kind, now_ns + backoff_ns(f->name->resolver, f->failures));
}

/* "Nothing here" is an answer where the other family has addresses, and else a failure. */
static void
settle_negative(struct family *f, const struct family *other, int64_t now_ns)
{
	if (other->last != DNS_OK) {
		fail(f, f->last, now_ns);
		return;
	}
	free(f->addrs);
	f->addrs = NULL;
	f->count = 0;
	f->failures = 0;
	f->answered_ns = now_ns;
	f->ttl_ns = other->ttl_ns;
	settle(f, DNS_OK, now_ns + f->ttl_ns);
}

/* Whether the other family has to speak first. Addresses do not go for an answer of "nothing here"
 * before the other was asked later than that, and has some: the whole name may have gone. */
static bool
waits_for_other(const struct family *f, const struct family *other)
{
	if (other->query)
		return true;
	return f->count > 0 && other->last == DNS_OK && other->asked_ns < f->asked_ns;
}

static int
take_answer(struct family *f, const struct dns_answer *a, int64_t now_ns)
{
	struct name *n = f->name;
	struct addr *addrs = malloc(a->count * sizeof(*addrs));

	if (!addrs)
		return -ENOMEM;
	memcpy(addrs, a->addrs, a->count * sizeof(*addrs));
	free(f->addrs);
	f->addrs = addrs;
	f->count = a->count;
	f->failures = 0;
	f->answered_ns = now_ns;
	f->ttl_ns = clamp_ttl(n->resolver, a->ttl_s);
	settle(f, DNS_OK, now_ns + f->ttl_ns);
	if (a->left_out > 0 && !n->was_cut)
		log_event(LOG_LEVEL_WARN, "dns.cut",
			"a name has more addresses than iaido takes: the others are left out",
			LOG_STR("host", n->host), LOG_INT("limit", DNS_ADDRESSES_MAX),
			LOG_INT("left_out", a->left_out));
	n->was_cut = a->left_out > 0;
	return 0;
}

/* As soon as is allowed; what is under way answers soon anyhow. */
static void
refresh_family(struct family *f, int64_t now_ns)
{
	int64_t due_ns = f->asked_ns == 0 ? now_ns : f->asked_ns + REFRESH_NS;

	if (f->query)
		return;
	if (due_ns < now_ns)
		due_ns = now_ns;
	if (!wheel_entry_is_set(&f->due) || due_ns < f->due.due_ns)
		family_schedule(f, due_ns);
}

static void
on_negative(struct family *f, struct family *other, int64_t now_ns)
{
	f->waits = waits_for_other(f, other);
	if (!f->waits)
		settle_negative(f, other, now_ns);
	else if (!other->query)
		refresh_family(other, now_ns);
}

static void
on_answer(void *arg, const struct dns_answer *a)
{
	struct family *f = arg;
	struct name *n = f->name;
	struct family *other = &n->families[f == &n->families[0]];
	int64_t now_ns = clock_now_ns();

	f->query = NULL;
	f->last = a->kind;
	if (a->kind == DNS_OK && take_answer(f, a, now_ns) < 0)
		f->last = DNS_LOCAL;
	if (is_negative(f->last))
		on_negative(f, other, now_ns);
	else if (f->last != DNS_OK)
		fail(f, f->last, now_ns);
	if (other->waits)
		on_negative(other, f, now_ns);
	else if (f->last == DNS_OK && other->failures > 0)
		refresh_family(other, now_ns); /* perhaps it is well again, too */
	log_fault(n);
	publish(n);
	set_timer(n->resolver);
}

/* Asking */

static void
ask(struct family *f, int64_t now_ns)
{
	struct resolver *r = f->name->resolver;

	if (f->query)
		return;
	if (dns_pending(r->dns) >= QUERIES_MAX) {
		family_schedule(f, now_ns + QUERIES_FULL_NS);
		return;
	}
	f->asked_ns = now_ns;
	f->query = dns_ask(r->dns, f->name->host, f->af, on_answer, f);
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
	set_timer(r);
}

static void
set_timer(struct resolver *r)
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
		refresh_family(&n->families[i], now_ns);
}

void
resolver_refresh(struct resolver *r, const char *host)
{
	struct name *n = resolver_find(r, host);

	if (!n)
		return;
	refresh(n, clock_now_ns());
	set_timer(r);
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
	set_timer(r);
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
	set_timer(r);
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
