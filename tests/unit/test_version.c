/* The version the program reports is the one it was configured as. */
#include "config.h"

#include "iaido/version.h"
#include "unit.h"

START_TEST(the_version_is_that_of_the_package)
{
	ck_assert_str_eq(version_string(), PACKAGE_VERSION);
}
END_TEST

UNIT_MAIN("version", the_version_is_that_of_the_package)
