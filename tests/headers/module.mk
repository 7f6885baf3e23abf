# Every public header compiles alone.
TESTS += tests/headers/test_headers.sh
dist_check_SCRIPTS += tests/headers/test_headers.sh

AM_TESTS_ENVIRONMENT += \
	HEADER_COMPILE='$(CC) $(DEFS) -I. -I$(srcdir) $(AM_CPPFLAGS) $(CPPFLAGS) $(AM_CFLAGS)'; \
	export HEADER_COMPILE; \
	HEADERS='$(public_headers)'; export HEADERS;
