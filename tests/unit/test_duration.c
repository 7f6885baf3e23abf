/* Durations read and print as Go's do. */
#include "config.h"

#include "iaido/duration.h"

#include <errno.h>
#include <string.h>

#include "iaido/rng.h"
#include "unit.h"

#define HOUR_NS INT64_C(3600000000000)

struct good {
	const char *text;
	int64_t ns;
};

/* The cases of Go's own test of ParseDuration, and this program's bare numbers. */
static const struct good goods[] = {
	{ "0", 0 },
	{ "-0", 0 },
	{ "+0", 0 },
	{ "5s", 5000000000 },
	{ "30s", 30000000000 },
	{ "1478s", INT64_C(1478000000000) },
	{ "-5s", -5000000000 },
	{ "+5s", 5000000000 },
	{ "5.0s", 5000000000 },
	{ "5.6s", 5600000000 },
	{ "5.s", 5000000000 },
	{ ".5s", 500000000 },
	{ "1.0s", 1000000000 },
	{ "1.00s", 1000000000 },
	{ "1.004s", 1004000000 },
	{ "1.0040s", 1004000000 },
	{ "100.00100s", INT64_C(100001000000) },
	{ "10ns", 10 },
	{ "11us", 11000 },
	{ "12\xc2\xb5s", 12000 },
	{ "12\xce\xbcs", 12000 },
	{ "13ms", 13000000 },
	{ "14s", 14000000000 },
	{ "15m", INT64_C(900000000000) },
	{ "16h", 16 * HOUR_NS },
	{ "3h30m", 3 * HOUR_NS + HOUR_NS / 2 },
	{ "10.5s4m", INT64_C(250500000000) },
	{ "-2m3.4s", INT64_C(-123400000000) },
	{ "1h2m3s4ms5us6ns", INT64_C(3723004005006) },
	{ "39h9m14.425s", INT64_C(140954425000000) },
	{ "52763797000ns", INT64_C(52763797000) },
	{ "0.3333333333333333333h", INT64_C(1200000000000) },
	{ "9007199254740993ns", INT64_C(9007199254740993) },
	{ "9223372036854775807ns", INT64_MAX },
	{ "9223372036854775.807us", INT64_MAX },
	{ "9223372036s854ms775us807ns", INT64_MAX },
	{ "-9223372036854775808ns", INT64_MIN },
	{ "-9223372036854775.808us", INT64_MIN },
	{ "-9223372036s854ms775us808ns", INT64_MIN },
	{ "-2562047h47m16.854775808s", INT64_MIN },
	{ "0.100000000000000000000h", HOUR_NS / 10 },
	{ "0.830103483285477580700h", INT64_C(2988372539827) },
	{ "-1", -1 },
	{ "-10000", -10000 },
	{ "-9223372036854775808", INT64_MIN },
	{ "1h0m0s", HOUR_NS },
};

START_TEST(what_go_reads_is_read_as_go_does)
{
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		int64_t ns = 77;

		ck_assert_msg(duration_parse(goods[i].text, &ns) == 0, "%s", goods[i].text);
		ck_assert_msg(ns == goods[i].ns, "%s is %lld", goods[i].text, (long long)ns);
	}
}
END_TEST

