/* The resolver against a DNS server that misbehaves on demand. */
#include "config.h"

#include "master/resolver.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "dnsd/client.h"
#include "iaido/clock.h"
#include "iaido/snapshot.h"
#include "iaido/wire.h"
#include "logged.h"
#include "loop.h"
#include "unit.h"

#define MS NSEC_PER_MSEC

static struct event_base *base;
static struct resolver *resolver;
static struct dns_server *server;
static struct addr server_addr;
static unsigned changes;

static void
on_changed(void *arg, const char *host)
{
	(void)arg;
	(void)host;
	changes++;
}

static void
configure(int64_t min_ttl_ns, int64_t max_ttl_ns, int64_t timeout_ns)
{
	struct resolver_conf conf = { &server_addr, 1, min_ttl_ns, max_ttl_ns, timeout_ns };

	ck_assert_int_eq(resolver_configure(resolver, &conf), 0);
}

/* The environment is a pod's: c-ares reads it before any file. */
static void
begin(void)
{
	setenv("LOCALDOMAIN", "ns.svc.cluster.local svc.cluster.local", 1);
	setenv("RES_OPTIONS", "ndots:2", 1);
	server = dns_server_start();
	ck_assert_int_eq(addr_parse("127.0.0.1", dns_server_port(server), &server_addr), 0);
	base = event_base_new();
	logged_begin();
	ck_assert_int_eq(resolver_new(base, on_changed, NULL, &resolver), 0);
	configure(20 * MS, 40 * MS, 100 * MS);
}

static void
end(void)
{
	resolver_free(resolver);
	event_base_free(base);
	dns_server_stop(server);
}

static void
set_names(const char *a, const char *b)
{
	const char *names[2] = { a, b };

	ck_assert_int_eq(resolver_set_names(resolver, names, b ? 2 : 1), 0);
}

/* "10.0.0.1,10.0.0.2" */
struct wanted {
	const char *host;
	const char *addresses;
};

static const char *
addresses_of(const char *host)
{
	static char text[1 << 16];
	char one[ADDR_TEXT_MAX];
	const struct addr *addrs;
	size_t len = 0, count = resolver_addresses(resolver, host, &addrs);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? "," : "",
			addr_format_host(&addrs[i], one));
	return text;
}

static bool
has_addresses(void *arg)
{
	const struct wanted *w = arg;

	return strcmp(addresses_of(w->host), w->addresses) == 0;
}

static void
expect(const char *host, const char *addresses)
{
	struct wanted w = { host, addresses };

	if (!loop_until(base, has_addresses, &w))
		ck_abort_msg("%s has '%s' and not '%s'", host, addresses_of(host), addresses);
}

/* Whether the name's fault is `arg` ("" = none), as the status shows it. */
struct fault {
	const char *host;
	const char *error;
	char seen[64];
};

static bool
has_fault(void *arg)
{
	struct fault *f = arg;
	struct snapshot s = { 0 };

	ck_assert_int_eq(resolver_snapshot(resolver, &s), 0);
	for (size_t i = 0; i < s.name_count; i++)
		if (strcmp(s.names[i].host, f->host) == 0)
			(void)snprintf(f->seen, sizeof(f->seen), "%s",
				s.names[i].last_error ? s.names[i].last_error : "");
	snapshot_fini(&s);
	return strcmp(f->seen, f->error) == 0;
}

static void
expect_fault(const char *host, const char *error)
{
	struct fault f = { host, error, "no such host" };

	if (!loop_until(base, has_fault, &f))
		ck_abort_msg("the fault of %s is '%s' and not '%s'", host, f.seen, error);
}

START_TEST(both_families_are_one_set)
{
	begin();
	dns_server_say(server, "db.example A 1 10.0.0.2 10.0.0.1");
	dns_server_say(server, "db.example AAAA 1 fd00::1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1,10.0.0.2,fd00::1");
	ck_assert_uint_ge(changes, 1);
	end();
}
END_TEST

