/* Growing strings, UTF-8 and JSON strings. */
#include "config.h"

#include "iaido/text.h"

#include <string.h>

#include "unit.h"

START_TEST(it_grows_and_stays_terminated)
{
	struct text t;
	char long_word[1001];

	memset(long_word, 'x', 1000);
	long_word[1000] = '\0';
	text_init(&t);
	for (int i = 0; i < 100; i++) {
		text_add(&t, "ab");
		text_addf(&t, "%d-%s", i % 10, long_word);
		ck_assert_uint_eq(t.len, (size_t)(i + 1) * 1004);
		ck_assert_uint_eq(strlen(t.data), t.len);
	}
	ck_assert(!t.bad);
	text_reset(&t);
	ck_assert_uint_eq(t.len, 0);
	ck_assert_str_eq(t.data, "");
	text_fini(&t);
	ck_assert_ptr_null(t.data);
}
END_TEST

START_TEST(formatting_fits_at_every_boundary)
{
	struct text t;
	char word[600];

	for (size_t len = 200; len < sizeof(word); len++) {
		memset(word, 'y', len);
		word[len] = '\0';
		text_init(&t);
		text_addf(&t, "%s", word);
		ck_assert_uint_eq(t.len, len);
		ck_assert_str_eq(t.data, word);
		text_fini(&t);
	}
}
END_TEST

START_TEST(json_strings_are_escaped)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\n\r\t\x01\x7f", "\"\\n\\r\\t\\u0001\\u007f\"" },
		{ "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ "bad\xff.", "\"bad\\u00ff.\"" },
		{ "cut\xc3", "\"cut\\u00c3\"" },
	};
	struct text t;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_init(&t);
		text_add_json(&t, rows[i].in);
		ck_assert_str_eq(t.data, rows[i].out);
		text_fini(&t);
	}
}
END_TEST

START_TEST(utf8_is_told_from_what_is_not)
{
	static const struct {
		const char *s;
		size_t len;
	} rows[] = {
		{ "a", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\xc0\x80", 0 }, /* overlong NUL */
		{ "\xc1\xbf", 0 }, /* overlong */
		{ "\xe0\x9f\xbf", 0 }, /* overlong */
		{ "\xed\xa0\x80", 0 }, /* surrogate */
		{ "\xf0\x8f\xbf\xbf", 0 }, /* overlong */
		{ "\xf4\x90\x80\x80", 0 }, /* past the last character */
		{ "\xf5\x80\x80\x80", 0 },
		{ "\x80", 0 },
		{ "\xff", 0 },
		{ "\xc2", 0 },
		{ "\xe1\x80", 0 },
		{ "\xe1\x80\xc0", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(
			text_utf8_len(rows[i].s, strlen(rows[i].s)) == rows[i].len, "row %zu", i);
	ck_assert_uint_eq(text_utf8_len("", 0), 0);
}
END_TEST

UNIT_MAIN("text", it_grows_and_stays_terminated, formatting_fits_at_every_boundary,
	json_strings_are_escaped, utf8_is_told_from_what_is_not)
