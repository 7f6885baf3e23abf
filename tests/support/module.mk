# What tests share.
EXTRA_DIST += tests/support/unit.h tests/support/descriptors.h tests/support/sample_table.h

# Starts a real iaido for integration tests: run.h.
check_LIBRARIES += tests/support/librun.a
tests_support_librun_a_SOURCES = tests/support/run.c tests/support/run.h \
	tests/support/peer.c tests/support/peer.h tests/support/swarm.c tests/support/swarm.h \
	tests/support/stream.c tests/support/stream.h \
	tests/support/family.c tests/support/family.h
tests_support_librun_a_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
RUN_LIBS = tests/support/librun.a $(CHECK_LIBS)

# One worker on a stage, for its unit tests: stage.h, pair.h.
check_LIBRARIES += tests/support/libstage.a
tests_support_libstage_a_SOURCES = tests/support/stage.c tests/support/stage.h \
	tests/support/pair.c tests/support/pair.h
tests_support_libstage_a_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

# A DNS server that misbehaves on demand; its use is told at the top of dnsd.c.
check_PROGRAMS += tests/support/dnsd/dnsd
tests_support_dnsd_dnsd_SOURCES = tests/support/dnsd/dnsd.c tests/support/dnsd/dnsd.h \
	tests/support/dnsd/message.c tests/support/dnsd/zone.c

# A small WAN (its use: wan.c, stage.sh), and a server and a load to put on it.
check_PROGRAMS += tests/support/wan/wan tests/support/wan/greet tests/support/wan/load
tests_support_wan_wan_SOURCES = tests/support/wan/wan.c tests/support/wan/queue.c \
	tests/support/wan/queue.h tests/support/wan/rules.c tests/support/wan/rules.h
tests_support_wan_greet_SOURCES = tests/support/wan/greet.c
tests_support_wan_load_SOURCES = tests/support/wan/load.c tests/support/wan/load.h \
	tests/support/wan/report.c
EXTRA_DIST += tests/support/wan/stage.sh tests/support/wan/iaido.sh tests/support/wan/dns.sh

# Runs a program where io_uring is not to be had.
check_PROGRAMS += tests/support/noring/no_ring
tests_support_noring_no_ring_SOURCES = tests/support/noring/no_ring.c

# Made-up snapshots, and an endpoint that serves them inside a test.
check_LIBRARIES += tests/support/libscene.a
tests_support_libscene_a_SOURCES = tests/support/diag/scene.c tests/support/diag/scene.h \
	tests/support/diag/serve.c tests/support/diag/serve.h
tests_support_libscene_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support $(CHECK_CFLAGS)
SCENE_LIBS = tests/support/libscene.a
