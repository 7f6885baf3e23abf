/* Rules that look at two keys or more, on a configuration whose single values are good (one that
 * was not has its default, and is left out). Nothing is resolved: what is said here is certain. */
#include "config.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hostport.h"
#include "iaido/addr.h"
#include "iaido/conf.h"
#include "iaido/duration.h"
#include "report.h"

/* ---- Two keys at the top ---- */

/* The place of a value that the file has and that is good; NULL otherwise. */
static const struct place *
good_place(const struct report *r, const void *where)
{
	const struct place *p = report_find_place(r, where);

	return p && !p->is_bad ? p : NULL;
}

static bool
is_bad(const struct report *r, const void *where)
{
	const struct place *p = report_find_place(r, where);

	return p && p->is_bad;
}

static void
check_resolver(struct report *r, const struct resolver_conf *resolver)
{
	const struct place *p = good_place(r, &resolver->max_ttl_ns);
	char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
	const char *key = "maxTTL";
	size_t former;

	if (resolver->min_ttl_ns <= resolver->max_ttl_ns || is_bad(r, &resolver->min_ttl_ns) ||
		is_bad(r, &resolver->max_ttl_ns))
		return;
	if (!p) {
		p = good_place(r, &resolver->min_ttl_ns);
		key = "minTTL";
	}
	if (!p)
		return;
	former = report_enter_key(r, "resolver");
	report_enter_key(r, key);
	report_error(r, p->mark, "minTTL (%s) must not be larger than maxTTL (%s)",
		duration_format(resolver->min_ttl_ns, least),
		duration_format(resolver->max_ttl_ns, most));
	report_leave(r, former);
}

static void
check_user(struct report *r, const struct conf *c)
{
	const struct place *p = good_place(r, &c->group);
	size_t former;

	if (!c->group || c->user || !p || is_bad(r, &c->user))
		return;
	former = report_enter_key(r, "group");
	report_error(r, p->mark, "needs `user` as well");
	report_leave(r, former);
}

/* Neither two keys nor a key and the file itself may be one file: one would spoil the other. */
static void
check_paths(struct report *r, const struct conf *c)
{
	const char *diag = c->diag_addr && strncmp(c->diag_addr, "unix:", 5) == 0 ? c->diag_addr + 5
										  : NULL;
	const struct {
		const char *key;
		const char *path;
		const void *where;
	} files[] = {
		{ "the configuration", r->name, NULL },
		{ "pidFile", c->pid_file, &c->pid_file },
		{ "log.target", c->log.target, &c->log.target },
		{ "diagAddr", diag, &c->diag_addr },
	};

	for (size_t i = 1; i < ARRAY_SIZE(files); i++) {
		for (size_t j = 0; j < i; j++) {
			const struct place *p = good_place(r, files[i].where);
			size_t former;

			if (!p || !files[i].path || !files[j].path ||
				strcmp(files[i].path, files[j].path) != 0)
				continue;
			former = report_enter_key(r, files[i].key);
			report_error(r, p->mark, "is the same file as %s", files[j].key);
			report_leave(r, former);
		}
	}
}

/* ---- Addresses that are listened on ---- */

enum cover { COVER_NONE, COVER_ALL, COVER_IPV4, COVER_IPV6 };

struct bound {
	char host[HOST_TEXT_MAX]; /* "" = all addresses */
	uint16_t port;
	enum cover covers;
	bool is_ipv4;
	bool is_ipv6;
	size_t frontend; /* SIZE_MAX = diagAddr */
	struct conf_mark mark;
};

static void
fill_bound(struct bound *b, const char *host, uint16_t port, size_t frontend, struct conf_mark mark)
{
	struct addr a;

	memset(b, 0, sizeof(*b));
	(void)snprintf(b->host, sizeof(b->host), "%s", host);
	b->port = port;
	b->frontend = frontend;
	b->mark = mark;
	if (host[0] == '\0') {
		b->covers = COVER_ALL;
	} else if (addr_parse(host, 0, &a) == 0) {
		b->is_ipv4 = a.sa.sa_family == AF_INET;
		b->is_ipv6 = !b->is_ipv4;
		if (addr_is_any(&a))
			b->covers = b->is_ipv4 ? COVER_IPV4 : COVER_IPV6;
	}
}

static int
compare_bound(const void *left, const void *right)
{
	const struct bound *a = left, *b = right;
	int by_host = strcasecmp(a->host, b->host);

	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (by_host != 0)
		return by_host;
	/* As they stand in the file; diagAddr, which is no frontend, goes first. */
	return a->frontend + 1 < b->frontend + 1 ? -1 : 1;
}