START_TEST(a_name_with_only_aaaa_is_well)
{
	begin();
	dns_server_say(server, "six.example AAAA 1 fd00::6");
	set_names("six.example", NULL);
	expect("six.example", "fd00::6");
	loop_for(base, 100 * MS);
	expect_fault("six.example", "");
	ck_assert_uint_eq(logged_count("dns.failed", NULL), 0);
	end();
}
END_TEST

START_TEST(changes_are_followed_when_the_ttl_is_over)
{
	begin();
	dns_server_say(server, "db.example A 1 10.0.0.1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1");
	dns_server_say(server,
		"db.example del\n"
		"db.example A 1 10.0.0.1 10.0.0.2");
	expect("db.example", "10.0.0.1,10.0.0.2");
	dns_server_say(server,
		"db.example del\n"
		"db.example A 1 10.0.0.3");
	expect("db.example", "10.0.0.3");
	end();
}
END_TEST

START_TEST(an_answer_is_not_asked_for_again_before_its_ttl)
{
	begin();
	configure(3600 * NSEC_PER_SEC, 3600 * NSEC_PER_SEC, 100 * MS);
	dns_server_say(server, "zero.example A 0 10.0.0.1");
	dns_server_say(server, "huge.example A 2147483648 10.0.0.2");
	set_names("zero.example", "huge.example");
	expect("zero.example", "10.0.0.1");
	expect("huge.example", "10.0.0.2");
	ck_assert_int_eq(resolver_ttl_ns(resolver, "zero.example"), 3600 * NSEC_PER_SEC);
	loop_for(base, 200 * MS);
	ck_assert_uint_eq(dns_server_queries(server, " A zero.example\n"), 1);
	ck_assert_uint_eq(dns_server_queries(server, " A huge.example\n"), 1);
	end();
}
END_TEST

START_TEST(a_long_ttl_is_clamped)
{
	begin();
	dns_server_say(server, "db.example A 86400 10.0.0.1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1");
	ck_assert_int_eq(resolver_ttl_ns(resolver, "db.example"), 40 * MS);
	dns_server_say(server,
		"db.example del\n"
		"db.example A 86400 10.0.0.2");
	expect("db.example", "10.0.0.2");
	end();
}
END_TEST

static const struct {
	const char *rule;
	const char *error;
} failures[] = {
	{ "do nxdomain", "no such name" },
	{ "do nodata", "no address" },
	{ "do servfail", "server failure" },
	{ "do refused", "refused" },
	{ "do silent", "timeout" },
	{ "do wrongid", "timeout" },
	{ "do wrongname", "timeout" },
	{ "do wrongport", "timeout" },
	{ "do wrongaddr", "timeout" },
	{ "do garbage", NULL },
	{ "do short", NULL },
	{ "do loop", NULL },
	{ "do badcount", NULL },
	{ "do badlength", NULL },
	{ "do empty", NULL },
	{ "do wrongtype", NULL },
};

/* Each way to fail keeps the last good answer, is said once, and its end is said; a neighbour's
 * changes are followed meanwhile. */
START_TEST(a_failed_lookup_changes_nothing)
{
	begin();
	dns_server_say(server, "good.example A 1 10.0.1.0");
	dns_server_say(server, "bad.example A 1 10.0.0.1");
	dns_server_say(server, "bad.example AAAA 1 fd00::1");
	set_names("bad.example", "good.example");
	for (unsigned i = 0; i < ARRAY_SIZE(failures); i++) {
		char line[96], next[24];

		expect("bad.example", "10.0.0.1,fd00::1");
		expect_fault("bad.example", "");
		ck_assert_uint_eq(logged_count("dns.failed", "bad.example"), i);
		ck_assert_uint_eq(logged_count("dns.recovered", "bad.example"), i);
		(void)snprintf(
			line, sizeof(line), "bad.example del\nbad.example %s", failures[i].rule);
		dns_server_say(server, line);
		if (failures[i].error)
			expect_fault("bad.example", failures[i].error);
		else
			while (logged_count("dns.failed", "bad.example") == i)
				loop_for(base, 10 * MS);
		(void)snprintf(next, sizeof(next), "10.0.1.%u", i + 1);
		(void)snprintf(line, sizeof(line), "good.example del\ngood.example A 1 %s", next);
		dns_server_say(server, line);
		expect("good.example", next);
		loop_for(base, 100 * MS);
		ck_assert_str_eq(addresses_of("bad.example"), "10.0.0.1,fd00::1");
		ck_assert_uint_eq(logged_count("dns.failed", "bad.example"), i + 1);
		dns_server_say(server,
			"bad.example del\n"
			"bad.example A 1 10.0.0.1\n"
			"bad.example AAAA 1 fd00::1");
	}
	end();
}
END_TEST

