/* The clocks go forward; wall time prints as RFC 3339. */
#include "config.h"

#include "iaido/clock.h"

#include "unit.h"

START_TEST(the_monotonic_clocks_never_go_back)
{
	int64_t last = clock_now_ns(), last_coarse = clock_coarse_ns();

	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_now_ns(), coarse = clock_coarse_ns();

		ck_assert_int_ge(now, last);
		ck_assert_int_ge(coarse, last_coarse);
		/* Coarse is the same clock at the last tick. */
		ck_assert_int_le(coarse, clock_now_ns());
		last = now;
		last_coarse = coarse;
	}
}
END_TEST

START_TEST(wall_time_prints_as_rfc_3339)
{
	char buf[CLOCK_TEXT_MAX];

	ck_assert_str_eq(clock_format_wall(0, buf), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(clock_format_wall(-1, buf), "1969-12-31T23:59:59.999Z");
	ck_assert_str_eq(
		clock_format_wall(INT64_C(1769860800123456789), buf), "2026-01-31T12:00:00.123Z");
	ck_assert_str_eq(clock_format_wall(INT64_MAX, buf), "2262-04-11T23:47:16.854Z");
	ck_assert_int_gt(clock_wall_ns(), INT64_C(1700000000000000000));
}
END_TEST

UNIT_MAIN("clock", the_monotonic_clocks_never_go_back, wall_time_prints_as_rfc_3339)
