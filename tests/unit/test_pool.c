/* The pools: configured from YAML, with a scoreboard, one worker's share, and DNS of a test. */
#include "config.h"

#include "master/pool.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dnsd/client.h"
#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/snapshot.h"
#include "iaido/table.h"
#include "iaido/wire.h"
#include "logged.h"
#include "loop.h"
#include "unit.h"

#define MS NSEC_PER_MSEC

static struct event_base *base;
static struct scoreboard board;
static struct share worker;
static struct pools *pools;
static struct conf *current;
static struct dns_server *server;
static struct route_table *table; /* the last one that was asked for */
static uint64_t table_number;
static const char *resolving = "minTTL: 20ms, maxTTL: 40ms, timeout: 1s";
static bool is_held; /* the worker applies no tables */
static uint64_t applied;

/* What a master does: a new table for all workers, which apply it. */
static void
on_changed(void *arg)
{
	struct route_table *t;

	(void)arg;
	if (!pools)
		return;
	ck_assert_int_eq(pools_build_table(pools, &t), 0);
	t->number = ++table_number;
	table_free(table);
	table = t;
	pools_table_sent(pools, table_number);
	if (!is_held)
		applied = table_number;
}

static size_t
give_shares(void *arg, struct share **out, size_t max)
{
	(void)arg;
	ck_assert_uint_gt(max, 0);
	out[0] = &worker;
	return 1;
}

static uint64_t
give_applied(void *arg)
{
	(void)arg;
	return applied;
}

static void
make_pools(void)
{
	const struct pools_owner owner = { on_changed, give_shares, give_applied, NULL };
	struct pools *p;

	ck_assert_int_eq(pools_new(base, &board, &owner, &p), 0);
	pools = p;
}

static void
begin(void)
{
	setenv("LOCALDOMAIN", "test", 1);
	setenv("RES_OPTIONS", "ndots:1", 1);
	server = dns_server_start();
	base = event_base_new();
	logged_begin();
	ck_assert_int_eq(scoreboard_create(&board), 0);
	ck_assert_int_eq(share_create(&worker), 0);
	make_pools();
}

static void
end(void)
{
	struct pools *p = pools;

	pools = NULL;
	pools_free(p);
	conf_free(current);
	table_free(table);
	share_close(&worker);
	scoreboard_close(&board);
	event_base_free(base);
	dns_server_stop(server);
}

/* Frontends 3, 4, … as YAML; the resolver asks the test's server. */
static void
configure(const char *frontends)
{
	static const uint32_t ids[] = { 3, 4, 5, 6 };
	struct conf_report report = { 0 };
	struct conf *former = current;
	char text[8192];

	(void)snprintf(text, sizeof(text),
		"resolver: {servers: ['127.0.0.1:%u'], %s}\n"
		"frontends:\n%s",
		dns_server_port(server), resolving, frontends);
	if (conf_parse("test", text, strlen(text), &current, &report) < 0)
		ck_abort_msg("%s", report.errors[0]);
	conf_report_fini(&report);
	ck_assert_int_eq(pools_configure(pools, current, ids), 0);
	conf_free(former);
}

static const struct table_backend *
find(uint32_t frontend, const char *address)
{
	const struct table_frontend *f = table ? table_find_frontend(table, frontend) : NULL;
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; f && i < f->backend_count; i++)
		if (strcmp(addr_format(&f->backends[i].addr, text), address) == 0)
			return &f->backends[i];
	return NULL;
}

/* A condition on one backend of the table. */
struct wanted {
	const char *address;
	bool (*holds)(const struct table_backend *b);
};

static bool
is_wanted(void *arg)
{
	const struct wanted *w = arg;

	return w->holds(find(3, w->address));
}

static void
expect(const char *address, bool (*holds)(const struct table_backend *b))
{
	struct wanted w = { address, holds };

	ck_assert_msg(loop_until(base, is_wanted, &w), "%s", address);
}

static bool
is_there(const struct table_backend *b)
{
	return b && b->use == BACKEND_ENABLED;
}

static bool
is_gone(const struct table_backend *b)
{
	return b && b->use == BACKEND_GONE && !b->drain;
}

static bool
is_drained(const struct table_backend *b)
{
	return b && b->use == BACKEND_GONE && b->drain;
}

static bool
is_left_out(const struct table_backend *b)
{
	return b == NULL;
}

