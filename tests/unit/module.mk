# A unit test is four lines: its name in UNIT_TESTS, its source, what it links, its flags. It links
# its own folder's library and those under it only: X_LIBS of the top Makefile.am.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support $(CHECK_CFLAGS)
UNIT_TESTS =

UNIT_TESTS += tests/unit/test_version
tests_unit_test_version_SOURCES = tests/unit/test_version.c
tests_unit_test_version_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_version_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

# Configuration.
UNIT_TESTS += tests/unit/test_conf_load
tests_unit_test_conf_load_SOURCES = tests/unit/test_conf_load.c tests/unit/conf_case.h
tests_unit_test_conf_load_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_conf_load_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_conf_check
tests_unit_test_conf_check_SOURCES = tests/unit/test_conf_check.c tests/unit/conf_case.h
tests_unit_test_conf_check_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_conf_check_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_conf_limits
tests_unit_test_conf_limits_SOURCES = tests/unit/test_conf_limits.c tests/unit/conf_case.h
tests_unit_test_conf_limits_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_conf_limits_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_conf_emit
tests_unit_test_conf_emit_SOURCES = tests/unit/test_conf_emit.c tests/unit/conf_case.h
tests_unit_test_conf_emit_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_conf_emit_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_bootstrap
tests_unit_test_bootstrap_SOURCES = tests/unit/test_bootstrap.c
tests_unit_test_bootstrap_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_bootstrap_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_conf_docs
tests_unit_test_conf_docs_SOURCES = tests/unit/test_conf_docs.c tests/unit/conf_case.h
tests_unit_test_conf_docs_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_conf_docs_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_options
tests_unit_test_options_SOURCES = tests/unit/test_options.c src/options.c src/options.h
tests_unit_test_options_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_options_LDADD = $(CONF_LIBS) $(CHECK_LIBS)

# Base.
UNIT_TESTS += tests/unit/test_addr
tests_unit_test_addr_SOURCES = tests/unit/test_addr.c
tests_unit_test_addr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_addr_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_clock
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_clock_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_duration
tests_unit_test_duration_SOURCES = tests/unit/test_duration.c
tests_unit_test_duration_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_duration_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_log_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_rng
tests_unit_test_rng_SOURCES = tests/unit/test_rng.c
tests_unit_test_rng_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rng_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_text
tests_unit_test_text_SOURCES = tests/unit/test_text.c
tests_unit_test_text_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_text_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_file
tests_unit_test_file_SOURCES = tests/unit/test_file.c
tests_unit_test_file_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_file_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_reserve
tests_unit_test_reserve_SOURCES = tests/unit/test_reserve.c
tests_unit_test_reserve_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_reserve_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=realloc
tests_unit_test_reserve_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_wheel
tests_unit_test_wheel_SOURCES = tests/unit/test_wheel.c
tests_unit_test_wheel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_wheel_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_wire
tests_unit_test_wire_SOURCES = tests/unit/test_wire.c
tests_unit_test_wire_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_wire_LDADD = $(BASE_LIBS) $(CHECK_LIBS)

