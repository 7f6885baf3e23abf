/* The words for how a connection ended. */
#include "config.h"

#include "iaido/ended.h"

#include <string.h>

#include "unit.h"

START_TEST(the_words_are_those_of_the_contract)
{
	static const char *const reasons[] = { "eof", "reset", "timeout", "idle", "half-closed",
		"age", "overload", "promotion", "failed", "gone", "disabled", "drain", "no-backend",
		"dial-failed", "worker-lost", "error" };

	ck_assert_uint_eq(sizeof(reasons) / sizeof(reasons[0]), ENDED_REASON_COUNT);
	for (unsigned i = 0; i < ENDED_REASON_COUNT; i++)
		ck_assert_str_eq(ended_reason_name((enum ended_reason)i), reasons[i]);
	ck_assert_str_eq(ended_by_name(ENDED_BY_CLIENT), "client");
	ck_assert_str_eq(ended_by_name(ENDED_BY_BACKEND), "backend");
	ck_assert_str_eq(ended_by_name(ENDED_BY_IAIDO), "iaido");
}
END_TEST

START_TEST(what_is_no_reason_has_a_word_too)
{
	ck_assert_str_eq(ended_by_name(ENDED_BY_COUNT), "unknown");
	ck_assert_str_eq(ended_reason_name(ENDED_REASON_COUNT), "unknown");
	ck_assert_str_eq(ended_reason_name((enum ended_reason) - 1), "unknown");
}
END_TEST

UNIT_MAIN("ended", the_words_are_those_of_the_contract, what_is_no_reason_has_a_word_too)