static bool
has_latency(const struct table_backend *b)
{
	return b && b->latency_ns > 0;
}

static bool
is_failed(uint32_t cell)
{
	return (atomic_load(&board.words[cell]) & PLACE_FAILED) != 0;
}

static bool
has_failed(void *cell)
{
	return is_failed(*(uint32_t *)cell);
}

static bool
has_recovered(void *cell)
{
	return !is_failed(*(uint32_t *)cell);
}

static int
open_listener(uint16_t port, struct addr *a)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*a);

	ck_assert_int_eq(addr_parse("127.0.0.1", port, a), 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, &a->sa, addr_len(a)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, &a->sa, &len), 0);
	return fd;
}

/* One frontend with one literal backend at a port of this host; `pool` and `tier` are more keys. */
static const char *
one_backend(const char *pool, const char *tier, uint16_t port)
{
	static char text[1024];

	(void)snprintf(text, sizeof(text),
		"  - bindAddress: :8001\n"
		"    rebalanceDuration: 50ms\n"
		"    backendPool:\n"
		"      %s\n"
		"      tiers: [{%s targets: [{hosts: [127.0.0.1], port: %u}]}]\n",
		pool, tier, port);
	return text;
}

#define NO_PROBES "latencyBucket: -1"
#define PROBES "latencyBucket: 10ms"

START_TEST(literals_are_backends_at_once)
{
	const struct table_frontend *f;
	const struct table_backend *b;

	begin();
	configure("  - bindAddress: :8001\n"
		  "    maxConnections: 7\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      maintenanceTime: 9s\n"
		  "      tiers:\n"
		  "        - maxBackendConnections: 5\n"
		  "          targets: [{hosts: [192.0.2.1, 192.0.2.2], port: 80}]\n"
		  "        - dialTimeout: 3s\n"
		  "          targets: [{hosts: ['2001:db8::1'], port: 81}]\n"
		  "        - targets: [{hosts: [192.0.2.3], port: 82, disabled: true}]\n");
	f = table_find_frontend(table, 3);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->max_connections, 7);
	ck_assert_int_eq(f->maintenance_ns, 9 * NSEC_PER_SEC);
	ck_assert_uint_eq(f->tier_count, 3);
	ck_assert_int_eq(f->tiers[1].dial_timeout_ns, 3 * NSEC_PER_SEC);
	ck_assert_uint_eq(f->backend_count, 4);
	b = find(3, "192.0.2.2:80");
	ck_assert(b && b->rank == 0 && b->limit == 5 && b->use == BACKEND_ENABLED && !b->drain);
	b = find(3, "[2001:db8::1]:81");
	ck_assert(b && b->rank == 1 && b->tier == 1 && b->limit == NO_LIMIT);
	b = find(3, "192.0.2.3:82");
	ck_assert(b == &f->backends[3] && b->use == BACKEND_DISABLED && b->drain);
	end();
}
END_TEST

START_TEST(what_workers_get_can_be_decoded)
{
	struct route_table *t;
	struct wire_writer w;
	struct wire_reader r;

	begin();
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      tiers:\n"
		  "        - targets: [{hosts: [192.0.2.1], port: 80},"
		  " {hosts: [192.0.2.2], port: 80, disabled: true}]\n"
		  "  - bindAddress: :8002\n"
		  "    backendPool: {tiers: [{targets: [{hosts: [nobody.test], port: 80}]}]}\n");
	table->frontends[0].name = strdup("one");
	table->frontends[1].name = strdup("two");
	wire_writer_init(&w);
	table_encode(table, &w);
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(table_decode(&r, &t), 0);
	ck_assert_uint_eq(t->frontends[0].backend_count, 2);
	ck_assert_uint_eq(t->frontends[1].backend_count, 0);
	table_free(t);
	wire_writer_fini(&w);
	end();
}
END_TEST

START_TEST(an_address_in_several_tiers_counts_in_the_nearest)
{
	begin();
	dns_server_say(server, "far.test A 1 192.0.2.1 192.0.2.2");
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      tiers:\n"
		  "        - targets: [{hosts: [192.0.2.1], port: 80}]\n"
		  "        - targets: [{hosts: [far.test], port: 80}]\n");
	expect("192.0.2.2:80", is_there);
	ck_assert_uint_eq(find(3, "192.0.2.1:80")->tier, 0);
	ck_assert_uint_eq(find(3, "192.0.2.2:80")->tier, 1);
	ck_assert_uint_eq(table_find_frontend(table, 3)->backend_count, 2);
	loop_for(base, 100 * MS);
	ck_assert_uint_eq(logged_count("backend.twice", "192.0.2.1:80"), 1);
	ck_assert_uint_eq(logged_count("backend.twice", NULL), 1);
	end();
}
END_TEST

