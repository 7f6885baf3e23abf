/* The main() that all unit tests share: a test file fills one TCase and ends with UNIT_MAIN(). */
#ifndef IAIDO_TESTS_UNIT_H
#define IAIDO_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_MAIN(name, ...) \
	int main(void) \
	{ \
		const TTest *const unit_tests[] = { __VA_ARGS__ }; \
		Suite *suite = suite_create(name); \
		TCase *tcase = tcase_create(name); \
		SRunner *runner; \
		size_t i; \
		int failed; \
\
		tcase_set_timeout(tcase, 180); \
		for (i = 0; i < sizeof(unit_tests) / sizeof(unit_tests[0]); i++) \
			tcase_add_test(tcase, unit_tests[i]); \
		suite_add_tcase(suite, tcase); \
		runner = srunner_create(suite); \
		srunner_run_all(runner, CK_ENV); \
		failed = srunner_ntests_failed(runner); \
		srunner_free(runner); \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE; \
	}

#endif
