# An integration test finds the program in $IAIDO, the source tree in $SRCDIR and the build tree in
# $BUILDDIR. It exits 0 (holds), 77 (skipped) or anything else. A script is one line; a program four:
# its name, its source, its flags, what it links (tests/support/run.h starts an iaido for it).
INTEGRATION_TESTS =
INTEGRATION_TESTS += tests/integration/test_command_line.sh
INTEGRATION_TESTS += tests/integration/test_services.sh
INTEGRATION_TESTS += tests/integration/test_completion.sh
INTEGRATION_TESTS += tests/integration/test_diag.sh
INTEGRATION_TESTS += tests/integration/test_events.sh
INTEGRATION_TESTS += tests/integration/wan_stage.sh
INTEGRATION_TESTS += tests/integration/wan_flap.sh
INTEGRATION_TESTS += tests/integration/wan_hedge.sh
INTEGRATION_TESTS += tests/integration/wan_hung.sh
INTEGRATION_TESTS += tests/integration/wan_rank.sh
INTEGRATION_TESTS += tests/integration/wan_refuse.sh
INTEGRATION_TESTS += tests/integration/wan_return.sh
INTEGRATION_TESTS += tests/integration/wan_vanish.sh
INTEGRATION_TESTS += tests/integration/host_faults.sh
INTEGRATION_TESTS += tests/integration/probe_unseen.sh
INTEGRATION_TESTS += tests/integration/without_io_uring.sh
INTEGRATION_TESTS += tests/integration/dns_unbound.sh
INTEGRATION_TESTS += tests/integration/dns_hostile.sh
EXTRA_DIST += tests/integration/diag.py

integration_programs =
integration_programs += tests/integration/test_options
tests_integration_test_options_SOURCES = tests/integration/test_options.c
tests_integration_test_options_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_options_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_choose
tests_integration_test_choose_SOURCES = tests/integration/test_choose.c
tests_integration_test_choose_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_choose_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_reload
tests_integration_test_reload_SOURCES = tests/integration/test_reload.c
tests_integration_test_reload_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_reload_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_workers
tests_integration_test_workers_SOURCES = tests/integration/test_workers.c
tests_integration_test_workers_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_workers_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_shutdown
tests_integration_test_shutdown_SOURCES = tests/integration/test_shutdown.c
tests_integration_test_shutdown_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_shutdown_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_daemon
tests_integration_test_daemon_SOURCES = tests/integration/test_daemon.c
tests_integration_test_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_daemon_LDADD = $(RUN_LIBS)

# Upgrades go to a second build: the same but for its version, and a fault on demand.
check_PROGRAMS += tests/support/next/iaido
tests_support_next_iaido_SOURCES = $(iaido_SOURCES) tests/support/next/next.c
tests_support_next_iaido_CPPFLAGS = $(AM_CPPFLAGS)
tests_support_next_iaido_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=worker_run
tests_support_next_iaido_LDADD = $(iaido_LDADD)

integration_programs += tests/integration/test_upgrade
tests_integration_test_upgrade_SOURCES = tests/integration/test_upgrade.c
tests_integration_test_upgrade_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_upgrade_LDADD = $(RUN_LIBS)

# An iaido whose allocations fail on demand.
check_PROGRAMS += tests/support/scarce/iaido
tests_support_scarce_iaido_SOURCES = $(iaido_SOURCES) tests/support/scarce/scarce.c
tests_support_scarce_iaido_CPPFLAGS = $(AM_CPPFLAGS)
tests_support_scarce_iaido_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc \
	-Wl,--wrap=realloc -Wl,--wrap=strdup
tests_support_scarce_iaido_LDADD = $(iaido_LDADD)

integration_programs += tests/integration/test_scarce
tests_integration_test_scarce_SOURCES = tests/integration/test_scarce.c
tests_integration_test_scarce_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_scarce_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_supervise
tests_integration_test_supervise_SOURCES = tests/integration/test_supervise.c
tests_integration_test_supervise_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_supervise_LDADD = $(RUN_LIBS) $(MASTER_LIBS)

integration_programs += tests/integration/test_lessons
tests_integration_test_lessons_SOURCES = tests/integration/test_lessons.c
tests_integration_test_lessons_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_lessons_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_injected
tests_integration_test_injected_SOURCES = tests/integration/test_injected.c
tests_integration_test_injected_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_injected_LDADD = $(RUN_LIBS)

integration_programs += tests/integration/test_faults
tests_integration_test_faults_SOURCES = tests/integration/test_faults.c
tests_integration_test_faults_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_integration_test_faults_LDADD = $(RUN_LIBS)

check_PROGRAMS += $(integration_programs)
dist_check_SCRIPTS += $(INTEGRATION_TESTS)
TESTS += $(INTEGRATION_TESTS) $(integration_programs)
