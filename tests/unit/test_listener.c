/* Listening sockets: groups, what is carried over, what is given up. */
#include "config.h"

#include "unit.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "iaido/conf.h"
#include "iaido/wire.h"
#include "master/frontend_id.h"
#include "master/listener.h"

#define POOL "    backendPool: {tiers: [{targets: [{hosts: [192.0.2.1], port: 1}]}]}\n"

static int lookups;
static bool can_look_up;

/* Stands before the C library's: names below .test are this test's. */
int
getaddrinfo(
	const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!strstr(host, ".test"))
		return real(host, service, hints, out);
	lookups++;
	return can_look_up ? real("127.0.0.1", service, hints, out) : EAI_AGAIN;
}

static struct conf *
parse(const char *yaml)
{
	struct conf_report report = { 0 };
	struct conf *c = NULL;

	ck_assert_msg(conf_parse("test", yaml, strlen(yaml), &c, &report) == 0, "%s",
		report.error_count ? report.errors[0] : "?");
	conf_report_fini(&report);
	return c;
}

static struct conf *
parse_two(const char *first, const char *second)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
		"frontends:\n  - bindAddress: '%s'\n" POOL "  - bindAddress: '%s'\n" POOL, first,
		second);
	return parse(yaml);
}

static struct listeners *
open_set(const struct listeners *current, const struct conf *c, uint32_t slots,
	struct frontend_ids *ids)
{
	struct listeners *l = NULL;
	size_t failed;

	ck_assert_int_eq(listeners_open(current, c, slots, ids, NULL, 0, &l, &failed), 0);
	return l;
}

static int
get_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

START_TEST(a_group_has_a_slot_for_each_worker_on_one_port)
{
	struct conf *c = parse_two("127.0.0.1:0", "127.0.0.1:0");
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 3, &ids);

	ck_assert_uint_eq(l->count, 2);
	/* Both ask for any port: they are two all the same. */
	ck_assert_uint_ne(l->items[0].id, l->items[1].id);
	ck_assert_str_ne(l->items[0].name, l->items[1].name);
	for (uint32_t i = 0; i < 3; i++) {
		struct sockaddr_in in = { 0 };
		socklen_t len = sizeof(in);
		int fd = l->items[0].fds[i];

		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
		ck_assert_uint_eq(ntohs(in.sin_port), addr_port(&l->items[0].addr));
		ck_assert_int_eq(get_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
		ck_assert_int_eq(get_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		ck_assert_int_eq(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		ck_assert_int_eq(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
		ck_assert_int_eq(get_option(fd, SOL_SOCKET, SO_OOBINLINE), 1);
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	listeners_free(l);
	conf_free(c);
	frontend_ids_fini(&ids);
}
END_TEST

START_TEST(sockets_of_addresses_that_stay_are_the_same)
{
	struct conf *c = parse_two("127.0.0.1:0", "127.0.0.2:0");
	struct conf *d = parse_two("127.0.0.2:0", "127.0.0.1:0");
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 2, &ids), *next;
	int first = l->items[0].fds[0], second = l->items[1].fds[1];

	listeners_commit(NULL, l, c);
	next = open_set(l, d, 4, &ids);
	ck_assert_uint_eq(next->items[1].id, l->items[0].id);
	ck_assert_int_eq(next->items[1].fds[0], first);
	ck_assert_int_eq(next->items[0].fds[1], second);
	ck_assert_uint_eq(next->items[0].slot_count, 4);
	/* What joins an old group is given no connection before it is sure to stay. */
	ck_assert_int_eq(get_option(next->items[0].fds[3], SOL_SOCKET, SO_ACCEPTCONN), 0);
	listeners_commit(l, next, d);
	ck_assert_int_eq(get_option(next->items[0].fds[3], SOL_SOCKET, SO_ACCEPTCONN), 1);
	/* Fewer workers: none of them is closed. */
	l = open_set(next, d, 1, &ids);
	ck_assert_uint_eq(l->items[0].slot_count, 4);
	listeners_commit(next, l, d);
	listeners_free(l);
	conf_free(c);
	conf_free(d);
	frontend_ids_fini(&ids);
}
END_TEST

START_TEST(a_set_that_is_discarded_or_fails_leaves_nothing)
{
	struct conf *c = parse_two("127.0.0.1:0", "127.0.0.2:0"), *d;
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 2, &ids), *next = NULL;
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	char address[32];
	size_t open, failed;

	listeners_commit(NULL, l, c);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(taken, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(taken, 1), 0);
	ck_assert_int_eq(getsockname(taken, (struct sockaddr *)&in, &len), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(in.sin_port));
	open = count_descriptors();
	listeners_discard(open_set(l, c, 5, &ids));
	ck_assert_uint_eq(count_descriptors(), open);
	d = parse_two("127.0.0.3:0", address);
	ck_assert_int_eq(listeners_open(l, d, 2, &ids, NULL, 0, &next, &failed), -EADDRINUSE);
	ck_assert_uint_eq(failed, 1);
	ck_assert_uint_eq(count_descriptors(), open);
	/* Also when the holder would share it, as long as it is not us. */
	close(taken);
	listeners_free(l);
	conf_free(c);
	conf_free(d);
	frontend_ids_fini(&ids);
}
END_TEST

/* "localhost" cannot be known to be 127.0.0.1 before it is looked up. */
START_TEST(a_name_for_an_address_that_is_open_is_refused)
{
	static const char *const held[] = { "127.0.0.1:0", "0.0.0.0:0" };

	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		struct conf *c = parse_two(held[i], "127.0.0.2:0"), *d;
		struct frontend_ids ids = { 0 };
		struct listeners *l = open_set(NULL, c, 2, &ids), *next = NULL;
		char name[32];
		size_t open = count_descriptors(), failed;

		listeners_commit(NULL, l, c);
		snprintf(name, sizeof(name), "localhost:%u", addr_port(&l->items[0].addr));
		d = parse_two(held[i], name);
		ck_assert_int_eq(
			listeners_open(l, d, 2, &ids, NULL, 0, &next, &failed), -EADDRINUSE);
		ck_assert_uint_eq(failed, 1);
		ck_assert_uint_eq(count_descriptors(), open);
		listeners_free(l);
		conf_free(c);
		conf_free(d);
		frontend_ids_fini(&ids);
	}
}
END_TEST

START_TEST(a_name_in_use_is_not_looked_up_again)
{
	struct conf *c = parse_two("here.test:0", "127.0.0.2:0"), *wider;
	struct frontend_ids ids = { 0 };
	struct listeners *l, *next = NULL;
	size_t failed;
	int fd;

	lookups = 0;
	can_look_up = true;
	l = open_set(NULL, c, 1, &ids);
	ck_assert_int_eq(lookups, 1);
	fd = l->items[0].fds[0];
	/* From here on there is no DNS. */
	can_look_up = false;
	next = open_set(l, c, 1, &ids);
	ck_assert_int_eq(next->items[0].fds[0], fd);
	listeners_commit(l, next, c);
	wider = parse_two("here.test:0", "there.test:0");
	ck_assert_int_eq(listeners_open(next, wider, 1, &ids, NULL, 0, &l, &failed), -ENOENT);
	ck_assert_uint_eq(failed, 1);
	ck_assert_int_eq(lookups, 2);
	listeners_free(next);
	frontend_ids_fini(&ids);
	conf_free(c);
	conf_free(wider);
}
END_TEST

START_TEST(what_a_full_queue_drops_is_counted)
{
	struct conf *c = parse("frontends:\n  - bindAddress: 127.0.0.1:0\n    backlog: 1\n" POOL);
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 1, &ids);
	const struct sockaddr *to = &l->items[0].addr.sa;
	int fds[20], deadline = 1000;

	ck_assert_uint_eq(listener_drops(&l->items[0]), 0);
	for (int i = 0; i < 20; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_lt(connect(fds[i], to, addr_len(&l->items[0].addr)), 0);
		ck_assert_int_eq(errno, EINPROGRESS);
	}
	while (listener_drops(&l->items[0]) == 0 && deadline-- > 0)
		poll(NULL, 0, 10);
	ck_assert_uint_gt(listener_drops(&l->items[0]), 0);
	ck_assert_uint_gt(listener_waiting(&l->items[0]), 0);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	listeners_free(l);
	frontend_ids_fini(&ids);
	conf_free(c);
}
END_TEST