START_TEST(names_become_backends_and_follow_dns)
{
	uint32_t cell;

	begin();
	dns_server_say(server, "db.test A 1 192.0.2.1 192.0.2.2\ndb.test AAAA 1 2001:db8::1");
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      tiers: [{targets: [{hosts: [nosuch.test, db.test], port: 80}]}]\n");
	expect("192.0.2.1:80", is_there);
	expect("[2001:db8::1]:80", is_there);
	cell = find(3, "192.0.2.2:80")->cell;
	/* a connection keeps the backend in the tables */
	ck_assert(place_reserve(&board, &worker, cell, NO_LIMIT));
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.1");
	expect("192.0.2.2:80", is_gone);
	expect("192.0.2.2:80", is_drained);
	ck_assert(is_there(find(3, "192.0.2.1:80")));
	/* it is back: the same cell, taking new ones */
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.1 192.0.2.2");
	expect("192.0.2.2:80", is_there);
	ck_assert_uint_eq(find(3, "192.0.2.2:80")->cell, cell);
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.1");
	expect("192.0.2.2:80", is_drained);
	place_release(&board, &worker, cell);
	expect("192.0.2.2:80", is_left_out);
	/* a name that is gone takes nothing with it */
	dns_server_say(server, "db.test del");
	loop_for(base, 300 * MS);
	ck_assert(is_there(find(3, "192.0.2.1:80")));
	end();
}
END_TEST

START_TEST(connections_stay_where_gone_is_to_be_kept)
{
	begin();
	dns_server_say(server, "db.test A 1 192.0.2.1 192.0.2.2");
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      onGone: keep\n"
		  "      tiers: [{targets: [{hosts: [db.test], port: 80}]}]\n");
	expect("192.0.2.2:80", is_there);
	ck_assert(place_reserve(&board, &worker, find(3, "192.0.2.2:80")->cell, NO_LIMIT));
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.1");
	expect("192.0.2.2:80", is_gone);
	loop_for(base, 1500 * MS);
	ck_assert(is_gone(find(3, "192.0.2.2:80")));
	place_release(&board, &worker, find(3, "192.0.2.2:80")->cell);
	expect("192.0.2.2:80", is_left_out);
	end();
}
END_TEST