static void
report_bound(struct report *r, const struct bound *b, const struct bound *other, const char *how)
{
	char text[HOST_TEXT_MAX + 16], other_text[HOST_TEXT_MAX + 16];
	size_t former = report_enter_key(r, b->frontend == SIZE_MAX ? "diagAddr" : "frontends");

	if (b->frontend != SIZE_MAX) {
		report_enter_index(r, b->frontend);
		report_enter_key(r, "bindAddress");
	}
	report_error(r, b->mark, "%s %s %s in line %u%s",
		hostport_join(b->host, b->port, text, sizeof(text)), how,
		hostport_join(other->host, other->port, other_text, sizeof(other_text)),
		other->mark.line, other->frontend == SIZE_MAX ? " (diagAddr)" : "");
	report_leave(r, former);
}

static bool
is_covered(const struct bound *b, const struct bound *by)
{
	return by->covers == COVER_ALL || (by->covers == COVER_IPV4 && b->is_ipv4) ||
		(by->covers == COVER_IPV6 && b->is_ipv6);
}

/* All of one port, ordered by host. */
static void
check_bound_group(struct report *r, const struct bound *group, size_t count)
{
	const struct bound *covers[3];
	size_t cover_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && strcasecmp(group[i].host, group[i - 1].host) == 0)
			continue;
		if (group[i].covers != COVER_NONE && cover_count < ARRAY_SIZE(covers))
			covers[cover_count++] = &group[i];
	}
	for (size_t i = 0, first = 0; i < count; i++) {
		if (i > 0 && strcasecmp(group[i].host, group[first].host) == 0) {
			report_bound(r, &group[i], &group[first], "is the same address as");
			continue;
		}
		first = i;
		for (size_t j = 0; j < cover_count; j++) {
			if (covers[j] == &group[i] || !is_covered(&group[i], covers[j]))
				continue;
			report_bound(r, &group[i], covers[j], "is covered by");
			break;
		}
	}
}

static size_t
collect_bound(const struct report *r, const struct conf *c, struct bound *all)
{
	const struct place *p = good_place(r, &c->diag_addr);
	char host[HOST_TEXT_MAX];
	uint16_t port = 0;
	size_t count = 0;

	if (p && c->diag_addr && strncmp(c->diag_addr, "unix:", 5) != 0 &&
		!hostport_split(c->diag_addr, HOST_TO_BIND, host, &port) && port != 0)
		fill_bound(&all[count++], host, port, SIZE_MAX, p->mark);
	for (size_t i = 0; i < c->frontend_count; i++) {
		const struct frontend_conf *fe = &c->frontends[i];

		if (fe->bind_port != 0)
			fill_bound(&all[count++], fe->bind_host, fe->bind_port, i, fe->mark);
	}
	return count;
}

static void
check_bound(struct report *r, const struct conf *c)
{
	struct bound *all = calloc(c->frontend_count + 1, sizeof(*all));
	size_t count, start = 0;

	if (!all) {
		r->is_out_of_memory = true;
		return;
	}
	count = collect_bound(r, c, all);
	qsort(all, count, sizeof(*all), compare_bound);
	for (size_t i = 1; i <= count; i++) {
		if (i < count && all[i].port == all[start].port)
			continue;
		check_bound_group(r, all + start, i - start);
		start = i;
	}
	free(all);
}

/* ---- Backends ---- */

/* One host of one target, and where it stands. */
struct candidate {
	const char *host;
	uint16_t port;
	uint32_t tier;
	uint32_t target;
	uint32_t index;
	struct conf_mark mark;
};

