/* How questions leave, and what is taken for their answers: ports and ids that nobody can guess. */
#include "config.h"

#include "master/dns.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dnsd/client.h"
#include "iaido/clock.h"
#include "loop.h"
#include "unit.h"

#define QUESTIONS 10000
#define AT_ONCE 200

static struct event_base *base;
static struct dns *dns;
static unsigned answered;
static char last[64]; /* the last answer: its first address, or what was wrong */

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
begin(uint16_t port, int64_t timeout_ns)
{
	struct addr server;
	struct resolver_conf conf = {
		.servers = &server, .server_count = 1, .timeout_ns = timeout_ns
	};

	setenv("LOCALDOMAIN", "", 1);
	ck_assert_int_eq(addr_parse("127.0.0.1", port, &server), 0);
	base = event_base_new();
	ck_assert_int_eq(dns_new(base, on_changed, NULL, &dns), 0);
	ck_assert_int_eq(dns_configure(dns, &conf), 0);
}

static void
end(void)
{
	dns_free(dns);
	event_base_free(base);
}

static void
on_answer(void *arg, const struct dns_answer *a)
{
	char text[ADDR_TEXT_MAX];

	(void)arg;
	answered++;
	(void)snprintf(last, sizeof(last), "%s",
		a->kind == DNS_OK ? addr_format_host(&a->addrs[0], text) : dns_kind_text(a->kind));
}

static void
ask(const char *host)
{
	ck_assert_ptr_nonnull(dns_ask(dns, host, AF_INET, on_answer, NULL));
}

static bool
are_answered(void *wanted)
{
	return answered == *(unsigned *)wanted;
}

static void
expect_answers(unsigned wanted)
{
	if (!loop_until(base, are_answered, &wanted))
		ck_abort_msg("%u of %u answers", answered, wanted);
}

/* Chi-square of counts that are expected in proportion to the weights (NULL: all the same). */
static double
chi_square(const unsigned *counts, const double *weights, size_t bins)
{
	double total = 0, weight = 0, sum = 0;

	for (size_t i = 0; i < bins; i++) {
		total += counts[i];
		weight += weights ? weights[i] : 1;
	}
	for (size_t i = 0; i < bins; i++) {
		double wanted = total * (weights ? weights[i] : 1) / weight;

		sum += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
	}
	return sum;
}

/* Of 15 and of 255 degrees of freedom: passed by chance once in a thousand million times. */
#define LIMIT_16 76.0
#define LIMIT_256 415.0

struct seen {
	unsigned low, high; /* the kernel's range of ports */
	unsigned count;
	unsigned ports[QUESTIONS];
	unsigned ids[QUESTIONS];
};

static void
read_port_range(struct seen *s)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%u %u", &s->low, &s->high), 2);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_uint_ge(s->high - s->low, 1024);
}

static void
read_questions(struct seen *s, const char *text)
{
	for (const char *at = text; *at; at = strchr(at, '\n') + 1, s->count++) {
		ck_assert_uint_lt(s->count, QUESTIONS);
		ck_assert_int_eq(sscanf(at, "query udp 127.0.0.1:%u %u A n", &s->ports[s->count],
					 &s->ids[s->count]),
			2);
	}
	ck_assert_uint_eq(s->count, QUESTIONS);
}

static void
expect_random_ids(const struct seen *s)
{
	unsigned high[16] = { 0 }, low[16] = { 0 }, step[16] = { 0 };

	for (unsigned i = 0; i < s->count; i++) {
		high[s->ids[i] >> 12]++;
		low[s->ids[i] & 15]++;
		if (i > 0)
			step[(s->ids[i] - s->ids[i - 1]) >> 12 & 15]++;
	}
	ck_assert_double_lt(chi_square(high, NULL, 16), LIMIT_16);
	ck_assert_double_lt(chi_square(low, NULL, 16), LIMIT_16);
	ck_assert_double_lt(chi_square(step, NULL, 16), LIMIT_16);
}

static unsigned
bin_of(const struct seen *s, unsigned port)
{
	return (port - s->low) * 16 / (s->high - s->low + 1);
}

static void
expect_random_ports(const struct seen *s)
{
	unsigned where[16] = { 0 }, low[16] = { 0 }, pairs[256] = { 0 };
	double sizes[16] = { 0 }, low_sizes[16] = { 0 }, pair_sizes[256];

	for (unsigned port = s->low; port <= s->high; port++) {
		sizes[bin_of(s, port)]++;
		low_sizes[port & 15]++;
	}
	for (unsigned i = 0; i < 256; i++)
		pair_sizes[i] = sizes[i / 16] * sizes[i % 16];
	for (unsigned i = 0; i < s->count; i++) {
		ck_assert_uint_ge(s->ports[i], s->low);
		ck_assert_uint_le(s->ports[i], s->high);
		where[bin_of(s, s->ports[i])]++;
		low[s->ports[i] & 15]++;
		if (i > 0)
			pairs[bin_of(s, s->ports[i - 1]) * 16 + bin_of(s, s->ports[i])]++;
	}
	ck_assert_double_lt(chi_square(where, sizes, 16), LIMIT_16);
	ck_assert_double_lt(chi_square(low, low_sizes, 16), LIMIT_16);
	ck_assert_double_lt(chi_square(pairs, pair_sizes, 256), LIMIT_256);
}