START_TEST(a_family_that_fails_takes_nothing_from_the_other)
{
	begin();
	dns_server_say(server, "db.example A 1 10.0.0.1");
	dns_server_say(server, "db.example AAAA 1 fd00::1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1,fd00::1");
	dns_server_say(server,
		"db.example del\n"
		"db.example A 1 10.0.0.2\n"
		"db.example do servfail AAAA");
	expect("db.example", "10.0.0.2,fd00::1");
	expect_fault("db.example", "server failure");
	dns_server_say(server,
		"db.example del\n"
		"db.example do silent A\n"
		"db.example AAAA 1 fd00::2");
	expect("db.example", "10.0.0.2,fd00::2");
	end();
}
END_TEST

/* The first answer is used at once, whatever becomes of the other family. */
START_TEST(a_silent_family_delays_nothing)
{
	begin();
	configure(20 * MS, 40 * MS, 3600 * NSEC_PER_SEC);
	dns_server_say(server, "db.example A 1 10.0.0.1");
	dns_server_say(server, "db.example do silent AAAA");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1");
	end();
}
END_TEST

START_TEST(many_silent_names_delay_nothing)
{
	static char text[3000][32];
	const char *names[3001];

	begin();
	configure(20 * MS, 40 * MS, 3600 * NSEC_PER_SEC);
	dns_server_say(server, "* do silent\ngood.example A 1 10.0.0.1");
	dns_server_say(server,
		"good.example.ns.svc.cluster.local do nxdomain\n"
		"good.example.svc.cluster.local do nxdomain");
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "silent%d.example", i);
		names[i] = text[i];
	}
	names[3000] = "good.example";
	ck_assert_int_eq(resolver_set_names(resolver, names, 3001), 0);
	expect("good.example", "10.0.0.1");
	end();
}
END_TEST

START_TEST(a_family_that_is_no_more_goes)
{
	begin();
	dns_server_say(server, "db.example A 1 10.0.0.1");
	dns_server_say(server, "db.example AAAA 1 fd00::1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1,fd00::1");
	dns_server_say(server,
		"db.example del\n"
		"db.example A 1 10.0.0.1");
	expect("db.example", "10.0.0.1");
	ck_assert_uint_eq(logged_count("dns.failed", NULL), 0);
	end();
}
END_TEST

START_TEST(two_hundred_addresses_come_by_tcp)
{
	const struct addr *addrs;
	char line[] = "many.example many 200 1 10.1.0.1";

	begin();
	dns_server_say(server, line);
	set_names("many.example", NULL);
	while (resolver_addresses(resolver, "many.example", &addrs) == 0)
		loop_for(base, 10 * MS);
	ck_assert_uint_eq(resolver_addresses(resolver, "many.example", &addrs), 200);
	ck_assert_uint_ge(dns_server_queries(server, "query tcp"), 1);
	end();
}
END_TEST

START_TEST(too_many_addresses_are_cut_and_said_once)
{
	const struct addr *addrs;
	char line[] = "many.example many 3000 1 10.1.0.1";

	begin();
	dns_server_say(server, line);
	set_names("many.example", NULL);
	while (resolver_addresses(resolver, "many.example", &addrs) == 0)
		loop_for(base, 10 * MS);
	ck_assert_uint_eq(resolver_addresses(resolver, "many.example", &addrs), 1024);
	loop_for(base, 300 * MS);
	ck_assert_uint_ge(dns_server_queries(server, " A many.example\n"), 2);
	ck_assert_uint_eq(logged_count("dns.cut", "limit=1024"), 1);
	end();
}
END_TEST