static int
compare_candidate(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int by_host = strcasecmp(a->host, b->host);

	if (by_host != 0)
		return by_host;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if (a->target != b->target)
		return a->target < b->target ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static bool
is_same_backend(const struct candidate *a, const struct candidate *b)
{
	return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

static size_t
enter_candidate(struct report *r, size_t frontend, const struct candidate *k)
{
	size_t former = report_enter_key(r, "frontends");

	report_enter_index(r, frontend);
	report_enter_key(r, "backendPool");
	report_enter_key(r, "tiers");
	report_enter_index(r, k->tier);
	report_enter_key(r, "targets");
	report_enter_index(r, k->target);
	report_enter_key(r, "hosts");
	report_enter_index(r, k->index);
	return former;
}

static void
warn_repeated(
	struct report *r, size_t frontend, const struct candidate *k, const struct candidate *first)
{
	char text[HOST_TEXT_MAX + 16];
	size_t former;

	if (r->warning_count == CONF_ERRORS_MAX)
		return;
	former = enter_candidate(r, frontend, k);
	hostport_join(k->host, k->port, text, sizeof(text));
	if (k->tier == first->tier)
		report_warning(r, k->mark,
			"%s stands in this tier already, in line %u: "
			"it counts once",
			text, first->mark.line);
	else
		report_warning(r, k->mark,
			"%s stands in tiers[%u] already, in line %u: "
			"it counts once, there",
			text, first->tier, first->mark.line);
	report_leave(r, former);
}

/* Whether a host, which may be a name, is an address of this machine that the frontend has. */
static bool
is_own_address(const struct frontend_conf *fe, const char *host)
{
	bool is_localhost = strcasecmp(host, "localhost") == 0;
	struct bound b;
	struct addr a;

	if (strcasecmp(fe->bind_host, host) == 0)
		return true;
	fill_bound(&b, fe->bind_host, fe->bind_port, 0, fe->mark);
	if (strcasecmp(b.host, "localhost") == 0)
		return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
	if (is_localhost)
		return b.covers != COVER_NONE || strcmp(b.host, "127.0.0.1") == 0 ||
			strcmp(b.host, "::1") == 0;
	if (addr_parse(host, 0, &a) < 0)
		return false;
	if (a.sa.sa_family == AF_INET)
		return (b.covers == COVER_ALL || b.covers == COVER_IPV4) &&
			ntohl(a.in.sin_addr.s_addr) >> 24 == 127;
	return (b.covers == COVER_ALL || b.covers == COVER_IPV6) &&
		IN6_IS_ADDR_LOOPBACK(&a.in6.sin6_addr);
}

static void
check_self(struct report *r, const struct frontend_conf *fe, size_t frontend,
	const struct candidate *k)
{
	const struct target_conf *target = &fe->pool.tiers[k->tier].targets[k->target];
	size_t former;

	if (fe->bind_port == 0 || k->port != fe->bind_port || target->disabled ||
		report_is_full(r) || !is_own_address(fe, k->host))
		return;
	former = enter_candidate(r, frontend, k);
	report_error(r, k->mark,
		"%s port %u is this frontend's own address (%s): it would connect "
		"to itself",
		k->host, k->port, fe->bind_address);
	report_leave(r, former);
}

static size_t
count_hosts(const struct pool_conf *pool)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->tier_count; i++)
		for (size_t j = 0; j < pool->tiers[i].target_count; j++)
			count += pool->tiers[i].targets[j].host_count;
	return count;
}

static void
collect_candidates(const struct report *r, const struct pool_conf *pool, struct candidate *all)
{
	for (uint32_t i = 0; i < pool->tier_count; i++) {
		for (uint32_t j = 0; j < pool->tiers[i].target_count; j++) {
			const struct target_conf *t = &pool->tiers[i].targets[j];

			for (uint32_t n = 0; n < t->host_count; n++) {
				const struct place *p = report_find_place(r, &t->hosts[n]);

				*all++ = (struct candidate){ t->hosts[n], t->port, i, j, n,
					p ? p->mark : t->mark };
			}
		}
	}
}

static void
warn_all_disabled(struct report *r, const struct frontend_conf *fe, size_t frontend)
{
	size_t former, disabled = 0;

	for (size_t i = 0; i < fe->pool.tier_count; i++)
		for (size_t j = 0; j < fe->pool.tiers[i].target_count; j++) {
			if (!fe->pool.tiers[i].targets[j].disabled)
				return;
			disabled++;
		}
	if (disabled == 0)
		return;
	former = report_enter_key(r, "frontends");
	report_enter_index(r, frontend);
	report_warning(r, fe->mark, "all its targets are disabled: no connection will be served");
	report_leave(r, former);
}

/* Returns the number of backends that are certain without DNS. */
static size_t
check_frontend(struct report *r, const struct frontend_conf *fe, size_t frontend)
{
	size_t count = count_hosts(&fe->pool), first = 0, literals = 0;
	struct candidate *all = calloc(count > 0 ? count : 1, sizeof(*all));
	struct addr a;

	if (!all) {
		r->is_out_of_memory = true;
		return 0;
	}
	collect_candidates(r, &fe->pool, all);
	qsort(all, count, sizeof(*all), compare_candidate);
	for (size_t i = 0; i < count; i++) {
		check_self(r, fe, frontend, &all[i]);
		if (i > 0 && is_same_backend(&all[i], &all[first])) {
			warn_repeated(r, frontend, &all[i], &all[first]);
			continue;
		}
		first = i;
		literals += addr_parse(all[i].host, 0, &a) == 0;
	}
	free(all);
	warn_all_disabled(r, fe, frontend);
	return literals;
}

void
check_conf(struct report *r, const struct conf *c)
{
	size_t literals = 0, former;

	check_resolver(r, &c->resolver);
	check_user(r, c);
	check_paths(r, c);
	check_bound(r, c);
	for (size_t i = 0; i < c->frontend_count; i++)
		literals += check_frontend(r, &c->frontends[i], i);
	if (literals <= CONF_BACKENDS_MAX)
		return;
	former = report_enter_key(r, "frontends");
	report_error(r, c->frontends[0].mark, "%zu backends in all: at most %d are allowed",
		literals, CONF_BACKENDS_MAX);
	report_leave(r, former);
}
