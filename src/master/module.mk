noinst_LIBRARIES += libmaster.a

libmaster_a_SOURCES = \
	src/master/channel.c src/master/channel.h src/master/child.c src/master/child.h \
	src/master/cpus.c src/master/cpus.h src/master/daemon.c src/master/daemon.h \
	src/master/frontend_id.c src/master/frontend_id.h src/master/handover.c \
	src/master/handover.h src/master/libevent.c src/master/libevent.h \
	src/master/life.c src/master/life.h \
	src/master/listener.c src/master/listener.h src/master/listener_save.c \
	src/master/master.c src/master/notify.c \
	src/master/notify.h src/master/paths.c src/master/paths.h src/master/pidfile.c \
	src/master/pidfile.h src/master/privileges.c src/master/privileges.h \
	src/master/prospect.c src/master/prospect.h src/master/reload.c src/master/shutdown.c \
	src/master/record.c src/master/record.h src/master/snapshot.c src/master/start.c \
	src/master/state.h src/master/supervisor.c src/master/supervisor.h src/master/tables.c \
	src/master/upgrade.c src/master/upgrade.h src/master/watch.c src/master/watch.h \
	src/master/dns.c src/master/dns.h src/master/dns_answer.c src/master/dns_answer.h \
	src/master/dns_channel.c src/master/dns_channel.h src/master/dns_hosts.c src/master/dns_hosts.h \
	src/master/dns_search.c src/master/dns_search.h \
	src/master/dns_transport.c src/master/dns_transport.h \
	src/master/pool.c src/master/pool.h src/master/pool_backends.c src/master/pool_departed.c \
	src/master/pool_health.c src/master/pool_measure.c src/master/pool_priv.h \
	src/master/pool_promote.c src/master/pool_rank.c \
	src/master/pool_save.c src/master/pool_settings.c src/master/pool_snapshot.c \
	src/master/pool_sweep.c src/master/pool_table.c src/master/prober.c src/master/prober.h \
	src/master/resolver.c src/master/resolver.h src/master/resolver_answer.c \
	src/master/resolver_priv.h src/master/resolver_save.c
