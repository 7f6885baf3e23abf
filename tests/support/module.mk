# What tests share.
EXTRA_DIST += tests/support/unit.h

# A DNS server that misbehaves on demand; its use is told at the top of dnsd.c.
check_PROGRAMS += tests/support/dnsd/dnsd
tests_support_dnsd_dnsd_SOURCES = tests/support/dnsd/dnsd.c tests/support/dnsd/dnsd.h \
	tests/support/dnsd/message.c tests/support/dnsd/zone.c
