# A unit test is four lines: its name in UNIT_TESTS, its source, what it links, its flags. It links
# its own folder's library and those under it only: X_LIBS of the top Makefile.am.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support $(CHECK_CFLAGS)
UNIT_TESTS =

UNIT_TESTS += tests/unit/test_version
tests_unit_test_version_SOURCES = tests/unit/test_version.c
tests_unit_test_version_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_version_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