START_TEST(forged_answers_are_passed_over)
{
	begin();
	dns_server_say(server, "db.example A 1 10.0.0.1");
	dns_server_say(server, "db.example do spoofed");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1");
	loop_for(base, 200 * MS);
	ck_assert_str_eq(addresses_of("db.example"), "10.0.0.1");
	ck_assert_uint_eq(logged_count("192.0.2.66", NULL), 0);
	end();
}
END_TEST

START_TEST(short_names_are_searched_for_as_in_a_pod)
{
	begin();
	dns_server_say(server, "db.ns.svc.cluster.local A 1 10.0.0.1");
	dns_server_say(server, "api.other.svc.cluster.local A 1 10.0.0.2");
	set_names("db", "api.other");
	expect("db", "10.0.0.1");
	expect("api.other", "10.0.0.2");
	ck_assert_uint_eq(dns_server_queries(server, " A db\n"), 0);
	end();
}
END_TEST

/* The other family of a name is not that of the next name in the order of search. */
START_TEST(both_families_are_of_one_name)
{
	begin();
	dns_server_say(server, "db.ns.svc.cluster.local A 1 10.0.0.1");
	dns_server_say(server, "db.svc.cluster.local A 1 10.0.0.2");
	dns_server_say(server, "db.svc.cluster.local AAAA 1 fd00::2");
	set_names("db", NULL);
	expect("db", "10.0.0.1");
	while (dns_server_queries(server, " AAAA db.svc.cluster.local\n") < 3)
		loop_for(base, 20 * MS);
	ck_assert_str_eq(addresses_of("db"), "10.0.0.1");
	expect_fault("db", "");
	/* The first name goes: then the second one is it, with both. */
	dns_server_say(server, "db.ns.svc.cluster.local del");
	expect("db", "10.0.0.2,fd00::2");
	/* It comes back, in the other family. */
	dns_server_say(server, "db.ns.svc.cluster.local AAAA 1 fd00::1");
	expect("db", "fd00::1");
	expect_fault("db", "");
	ck_assert_uint_eq(logged_count("dns.failed", NULL), 0);
	end();
}
END_TEST

START_TEST(literals_are_never_asked_for)
{
	begin();
	set_names("192.0.2.1", "fd00::9");
	ck_assert_str_eq(addresses_of("192.0.2.1"), "192.0.2.1");
	ck_assert_str_eq(addresses_of("fd00::9"), "fd00::9");
	loop_for(base, 100 * MS);
	ck_assert_uint_eq(dns_server_queries(server, "query"), 0);
	end();
}
END_TEST

START_TEST(a_refresh_asks_at_once_and_then_once_a_second)
{
	begin();
	configure(3600 * NSEC_PER_SEC, 3600 * NSEC_PER_SEC, 100 * MS);
	dns_server_say(server, "db.example A 1 10.0.0.1");
	set_names("db.example", NULL);
	expect("db.example", "10.0.0.1");
	dns_server_say(server,
		"db.example del\n"
		"db.example A 1 10.0.0.2");
	for (int i = 0; i < 100; i++) {
		resolver_refresh(resolver, "db.example");
		loop_for(base, 2 * MS);
	}
	ck_assert_uint_le(dns_server_queries(server, " A db.example\n"), 2);
	expect("db.example", "10.0.0.2");
	ck_assert_uint_eq(dns_server_queries(server, " A db.example\n"), 2);
	end();
}
END_TEST