START_TEST(an_address_of_ours_may_grow_to_all)
{
	struct conf *c = parse_two("127.0.0.1:0", "127.0.0.2:0"), *d;
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 2, &ids), *next;
	char any[32];

	listeners_commit(NULL, l, c);
	snprintf(any, sizeof(any), ":%u", addr_port(&l->items[0].addr));
	d = parse_two(any, "127.0.0.2:0");
	next = open_set(l, d, 2, &ids);
	ck_assert_uint_ne(next->items[0].id, l->items[0].id);
	listeners_commit(l, next, d);
	listeners_free(next);
	conf_free(c);
	conf_free(d);
	frontend_ids_fini(&ids);
}
END_TEST

START_TEST(a_record_names_the_same_sockets_and_a_truncated_one_is_refused)
{
	struct conf *c = parse_two("127.0.0.1:0", "127.0.0.2:0");
	struct frontend_ids ids = { 0 };
	struct listeners *l = open_set(NULL, c, 2, &ids), *copy = NULL;
	struct wire_writer w;
	struct wire_reader r;

	wire_writer_init(&w);
	listeners_save(l, &w);
	for (size_t len = 0; len < w.len; len++) {
		wire_reader_init(&r, w.data, len);
		ck_assert_int_eq(listeners_load(&r, &copy), -EBADMSG);
	}
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(listeners_load(&r, &copy), 0);
	ck_assert_int_eq(wire_end(&r), 0);
	ck_assert_str_eq(copy->items[1].name, l->items[1].name);
	ck_assert_int_eq(copy->items[1].fds[1], l->items[1].fds[1]);
	listeners_free(copy);
	/* Closed by now: a record that names them is refused. */
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(listeners_load(&r, &copy), -EBADMSG);
	wire_writer_fini(&w);
	for (size_t i = 0; i < l->count; i++)
		l->items[i].slot_count = 0;
	listeners_free(l);
	conf_free(c);
	frontend_ids_fini(&ids);
}
END_TEST

UNIT_MAIN("listener", a_group_has_a_slot_for_each_worker_on_one_port,
	sockets_of_addresses_that_stay_are_the_same,
	a_set_that_is_discarded_or_fails_leaves_nothing,
	a_name_for_an_address_that_is_open_is_refused, a_name_in_use_is_not_looked_up_again,
	what_a_full_queue_drops_is_counted, an_address_of_ours_may_grow_to_all,
	a_record_names_the_same_sockets_and_a_truncated_one_is_refused)