# Route and ipc.
UNIT_TESTS += tests/unit/test_ended
tests_unit_test_ended_SOURCES = tests/unit/test_ended.c
tests_unit_test_ended_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ended_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_scoreboard
tests_unit_test_scoreboard_SOURCES = tests/unit/test_scoreboard.c
tests_unit_test_scoreboard_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_scoreboard_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_table
tests_unit_test_table_SOURCES = tests/unit/test_table.c
tests_unit_test_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_table_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_pick
tests_unit_test_pick_SOURCES = tests/unit/test_pick.c
tests_unit_test_pick_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pick_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_rank
tests_unit_test_rank_SOURCES = tests/unit/test_rank.c
tests_unit_test_rank_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rank_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_shed
tests_unit_test_shed_SOURCES = tests/unit/test_shed.c
tests_unit_test_shed_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_shed_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_promote
tests_unit_test_promote_SOURCES = tests/unit/test_promote.c
tests_unit_test_promote_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_promote_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c
tests_unit_test_snapshot_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_snapshot_LDADD = $(ROUTE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_chan
tests_unit_test_chan_SOURCES = tests/unit/test_chan.c
tests_unit_test_chan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_chan_LDADD = $(IPC_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_msg
tests_unit_test_msg_SOURCES = tests/unit/test_msg.c
tests_unit_test_msg_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_msg_LDADD = $(IPC_LIBS) $(CHECK_LIBS)

# Worker.
UNIT_TESTS += tests/unit/test_worker
tests_unit_test_worker_SOURCES = tests/unit/test_worker.c
tests_unit_test_worker_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_worker_LDADD = tests/support/libstage.a $(WORKER_LIBS) $(CHECK_LIBS)

# Diagnostics.
UNIT_TESTS += tests/unit/test_diag_table
tests_unit_test_diag_table_SOURCES = tests/unit/test_diag_table.c
tests_unit_test_diag_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_diag_table_LDADD = $(SCENE_LIBS) $(DIAG_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_diag_status
tests_unit_test_diag_status_SOURCES = tests/unit/test_diag_status.c
tests_unit_test_diag_status_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_diag_status_LDADD = $(SCENE_LIBS) $(DIAG_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_diag_metrics
tests_unit_test_diag_metrics_SOURCES = tests/unit/test_diag_metrics.c
tests_unit_test_diag_metrics_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_diag_metrics_LDADD = $(SCENE_LIBS) $(DIAG_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_diag_http
tests_unit_test_diag_http_SOURCES = tests/unit/test_diag_http.c
tests_unit_test_diag_http_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_diag_http_LDADD = $(SCENE_LIBS) $(DIAG_LIBS) $(CHECK_LIBS)

# Master: names, probes.
UNIT_TESTS += tests/unit/test_prober
tests_unit_test_prober_SOURCES = tests/unit/test_prober.c tests/support/loop.h
tests_unit_test_prober_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_prober_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_pool
tests_unit_test_pool_SOURCES = tests/unit/test_pool.c tests/support/dnsd/client.c \
	tests/support/dnsd/client.h tests/support/logged.h tests/support/loop.h
tests_unit_test_pool_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_pool_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_pool_measure
tests_unit_test_pool_measure_SOURCES = tests/unit/test_pool_measure.c
tests_unit_test_pool_measure_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_pool_measure_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_dns_hosts
tests_unit_test_dns_hosts_SOURCES = tests/unit/test_dns_hosts.c
tests_unit_test_dns_hosts_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_dns_hosts_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_dns_search
tests_unit_test_dns_search_SOURCES = tests/unit/test_dns_search.c
tests_unit_test_dns_search_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_dns_search_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_resolver
tests_unit_test_resolver_SOURCES = tests/unit/test_resolver.c tests/support/dnsd/client.c \
	tests/support/dnsd/client.h tests/support/logged.h tests/support/loop.h
tests_unit_test_resolver_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_resolver_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_alarm
tests_unit_test_alarm_SOURCES = tests/unit/test_alarm.c
tests_unit_test_alarm_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_alarm_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_transfer
tests_unit_test_transfer_SOURCES = tests/unit/test_transfer.c
tests_unit_test_transfer_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_transfer_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_transfer_sockets
tests_unit_test_transfer_sockets_SOURCES = tests/unit/test_transfer_sockets.c
tests_unit_test_transfer_sockets_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_transfer_sockets_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall
tests_unit_test_transfer_sockets_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_pipe
tests_unit_test_pipe_SOURCES = tests/unit/test_pipe.c
tests_unit_test_pipe_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_pipe_LDADD = $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_dns
tests_unit_test_dns_SOURCES = tests/unit/test_dns.c tests/support/dnsd/client.c \
	tests/support/dnsd/client.h tests/support/loop.h
tests_unit_test_dns_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_dns_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_relay
tests_unit_test_relay_SOURCES = tests/unit/test_relay.c
tests_unit_test_relay_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_relay_LDADD = tests/support/libstage.a $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_relay_faults
tests_unit_test_relay_faults_SOURCES = tests/unit/test_relay_faults.c
tests_unit_test_relay_faults_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_relay_faults_LDADD = tests/support/libstage.a $(WORKER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_batch
tests_unit_test_batch_SOURCES = tests/unit/test_batch.c
tests_unit_test_batch_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_batch_LDADD = tests/support/libstage.a $(WORKER_LIBS) $(CHECK_LIBS)

# Master: lives, listeners, files, upgrades.
UNIT_TESTS += tests/unit/test_life
tests_unit_test_life_SOURCES = tests/unit/test_life.c
tests_unit_test_life_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_life_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_frontend_id
tests_unit_test_frontend_id_SOURCES = tests/unit/test_frontend_id.c
tests_unit_test_frontend_id_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_frontend_id_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_listener
tests_unit_test_listener_SOURCES = tests/unit/test_listener.c
tests_unit_test_listener_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_listener_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_record
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_record_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_watch
tests_unit_test_watch_SOURCES = tests/unit/test_watch.c
tests_unit_test_watch_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_watch_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_cpus
tests_unit_test_cpus_SOURCES = tests/unit/test_cpus.c
tests_unit_test_cpus_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/src
tests_unit_test_cpus_LDADD = $(MASTER_LIBS) $(CHECK_LIBS)

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