START_TEST(ids_and_ports_are_random)
{
	static struct seen seen;
	struct dns_server *server = dns_server_start();
	char host[32];

	read_port_range(&seen);
	begin(dns_server_port(server), 3600 * NSEC_PER_SEC);
	dns_server_say(server, "* A 60 10.0.0.1");
	for (unsigned asked = 0; asked < QUESTIONS;) {
		for (unsigned k = 0; k < AT_ONCE; k++) {
			(void)snprintf(host, sizeof(host), "n%u.example", asked++);
			ask(host);
		}
		expect_answers(asked);
		(void)dns_server_log(server);
	}
	read_questions(&seen, dns_server_log(server));
	/* Those under way at once have a port each. */
	for (unsigned i = 0; i < seen.count; i++)
		for (unsigned k = i - i % AT_ONCE; k < i; k++)
			ck_assert_uint_ne(seen.ports[k], seen.ports[i]);
	expect_random_ids(&seen);
	expect_random_ports(&seen);
	end();
	dns_server_stop(server);
}
END_TEST

/* A server in the test's own hands. */
static int
open_server(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval limit = { .tv_sec = 20 };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

struct question {
	struct sockaddr_in from;
	uint8_t text[512];
	size_t len; /* up to the end of the question proper */
};

static void
receive_question(int fd, struct question *q)
{
	socklen_t len = sizeof(q->from);
	ssize_t got = recvfrom(fd, q->text, sizeof(q->text), 0, (struct sockaddr *)&q->from, &len);

	ck_assert_int_gt(got, 12);
	q->len = 12 + strlen((char *)q->text + 12) + 1 + 4;
	ck_assert_uint_le(q->len, (size_t)got);
}

/* Answers q, at whatever port, with 10.0.0.<address>. */
static void
answer(int fd, const struct question *q, const struct sockaddr_in *to, uint8_t address)
{
	uint8_t text[600],
		record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, address };
	const uint8_t counts[] = { 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0 };

	memcpy(text, q->text, q->len);
	memcpy(text + 2, counts, sizeof(counts));
	memcpy(text + q->len, record, sizeof(record));
	ck_assert_int_gt(sendto(fd, text, q->len + sizeof(record), 0, (const struct sockaddr *)to,
				 sizeof(*to)),
		0);
}

START_TEST(an_answer_counts_only_where_it_was_asked_for)
{
	struct question a, b;
	uint16_t port;
	int fd = open_server(&port);

	begin(port, 3600 * NSEC_PER_SEC);
	ask("a.example");
	receive_question(fd, &a);
	ask("b.example");
	receive_question(fd, &b);
	ck_assert_uint_ne(a.from.sin_port, b.from.sin_port);
	/* Who is through with b has passed over the one before, at the same port. */
	answer(fd, &a, &b.from, 66);
	answer(fd, &b, &b.from, 2);
	expect_answers(1);
	ck_assert_str_eq(last, "10.0.0.2");
	answer(fd, &a, &a.from, 1);
	expect_answers(2);
	ck_assert_str_eq(last, "10.0.0.1");
	end();
	close(fd);
}
END_TEST

START_TEST(the_right_answer_may_come_after_a_forged_one)
{
	struct question a, forged;
	uint16_t port;
	int fd = open_server(&port);

	begin(port, 3600 * NSEC_PER_SEC);
	ask("a.example");
	receive_question(fd, &a);
	forged = a;
	forged.text[0] ^= 1; /* its id */
	answer(fd, &forged, &a.from, 66);
	forged = a;
	forged.text[13] = 'b'; /* its name */
	answer(fd, &forged, &a.from, 66);
	forged = a;
	forged.text[a.len - 3] = 28; /* its type */
	answer(fd, &forged, &a.from, 66);
	ck_assert_int_eq(sendto(fd, "", 0, 0, (struct sockaddr *)&a.from, sizeof(a.from)), 0);
	answer(fd, &a, &a.from, 1);
	expect_answers(1);
	ck_assert_str_eq(last, "10.0.0.1");
	end();
	close(fd);
}
END_TEST

static unsigned
count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Names that nobody answers for do not use up what others need. */
START_TEST(ports_are_a_part_of_the_descriptors)
{
	struct rlimit limit = { .rlim_cur = 256, .rlim_max = 256 };
	struct dns_server *server = dns_server_start();
	unsigned before;
	char host[32];

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	begin(dns_server_port(server), 3600 * NSEC_PER_SEC);
	before = count_descriptors();
	dns_server_say(server, "* do silent\ngood.example A 60 10.0.0.1");
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(host, sizeof(host), "silent%u.example", i);
		ask(host);
		if (i % AT_ONCE == 0)
			(void)dns_server_log(server);
	}
	ck_assert_uint_le(count_descriptors() - before, 64 + 1);
	ask("good.example");
	expect_answers(1);
	ck_assert_str_eq(last, "10.0.0.1");
	end();
	dns_server_stop(server);
}
END_TEST

/* Where there are no descriptors at all, the question that waits longest gives its own. */
START_TEST(without_descriptors_the_oldest_question_goes)
{
	struct dns_server *server = dns_server_start();
	struct rlimit limit = { .rlim_cur = 256, .rlim_max = 256 };
	int fds[256], count = 0;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	begin(dns_server_port(server), 3600 * NSEC_PER_SEC);
	dns_server_say(server, "* do silent\ngood.example A 60 10.0.0.1");
	ask("silent.example");
	while (count < 256 && (fds[count] = dup(STDERR_FILENO)) >= 0)
		count++;
	ck_assert_int_lt(count, 256);
	ask("good.example");
	expect_answers(1);
	ck_assert_str_eq(last, "10.0.0.1");
	while (count > 0)
		close(fds[--count]);
	end();
	dns_server_stop(server);
}
END_TEST

UNIT_MAIN("dns", ids_and_ports_are_random, an_answer_counts_only_where_it_was_asked_for,
	the_right_answer_may_come_after_a_forged_one, ports_are_a_part_of_the_descriptors,
	without_descriptors_the_oldest_question_goes)
