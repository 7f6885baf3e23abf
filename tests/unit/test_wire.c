/* What is written reads back; what is short, long or wrong is refused at every length. */
#include "config.h"

#include "iaido/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/addr.h"
#include "iaido/rng.h"
#include "unit.h"

static void
write_sample(struct wire_writer *w)
{
	struct addr v4, v6;

	ck_assert_int_eq(addr_parse("10.1.2.3", 4567, &v4), 0);
	ck_assert_int_eq(addr_parse("2001:db8::7", 89, &v6), 0);
	wire_writer_init(w);
	wire_put_u8(w, 0xab);
	wire_put_u16(w, 0x1234);
	wire_put_u32(w, 0xdeadbeef);
	wire_put_u64(w, UINT64_C(0x0123456789abcdef));
	wire_put_i64(w, INT64_MIN);
	wire_put_string(w, "");
	wire_put_string(w, "caf\xc3\xa9");
	wire_put_addr(w, &v4);
	wire_put_addr(w, &v6);
	wire_put_u32(w, 2);
	wire_put_u16(w, 1);
	wire_put_u16(w, 2);
	ck_assert(!w->bad);
}

/* Reads the sample's shape from anything; returns what wire_end() says. */
static int
read_sample(const void *data, size_t len, bool check)
{
	struct wire_reader r;
	struct addr v4, v6;
	char text[ADDR_TEXT_MAX];
	char *empty, *word;
	uint32_t count;

	wire_reader_init(&r, data, len);
	ck_assert(wire_get_u8(&r) == 0xab || !check);
	ck_assert(wire_get_u16(&r) == 0x1234 || !check);
	ck_assert(wire_get_u32(&r) == 0xdeadbeef || !check);
	ck_assert(wire_get_u64(&r) == UINT64_C(0x0123456789abcdef) || !check);
	ck_assert(wire_get_i64(&r) == INT64_MIN || !check);
	empty = wire_get_string(&r, 16);
	word = wire_get_string(&r, 16);
	wire_get_addr(&r, &v4);
	wire_get_addr(&r, &v6);
	count = wire_get_count(&r, 2, 100);
	for (uint32_t i = 0; i < count; i++)
		ck_assert(wire_get_u16(&r) == i + 1 || !check);
	if (check) {
		ck_assert_str_eq(empty, "");
		ck_assert_str_eq(word, "caf\xc3\xa9");
		ck_assert_str_eq(addr_format(&v4, text), "10.1.2.3:4567");
		ck_assert_str_eq(addr_format(&v6, text), "[2001:db8::7]:89");
	}
	free(empty);
	free(word);
	return wire_end(&r);
}

START_TEST(what_is_written_reads_back)
{
	struct wire_writer w;

	write_sample(&w);
	ck_assert_int_eq(read_sample(w.data, w.len, true), 0);
	wire_writer_fini(&w);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct wire_writer w;

	write_sample(&w);
	for (size_t len = 0; len < w.len; len++) {
		/* On the heap at its exact size, so that a sanitizer sees each byte too far. */
		uint8_t *part = malloc(len > 0 ? len : 1);

		ck_assert_ptr_nonnull(part);
		memcpy(part, w.data, len);
		ck_assert_int_eq(read_sample(part, len, false), -EBADMSG);
		free(part);
	}
	ck_assert_int_eq(read_sample(NULL, 0, false), -EBADMSG);
	wire_writer_fini(&w);
}
END_TEST

START_TEST(bytes_left_over_are_refused)
{
	struct wire_writer w;

	write_sample(&w);
	wire_put_u8(&w, 0);
	ck_assert_int_eq(read_sample(w.data, w.len, true), -EBADMSG);
	wire_writer_fini(&w);
}
END_TEST

START_TEST(changed_bytes_never_lead_out_of_bounds)
{
	struct wire_writer w;
	struct rng rng;

	rng_seed_from(&rng, 3);
	for (int i = 0; i < 20000; i++) {
		write_sample(&w);
		for (uint64_t n = rng_below(&rng, 8); n > 0; n--)
			w.data[rng_below(&rng, w.len)] = (uint8_t)rng_next(&rng);
		(void)!read_sample(w.data, rng_below(&rng, w.len + 1), false);
		wire_writer_fini(&w);
	}
}
END_TEST

START_TEST(values_are_little_endian)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u32(&w, 0x04030201);
	ck_assert_uint_eq(w.len, 4);
	ck_assert_mem_eq(w.data, "\x01\x02\x03\x04", 4);
	wire_writer_fini(&w);
}
END_TEST

START_TEST(a_bad_reader_stays_bad_and_gives_zero)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct wire_reader r;

	wire_reader_init(&r, bytes, sizeof(bytes));
	ck_assert_uint_eq(wire_get_u64(&r), 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(wire_get_u8(&r), 0);
	ck_assert_ptr_null(wire_get_string(&r, 10));
	ck_assert_int_eq(wire_end(&r), -EBADMSG);
}
END_TEST

START_TEST(a_count_is_bounded_before_it_is_believed)
{
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	static const uint8_t two[] = { 2, 0, 0, 0, 0, 0, 0, 0 };
	struct wire_reader r;

	wire_reader_init(&r, huge, sizeof(huge));
	ck_assert_uint_eq(wire_get_count(&r, 1, UINT32_MAX), 0);
	ck_assert(r.bad);
	wire_reader_init(&r, two, sizeof(two));
	ck_assert_uint_eq(wire_get_count(&r, 2, 2), 2);
	ck_assert(!r.bad);
	wire_reader_init(&r, two, sizeof(two));
	ck_assert_uint_eq(wire_get_count(&r, 2, 1), 0);
	ck_assert(r.bad);
	wire_reader_init(&r, two, sizeof(two));
	ck_assert_uint_eq(wire_get_count(&r, 3, 2), 0);
	ck_assert(r.bad);
}
END_TEST

START_TEST(strings_are_bounded_and_hold_no_nul)
{
	static const uint8_t with_nul[] = { 2, 0, 0, 0, 'a', 0 };
	static const uint8_t word[] = { 2, 0, 0, 0, 'a', 'b' };
	struct wire_reader r;
	char *s;

	wire_reader_init(&r, with_nul, sizeof(with_nul));
	ck_assert_ptr_null(wire_get_string(&r, 10));
	ck_assert(r.bad);
	wire_reader_init(&r, word, sizeof(word));
	ck_assert_ptr_null(wire_get_string(&r, 1));
	ck_assert(r.bad);
	wire_reader_init(&r, word, sizeof(word));
	s = wire_get_string(&r, 2);
	ck_assert_str_eq(s, "ab");
	ck_assert_int_eq(wire_end(&r), 0);
	free(s);
}
END_TEST

START_TEST(an_unknown_family_is_bad)
{
	uint8_t bytes[19] = { 4 };
	struct wire_reader r;
	struct addr a;

	for (int family = 0; family < 256; family++) {
		bytes[0] = (uint8_t)family;
		wire_reader_init(&r, bytes, sizeof(bytes));
		wire_get_addr(&r, &a);
		ck_assert_int_eq(!r.bad, family == 4 || family == 6);
	}
}
END_TEST

UNIT_MAIN("wire", what_is_written_reads_back, every_truncation_is_refused,
	bytes_left_over_are_refused, changed_bytes_never_lead_out_of_bounds,
	values_are_little_endian, a_bad_reader_stays_bad_and_gives_zero,
	a_count_is_bounded_before_it_is_believed, strings_are_bounded_and_hold_no_nul,
	an_unknown_family_is_bad)
