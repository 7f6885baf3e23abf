/* The options that start nothing. */
#include "config.h"

#include <stdlib.h>

#include "run.h"

START_TEST(version_goes_to_stdout_and_exits_0)
{
	static const char *const args[] = { "-V", NULL };
	struct run run;

	run_init(&run);
	run_start(&run, args);
	ck_assert_int_eq(run_wait_exit(&run), 0);
	ck_assert_uint_eq(run_count_log(&run, "iaido " PACKAGE_VERSION "\n"), 1);
}
END_TEST

START_TEST(an_unknown_option_is_bad_usage)
{
	static const char *const args[] = { "--nonsense", NULL };
	struct run run;

	run_init(&run);
	run_start(&run, args);
	ck_assert_int_eq(run_wait_exit(&run), 2);
}
END_TEST

RUN_MAIN("options", version_goes_to_stdout_and_exits_0, an_unknown_option_is_bad_usage)
