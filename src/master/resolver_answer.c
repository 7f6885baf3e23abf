/* What answers mean for a name: each family has its own, and a failed one leaves what was there.
 * "Nothing here" from one family is an answer where the other has addresses, and else a failure. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"
#include "dns_search.h"
#include "iaido/clock.h"
#include "iaido/log.h"
#include "resolver_priv.h"

#define REFRESH_NS NSEC_PER_SEC /* a name is not refreshed more often */
#define BACKOFF_FIRST_NS NSEC_PER_SEC
#define BACKOFF_DOUBLINGS 10

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
 * before the other one was asked after that, and has some: the whole name may have gone. */
static bool
waits_for_other(const struct family *f, const struct family *other)
{
	if (other->query)
		return true;
	return f->count > 0 && other->last == DNS_OK && other->asked_ns < f->negative_ns;
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
	f->place = a->place;
	f->failures = 0;
	f->answered_ns = now_ns;
	f->ttl_ns = clamp_ttl(n->resolver, a->ttl_s);
	settle(f, DNS_OK, now_ns + f->ttl_ns);
	if (a->left_out > 0 && !n->was_cut)
		log_event(LOG_LEVEL_WARN, "dns.cut",
			"a name has more addresses than iaido takes: the others are left out",
			LOG_STR("host", n->host), LOG_INT("limit", DNS_ADDRESSES_MAX),
			LOG_INT("leftOut", a->left_out));
	n->was_cut = a->left_out > 0;
	return 0;
}

/* As soon as is allowed; what is under way answers soon anyhow. */
void
family_refresh(struct family *f, int64_t now_ns)
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
		family_refresh(other, now_ns);
}

/* Below 0: what is at place a comes first in the order of search, and stands for the whole name. */
static int
compare_places(unsigned a, unsigned b)
{
	if (a == DNS_PLACE_UNKNOWN || b == DNS_PLACE_UNKNOWN)
		return 0;
	return a < b ? -1 : a > b;
}

/* A family that lacks addresses of one name is searched for further, and another name's are found.
 * What such a name says is "nothing here". */
static void
take_found(struct family *f, struct family *other, const struct dns_answer *a, int64_t now_ns)
{
	int order = other->count > 0 ? compare_places(a->place, other->place) : 0;

	if (order > 0) {
		f->last = DNS_NO_DATA;
		return;
	}
	if (take_answer(f, a, now_ns) < 0) {
		f->last = DNS_LOCAL;
	} else if (order < 0) {
		other->last = DNS_NO_DATA;
		settle_negative(other, f, now_ns);
	}
}

void
family_answered(void *arg, const struct dns_answer *a)
{
	struct family *f = arg;
	struct name *n = f->name;
	struct family *other = &n->families[f == &n->families[0]];
	int64_t now_ns = clock_now_ns();

	f->query = NULL;
	f->last = a->kind;
	if (a->kind == DNS_OK)
		take_found(f, other, a, now_ns);
	if (is_negative(f->last)) {
		f->negative_ns = now_ns;
		on_negative(f, other, now_ns);
	} else if (f->last != DNS_OK) {
		fail(f, f->last, now_ns);
	}
	if (other->waits)
		on_negative(other, f, now_ns);
	else if (f->last == DNS_OK && other->failures > 0)
		family_refresh(other, now_ns); /* perhaps it is well again, too */
	log_fault(n);
	publish(n);
	resolver_set_timer(n->resolver);
}
