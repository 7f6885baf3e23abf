/* Addresses: literals, printing, and IPv4-mapped IPv6 counting as IPv4. */
#include "config.h"

#include "iaido/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "unit.h"

static struct addr
must_parse(const char *text, uint16_t port)
{
	struct addr a;

	ck_assert_msg(addr_parse(text, port, &a) == 0, "%s", text);
	return a;
}

START_TEST(literals_are_parsed_and_printed)
{
	static const struct {
		const char *in;
		const char *host;
		const char *full;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", "127.0.0.1:80" },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0:80" },
		{ "255.255.255.255", "255.255.255.255", "255.255.255.255:80" },
		{ "::", "::", "[::]:80" },
		{ "::1", "::1", "[::1]:80" },
		{ "[::1]", "::1", "[::1]:80" },
		{ "2001:DB8:0::1", "2001:db8::1", "[2001:db8::1]:80" },
		{ "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1:80" },
		{ "[::ffff:10.0.0.1]", "10.0.0.1", "10.0.0.1:80" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:80" },
	};
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = must_parse(rows[i].in, 80);

		ck_assert_str_eq(addr_format_host(&a, buf), rows[i].host);
		ck_assert_str_eq(addr_format(&a, buf), rows[i].full);
		ck_assert_uint_eq(addr_port(&a), 80);
	}
}
END_TEST

START_TEST(what_is_no_literal_is_refused)
{
	static const char *const bads[] = {
		"",
		"localhost",
		"1.2.3",
		"1.2.3.4.5",
		"01.2.3.4",
		"256.1.1.1",
		"[1.2.3.4]",
		"[::1",
		"::1]",
		"[]",
		"[",
		"fe80::1%eth0",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1.2.3.4:80",
		"[::1]:80",
		"0x7f.1",
		"127.1",
		":::",
		"12345::",
		"1:2:3:4:5:6",
		"*",
		"1.2.3.-4",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};
	struct addr a;

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
		ck_assert_msg(addr_parse(bads[i], 80, &a) == -EINVAL, "'%s'", bads[i]);
}
END_TEST

START_TEST(a_mapped_address_equals_its_ipv4_address)
{
	struct addr a = must_parse("10.0.0.1", 80), b = must_parse("::ffff:10.0.0.1", 80);

	ck_assert(addr_equal(&a, &b));
	ck_assert_uint_eq(addr_hash(&a), addr_hash(&b));
	ck_assert_int_eq(addr_compare(&a, &b), 0);
	addr_set_port(&b, 81);
	ck_assert_uint_eq(addr_port(&b), 81);
	ck_assert(!addr_equal(&a, &b));
	ck_assert_uint_ne(addr_hash(&a), addr_hash(&b));
}
END_TEST

START_TEST(the_order_is_total)
{
	static const char *const texts[] = { "0.0.0.0", "10.0.0.1", "::ffff:10.0.0.2", "::", "::1",
		"2001:db8::1", "ffff::" };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(texts); i++) {
		for (size_t j = 0; j < 2 * ARRAY_SIZE(texts); j++) {
			struct addr a = must_parse(texts[i / 2], (uint16_t)(300 * (i % 2)));
			struct addr b = must_parse(texts[j / 2], (uint16_t)(300 * (j % 2)));

			ck_assert_int_eq(addr_compare(&a, &b), (i > j) - (i < j));
			ck_assert_int_eq(addr_equal(&a, &b), i == j);
		}
	}
}
END_TEST

START_TEST(the_any_address_is_known_in_all_its_forms)
{
	static const char *const any[] = { "0.0.0.0", "::", "::ffff:0.0.0.0" };
	static const char *const some[] = { "0.0.0.1", "::1", "127.0.0.1" };

	for (size_t i = 0; i < ARRAY_SIZE(any); i++) {
		struct addr a = must_parse(any[i], 1), b = must_parse(some[i], 1);

		ck_assert(addr_is_any(&a));
		ck_assert(!addr_is_any(&b));
	}
}
END_TEST

START_TEST(a_sockaddr_is_taken_only_whole)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct addr a;

	for (socklen_t len = 0; len < sizeof(in); len++)
		ck_assert_int_eq(
			addr_from_sockaddr((struct sockaddr *)&in, len, &a), -EAFNOSUPPORT);
	for (socklen_t len = 0; len < sizeof(in6); len++)
		ck_assert_int_eq(
			addr_from_sockaddr((struct sockaddr *)&in6, len, &a), -EAFNOSUPPORT);
	ck_assert_int_eq(addr_from_sockaddr(&other, sizeof(other), &a), -EAFNOSUPPORT);
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&in, sizeof(in), &a), 0);
	ck_assert_uint_eq(addr_port(&a), 7);
	ck_assert_uint_eq(addr_len(&a), sizeof(in));
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &a), 0);
	ck_assert_uint_eq(addr_len(&a), sizeof(in6));
}
END_TEST

UNIT_MAIN("addr", literals_are_parsed_and_printed, what_is_no_literal_is_refused,
	a_mapped_address_equals_its_ipv4_address, the_order_is_total,
	the_any_address_is_known_in_all_its_forms, a_sockaddr_is_taken_only_whole)