START_TEST(what_is_no_duration_is_refused_with_the_reason)
{
	static const struct {
		const char *text;
		int error;
	} bads[] = {
		{ "", -EINVAL },
		{ "-", -EINVAL },
		{ "+", -EINVAL },
		{ "s", -EINVAL },
		{ ".", -EINVAL },
		{ "-.", -EINVAL },
		{ ".s", -EINVAL },
		{ "+.s", -EINVAL },
		{ "1d", -EINVAL },
		{ "1w", -EINVAL },
		{ "1S", -EINVAL },
		{ "1 s", -EINVAL },
		{ " 1s", -EINVAL },
		{ "1s ", -EINVAL },
		{ "--1s", -EINVAL },
		{ "\x85\x85", -EINVAL },
		{ "1\xc2s", -EINVAL },
		{ "hello", -EINVAL },
		{ "1s-2s", -EINVAL },
		{ "3", -EDOM },
		{ "+3", -EDOM },
		{ "00", -EDOM },
		{ "0.0", -EDOM },
		{ "1.5", -EDOM },
		{ "-1.5", -EDOM },
		{ "1h30", -EDOM },
		{ "9223372036854775810ns", -ERANGE },
		{ "9223372036854775808ns", -ERANGE },
		{ "-9223372036854775809ns", -ERANGE },
		{ "-9223372036854775809", -ERANGE },
		{ "-99999999999999999999999", -ERANGE },
		{ "9223372036854776us", -ERANGE },
		{ "3000000h", -ERANGE },
		{ "9223372036854775.808us", -ERANGE },
		{ "9223372036854ms775us808ns", -ERANGE },
		{ "2562047h47m16.854775808s", -ERANGE },
		{ "9223372036854775807ns9223372036854775807ns9223372036854775807ns", -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		int64_t ns = 77;
		int r = duration_parse(bads[i].text, &ns);

		ck_assert_msg(r == bads[i].error, "'%s' gives %d", bads[i].text, r);
		ck_assert_int_eq(ns, 77);
	}
}
END_TEST

START_TEST(durations_print_as_go_prints_them)
{
	static const struct good prints[] = {
		{ "0s", 0 },
		{ "1ns", 1 },
		{ "1.1\xc2\xb5s", 1100 },
		{ "2.2ms", 2200000 },
		{ "300ms", 300000000 },
		{ "3.3s", 3300000000 },
		{ "1m0s", INT64_C(60000000000) },
		{ "4m5s", INT64_C(245000000000) },
		{ "4m5.001s", INT64_C(245001000000) },
		{ "5h6m7.001s", INT64_C(18367001000000) },
		{ "1h0m0s", HOUR_NS },
		{ "8m0.000000001s", INT64_C(480000000001) },
		{ "-1ns", -1 },
		{ "-1m30s", INT64_C(-90000000000) },
		{ "2562047h47m16.854775807s", INT64_MAX },
		{ "-2562047h47m16.854775808s", INT64_MIN },
	};
	char buf[DURATION_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(prints); i++)
		ck_assert_str_eq(duration_format(prints[i].ns, buf), prints[i].text);
}
END_TEST

START_TEST(what_is_printed_reads_back)
{
	struct rng rng;
	char buf[DURATION_TEXT_MAX];

	rng_seed_from(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		/* All magnitudes alike, and many trailing zeros. */
		int64_t ns = (int64_t)(rng_next(&rng) >> rng_below(&rng, 64));
		int64_t unit = 1, back = 0;

		for (uint64_t zeros = rng_below(&rng, 10); zeros > 0; zeros--)
			unit *= 10;
		if (i % 2)
			ns = ns / unit * unit;
		if (i % 3 == 0 && ns > INT64_MIN)
			ns = -ns;
		ck_assert_msg(duration_parse(duration_format(ns, buf), &back) == 0, "%s", buf);
		ck_assert_msg(back == ns, "%lld prints as %s", (long long)ns, buf);
	}
}
END_TEST

START_TEST(no_text_breaks_the_parser)
{
	static const char letters[] = "0123456789.-+numshµ ";
	struct rng rng;
	char text[48], buf[DURATION_TEXT_MAX];

	rng_seed_from(&rng, 2);
	for (int i = 0; i < 100000; i++) {
		size_t len = rng_below(&rng, sizeof(text));
		int64_t ns = 0, again = 0;

		for (size_t j = 0; j < len; j++)
			text[j] = letters[rng_below(&rng, sizeof(letters) - 1)];
		text[len] = '\0';
		if (duration_parse(text, &ns) < 0)
			continue;
		ck_assert_int_eq(duration_parse(duration_format(ns, buf), &again), 0);
		ck_assert_int_eq(ns, again);
	}
}
END_TEST

UNIT_MAIN("duration", what_go_reads_is_read_as_go_does,
	what_is_no_duration_is_refused_with_the_reason, durations_print_as_go_prints_them,
	what_is_printed_reads_back, no_text_breaks_the_parser)