/* A worker that has not applied the newest table may still reserve places by an older one. */
START_TEST(a_cell_is_used_anew_only_when_all_workers_know)
{
	uint32_t cell;

	begin();
	configure(one_backend(NO_PROBES, "", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	is_held = true;
	configure(one_backend(NO_PROBES, "", 1002));
	ck_assert_uint_ne(find(3, "127.0.0.1:1002")->cell, cell);
	loop_for(base, 1500 * MS);
	ck_assert_uint_eq(find(3, "127.0.0.1:1001")->use, BACKEND_REMOVED);
	is_held = false;
	applied = table_number;
	expect("127.0.0.1:1001", is_left_out);
	end();
}
END_TEST

START_TEST(a_reload_keeps_what_stays)
{
	uint32_t cell;

	begin();
	configure(one_backend(NO_PROBES, "dialFailureTimeout: 1h,", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	ck_assert(place_fail(&board, cell, ECONNREFUSED, clock_now_ns()));
	pools_dial_failed(pools, cell, ECONNREFUSED);
	configure(one_backend(NO_PROBES, "dialFailureTimeout: 2h,", 1001));
	ck_assert_uint_eq(find(3, "127.0.0.1:1001")->cell, cell);
	ck_assert(is_failed(cell));
	ck_assert_uint_eq(logged_count("backend.failed", NULL), 1);
	end();
}
END_TEST

static bool
has_no_frontend(void *arg)
{
	uint32_t id;

	(void)arg;
	return pools_removed(pools, &id, 1) == 0 && table_find_frontend(table, 3) == NULL;
}

START_TEST(a_removed_frontend_stays_until_its_connections_end)
{
	uint32_t cell, id;

	begin();
	configure(one_backend(NO_PROBES, "", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	ck_assert(frontend_reserve(&board, &worker, 3, NO_LIMIT));
	ck_assert(place_reserve(&board, &worker, cell, NO_LIMIT));
	configure("    []\n");
	ck_assert_uint_eq(pools_removed(pools, &id, 1), 1);
	ck_assert_uint_eq(id, 3);
	ck_assert(table_find_frontend(table, 3)->removed);
	ck_assert(find(3, "127.0.0.1:1001")->drain);
	loop_for(base, 1500 * MS);
	ck_assert_ptr_nonnull(find(3, "127.0.0.1:1001"));
	place_release(&board, &worker, cell);
	frontend_release(&board, &worker, 3);
	ck_assert(loop_until(base, has_no_frontend, NULL));
	end();
}
END_TEST

START_TEST(probing_measures_and_finds_failures_and_recoveries)
{
	struct addr a;
	uint32_t cell;
	char text[ADDR_TEXT_MAX];
	int fd;

	begin();
	fd = open_listener(0, &a);
	configure(one_backend(PROBES, "dialFailureTimeout: 20ms,", addr_port(&a)));
	addr_format(&a, text);
	cell = find(3, text)->cell;
	ck_assert(!is_failed(cell)); /* usable before it was probed */
	expect(text, has_latency);
	close(fd);
	ck_assert(loop_until(base, has_failed, &cell));
	ck_assert_int_eq(atomic_load(&board.cells[cell].last_error), ECONNREFUSED);
	loop_for(base, 200 * MS);
	ck_assert_uint_eq(logged_count("backend.failed", "Connection refused"), 1);
	fd = open_listener(addr_port(&a), &a);
	ck_assert(loop_until(base, has_recovered, &cell));
	ck_assert_uint_eq(logged_count("backend.up", text), 1);
	close(fd);
	end();
}
END_TEST

START_TEST(a_failed_dial_is_over_when_a_probe_succeeds)
{
	struct addr a;
	uint32_t cell;
	char text[ADDR_TEXT_MAX];

	begin();
	open_listener(0, &a);
	configure(one_backend(PROBES, "dialFailureTimeout: 100ms,", addr_port(&a)));
	cell = find(3, addr_format(&a, text))->cell;
	expect(text, has_latency);
	ck_assert(place_fail(&board, cell, ETIMEDOUT, clock_now_ns()));
	pools_dial_failed(pools, cell, ETIMEDOUT);
	loop_for(base, 90 * MS);
	ck_assert(is_failed(cell)); /* so long at least, though probes would succeed */
	ck_assert(loop_until(base, has_recovered, &cell));
	end();
}
END_TEST

START_TEST(without_probing_a_failure_is_over_with_its_time)
{
	uint32_t cell;

	begin();
	configure(one_backend(NO_PROBES, "dialFailureTimeout: 100ms,", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	ck_assert(place_fail(&board, cell, ECONNREFUSED, clock_now_ns()));
	pools_dial_failed(pools, cell, ECONNREFUSED);
	loop_for(base, 90 * MS);
	ck_assert(is_failed(cell));
	ck_assert(loop_until(base, has_recovered, &cell));
	ck_assert_uint_eq(logged_count("backend.failed", NULL), 1);
	ck_assert_uint_eq(logged_count("backend.up", NULL), 1);
	end();
}
END_TEST

START_TEST(a_failure_that_no_message_told_is_seen)
{
	uint32_t cell;

	begin();
	configure(one_backend(NO_PROBES, "dialFailureTimeout: 50ms,", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	ck_assert(place_fail(&board, cell, ECONNREFUSED, clock_now_ns()));
	ck_assert(loop_until(base, has_recovered, &cell));
	ck_assert_uint_eq(logged_count("backend.failed", "Connection refused"), 1);
	end();
}
END_TEST

START_TEST(nonsense_from_a_worker_does_no_harm)
{
	begin();
	configure(one_backend(NO_PROBES, "", 1001));
	pools_dial_failed(pools, 17, ECONNREFUSED);
	pools_dial_failed(pools, SCOREBOARD_CELLS, ECONNREFUSED);
	pools_dial_failed(pools, UINT32_MAX, ECONNREFUSED);
	/* old news: the flag is not set (any more) */
	pools_dial_failed(pools, find(3, "127.0.0.1:1001")->cell, ECONNREFUSED);
	ck_assert_uint_eq(logged_count("backend.failed", NULL), 0);
	end();
}
END_TEST

static uint64_t
count_probes(void)
{
	static const uint32_t ids[] = { 3 };
	struct snapshot s = { 0 };
	uint64_t count;

	s.frontends = calloc(1, sizeof(*s.frontends));
	s.frontend_count = 1;
	ck_assert_int_eq(pools_snapshot(pools, &s, ids), 0);
	ck_assert_uint_eq(s.frontends[0].backend_count, 1);
	count = s.frontends[0].backends[0].probes_ok + s.frontends[0].backends[0].probes_failed;
	snapshot_fini(&s);
	return count;
}

/* Dials are told of for so long, with such a latency. */
static void
dial_for(uint32_t cell, int64_t ns, uint32_t us)
{
	int64_t until_ns = clock_now_ns() + ns;

	while (clock_now_ns() < until_ns) {
		SHARE_SET(worker.cells[cell].last_dial_ns, clock_now_ns());
		SHARE_SET(worker.cells[cell].last_dial_us, us);
		loop_for(base, 5 * MS);
	}
}

/* A wide bucket and long rounds: however busy this host is, the dials agree with the probes. */
START_TEST(real_dials_take_the_place_of_probes)
{
	struct addr a;
	uint32_t cell;
	uint64_t before;
	char text[ADDR_TEXT_MAX], yaml[512];

	begin();
	open_listener(0, &a);
	(void)snprintf(yaml, sizeof(yaml),
		"  - bindAddress: :8001\n"
		"    rebalanceDuration: 500ms\n"
		"    backendPool:\n"
		"      latencyBucket: 1s\n"
		"      tiers: [{targets: [{hosts: [127.0.0.1], port: %u}]}]\n",
		addr_port(&a));
	configure(yaml);
	cell = find(3, addr_format(&a, text))->cell;
	while (count_probes() < 5) /* the first ones are made in any case */
		loop_for(base, 10 * MS);
	before = count_probes();
	dial_for(cell, 2000 * MS, 100);
	ck_assert_uint_eq(count_probes(), before);
	/* what contradicts is looked into by a probe, and is no sample */
	dial_for(cell, 1500 * MS, 700000);
	ck_assert_uint_gt(count_probes(), before);
	ck_assert_int_lt(find(3, text)->latency_ns, 500 * MS);
	/* without dials, probes go on */
	before = count_probes();
	loop_for(base, 1500 * MS);
	ck_assert_uint_gt(count_probes(), before);
	end();
}
END_TEST

static bool
has_promotions(void *cell)
{
	return atomic_load(&board.cells[*(uint32_t *)cell].promotions) > 0;
}

START_TEST(promotion_is_granted_while_a_better_tier_has_room)
{
	uint32_t near, far;

	begin();
	configure(
		"  - bindAddress: :8001\n"
		"    backendPool:\n"
		"      latencyBucket: -1\n"
		"      tiers:\n"
		"        - {maxBackendConnections: 1, targets: [{hosts: [192.0.2.1], port: 80}]}\n"
		"        - {forcePromotionAfter: 200ms, targets: [{hosts: [192.0.2.2], port: "
		"80}]}\n");
	near = find(3, "192.0.2.1:80")->cell;
	far = find(3, "192.0.2.2:80")->cell;
	ck_assert(place_reserve(&board, &worker, near, 1));
	ck_assert(place_reserve(&board, &worker, far, NO_LIMIT));
	loop_for(base, 500 * MS);
	ck_assert_uint_eq(atomic_load(&board.cells[far].promotions), 0);
	place_release(&board, &worker, near);
	ck_assert(loop_until(base, has_promotions, &far));
	ck_assert_uint_eq(atomic_load(&board.cells[far].promotable), 1);
	ck_assert_uint_eq(atomic_load(&board.cells[near].promotions), 0);
	/* once used, the place is spoken for */
	ck_assert(promotion_take(&board, far));
	loop_for(base, 500 * MS);
	ck_assert_uint_eq(atomic_load(&board.cells[far].promotions), 0);
	/* and nothing is left when the file asks for it no more */
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      tiers:\n"
		  "        - {targets: [{hosts: [192.0.2.1], port: 80}]}\n"
		  "        - {targets: [{hosts: [192.0.2.2], port: 80}]}\n");
	ck_assert_uint_eq(atomic_load(&board.cells[far].promotable), 0);
	end();
}
END_TEST

START_TEST(counters_of_a_cell_begin_at_zero_for_each_backend)
{
	static const uint32_t ids[] = { 3 };
	struct snapshot s = { 0 };
	uint32_t cell;

	begin();
	configure(one_backend(NO_PROBES, "", 1001));
	cell = find(3, "127.0.0.1:1001")->cell;
	SHARE_SET(worker.cells[cell].total, 40);
	SHARE_SET(worker.cells[cell].bytes_in, 1000);
	configure("    []\n");
	ck_assert(loop_until(base, has_no_frontend, NULL));
	configure(one_backend(NO_PROBES, "", 1002));
	ck_assert_uint_eq(find(3, "127.0.0.1:1002")->cell, cell);
	SHARE_SET(worker.cells[cell].total, 42);
	SHARE_SET(worker.cells[cell].bytes_in, 1007);
	s.frontends = calloc(1, sizeof(*s.frontends));
	s.frontend_count = 1;
	ck_assert_int_eq(pools_snapshot(pools, &s, ids), 0);
	ck_assert_uint_eq(s.frontends[0].backends[0].total, 2);
	ck_assert_uint_eq(s.frontends[0].backends[0].bytes_in, 7);
	snapshot_fini(&s);
	end();
}
END_TEST

START_TEST(a_backend_that_left_is_told_of_for_a_while)
{
	static const uint32_t ids[] = { 3 };
	struct snapshot s = { 0 };

	begin();
	configure(one_backend(NO_PROBES, "", 1001));
	SHARE_SET(worker.cells[find(3, "127.0.0.1:1001")->cell].bytes_in, 1000);
	configure(one_backend(NO_PROBES, "", 1002));
	expect("127.0.0.1:1001", is_left_out);
	s.frontends = calloc(1, sizeof(*s.frontends));
	s.frontend_count = 1;
	do {
		loop_for(base, 100 * MS);
		snapshot_fini(&s);
		s.frontends = calloc(1, sizeof(*s.frontends));
		s.frontend_count = 1;
		ck_assert_int_eq(pools_snapshot(pools, &s, ids), 0);
	} while (s.frontends[0].backend_count < 2);
	ck_assert_uint_eq(s.frontends[0].backend_count, 2);
	ck_assert_int_eq(s.frontends[0].backends[1].state, BACKEND_STATE_GONE);
	ck_assert_str_eq(s.frontends[0].backends[1].address, "127.0.0.1:1001");
	ck_assert_uint_eq(s.frontends[0].backends[1].bytes_in, 1000);
	ck_assert_uint_eq(s.frontends[0].bytes_in, 1000);
	snapshot_fini(&s);
	end();
}
END_TEST

static const char upgraded[] = "  - bindAddress: :8001\n"
			       "    backendPool:\n"
			       "      latencyBucket: -1\n"
			       "      tiers:\n"
			       "        - dialFailureTimeout: 1h\n"
			       "          targets: [{hosts: [192.0.2.7, db.test], port: 80}]\n";

START_TEST(an_upgrade_forgets_nothing)
{
	uint32_t kept, cell, leaving;
	struct wire_writer w;
	struct wire_reader r;
	struct pools *former;

	begin();
	dns_server_say(server, "db.test A 1 192.0.2.1 192.0.2.2");
	configure(upgraded);
	expect("192.0.2.2:80", is_there);
	kept = find(3, "192.0.2.7:80")->cell;
	cell = find(3, "192.0.2.1:80")->cell;
	leaving = find(3, "192.0.2.2:80")->cell;
	ck_assert(place_fail(&board, cell, ECONNREFUSED, clock_now_ns()));
	pools_dial_failed(pools, cell, ECONNREFUSED);
	ck_assert(place_reserve(&board, &worker, leaving, NO_LIMIT));
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.1");
	expect("192.0.2.2:80", is_drained);
	wire_writer_init(&w);
	pools_save(pools, &w);
	ck_assert(!w.bad);
	for (size_t len = 0; len < w.len; len++) {
		former = pools;
		make_pools();
		wire_reader_init(&r, w.data, len);
		ck_assert_int_eq(pools_load(pools, &r), -EBADMSG);
		pools_free(pools);
		pools = former;
	}
	dns_server_say(server, "db.test del\n* do silent");
	pools_free(pools);
	make_pools();
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(pools_load(pools, &r), 0);
	ck_assert_int_eq(wire_end(&r), 0);
	wire_writer_fini(&w);
	configure(upgraded);
	ck_assert_uint_eq(find(3, "192.0.2.7:80")->cell, kept);
	ck_assert_uint_eq(find(3, "192.0.2.1:80")->cell, cell);
	ck_assert_uint_eq(find(3, "192.0.2.2:80")->cell, leaving);
	ck_assert(is_there(find(3, "192.0.2.1:80")));
	ck_assert(is_drained(find(3, "192.0.2.2:80")));
	ck_assert(is_failed(cell));
	loop_for(base, 1200 * MS);
	ck_assert(is_failed(cell));
	ck_assert_uint_eq(logged_count("backend.failed", NULL), 1);
	end();
}
END_TEST

static bool
has_ten_thousand(void *arg)
{
	(void)arg;
	return table_find_frontend(table, 3)->backend_count == 10000;
}

/* 10 names of 1,000 addresses: all are there, and the loop goes on turning. */
START_TEST(a_failed_dial_asks_dns_again)
{
	uint32_t cell;

	begin();
	resolving = "minTTL: 1h, maxTTL: 1h";
	dns_server_say(server, "db.test A 1 192.0.2.1");
	configure("  - bindAddress: :8001\n"
		  "    backendPool:\n"
		  "      latencyBucket: -1\n"
		  "      tiers: [{targets: [{hosts: [db.test], port: 80}]}]\n");
	expect("192.0.2.1:80", is_there);
	cell = find(3, "192.0.2.1:80")->cell;
	dns_server_say(server, "db.test del\ndb.test A 1 192.0.2.2");
	ck_assert(place_fail(&board, cell, ECONNREFUSED, clock_now_ns()));
	pools_dial_failed(pools, cell, ECONNREFUSED);
	expect("192.0.2.2:80", is_there);
	end();
}
END_TEST

START_TEST(ten_thousand_backends_are_no_trouble)
{
	char hosts[512] = "", line[128], text[1024];
	size_t len = 0;

	begin();
	resolving = "minTTL: 1m, timeout: 20s";
	for (int i = 0; i < 10; i++) {
		len += (size_t)snprintf(
			hosts + len, sizeof(hosts) - len, "%sn%d.test", i ? ", " : "", i);
		(void)snprintf(line, sizeof(line), "n%d.test many 1000 1 127.%d.0.1", i, i + 1);
		dns_server_say(server, line);
	}
	(void)snprintf(text, sizeof(text),
		"  - bindAddress: :8001\n"
		"    rebalanceDuration: 1s\n"
		"    backendPool: {tiers: [{dialFailureTimeout: 2s,"
		" forcePromotionAfter: 1s, targets: [{hosts: [%s], port: 1}]}]}\n",
		hosts);
	configure(text);
	ck_assert(loop_until(base, has_ten_thousand, NULL));
	ck_assert(is_there(find(3, "127.10.3.232:1")));
	ck_assert_uint_eq(pools_cell_bound(pools), 10000);
	loop_for(base, 1000 * MS);
	end();
}
END_TEST

UNIT_MAIN("pool", literals_are_backends_at_once, what_workers_get_can_be_decoded,
	an_address_in_several_tiers_counts_in_the_nearest, names_become_backends_and_follow_dns,
	connections_stay_where_gone_is_to_be_kept, a_cell_is_used_anew_only_when_all_workers_know,
	a_reload_keeps_what_stays, a_removed_frontend_stays_until_its_connections_end,
	probing_measures_and_finds_failures_and_recoveries,
	a_failed_dial_is_over_when_a_probe_succeeds,
	without_probing_a_failure_is_over_with_its_time, a_failure_that_no_message_told_is_seen,
	nonsense_from_a_worker_does_no_harm, a_failed_dial_asks_dns_again,
	real_dials_take_the_place_of_probes, promotion_is_granted_while_a_better_tier_has_room,
	counters_of_a_cell_begin_at_zero_for_each_backend,
	a_backend_that_left_is_told_of_for_a_while, an_upgrade_forgets_nothing,
	ten_thousand_backends_are_no_trouble)