START_TEST(names_no_longer_wanted_are_forgotten)
{
	begin();
	dns_server_say(server, "a.example A 1 10.0.0.1");
	dns_server_say(server, "b.example A 1 10.0.0.2");
	set_names("a.example", "b.example");
	expect("a.example", "10.0.0.1");
	expect("b.example", "10.0.0.2");
	set_names("b.example", NULL);
	ck_assert_str_eq(addresses_of("a.example"), "");
	ck_assert_str_eq(addresses_of("b.example"), "10.0.0.2");
	end();
}
END_TEST

/* Also while questions are under way: theirs are asked again of the new one. */
START_TEST(other_servers_are_asked_at_once)
{
	struct dns_server *former;

	begin();
	configure(20 * MS, 40 * MS, 3600 * NSEC_PER_SEC);
	dns_server_say(server, "* do silent");
	set_names("db.example", NULL);
	while (dns_server_queries(server, "db.example") == 0)
		loop_for(base, 5 * MS);
	former = server;
	server = dns_server_start();
	dns_server_say(server, "db.example A 1 10.0.0.7");
	ck_assert_int_eq(addr_parse("127.0.0.1", dns_server_port(server), &server_addr), 0);
	configure(20 * MS, 40 * MS, 3600 * NSEC_PER_SEC);
	expect("db.example", "10.0.0.7");
	dns_server_stop(former);
	end();
}
END_TEST

START_TEST(a_server_that_is_not_there_is_a_fault)
{
	begin();
	dns_server_stop(server);
	server = dns_server_start(); /* on another port */
	set_names("db.example", NULL);
	expect_fault("db.example", "no server can be reached");
	end();
}
END_TEST

START_TEST(answers_outlive_an_upgrade)
{
	struct wire_reader r;
	struct wire_writer w;

	begin();
	dns_server_say(server, "db.example A 1 10.0.0.1");
	dns_server_say(server, "db.example AAAA 1 fd00::1");
	set_names("db.example", "192.0.2.1");
	expect("db.example", "10.0.0.1,fd00::1");
	wire_writer_init(&w);
	resolver_save(resolver, &w);
	ck_assert(!w.bad);
	resolver_free(resolver);
	dns_server_say(server, "* do silent");
	dns_server_say(server, "db.example del");
	ck_assert_int_eq(resolver_new(base, on_changed, NULL, &resolver), 0);
	configure(20 * MS, 40 * MS, 100 * MS);
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(resolver_load(resolver, &r), 0);
	ck_assert_int_eq(wire_end(&r), 0);
	set_names("db.example", "192.0.2.1");
	ck_assert_str_eq(addresses_of("db.example"), "10.0.0.1,fd00::1");
	expect_fault("db.example", "timeout");
	ck_assert_str_eq(addresses_of("db.example"), "10.0.0.1,fd00::1");
	/* cut short anywhere, it is refused */
	for (size_t len = 0; len < w.len; len++) {
		struct resolver *other;

		ck_assert_int_eq(resolver_new(base, on_changed, NULL, &other), 0);
		wire_reader_init(&r, w.data, len);
		ck_assert_int_lt(resolver_load(other, &r), 0);
		resolver_free(other);
	}
	wire_writer_fini(&w);
	end();
}
END_TEST

UNIT_MAIN("resolver", both_families_are_one_set, a_name_with_only_aaaa_is_well,
	changes_are_followed_when_the_ttl_is_over, an_answer_is_not_asked_for_again_before_its_ttl,
	a_long_ttl_is_clamped, a_failed_lookup_changes_nothing,
	a_family_that_fails_takes_nothing_from_the_other, a_silent_family_delays_nothing,
	many_silent_names_delay_nothing, a_family_that_is_no_more_goes,
	two_hundred_addresses_come_by_tcp, too_many_addresses_are_cut_and_said_once,
	forged_answers_are_passed_over, short_names_are_searched_for_as_in_a_pod,
	both_families_are_of_one_name, literals_are_never_asked_for,
	a_refresh_asks_at_once_and_then_once_a_second, names_no_longer_wanted_are_forgotten,
	other_servers_are_asked_at_once, a_server_that_is_not_there_is_a_fault,
	answers_outlive_an_upgrade)
