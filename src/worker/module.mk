noinst_LIBRARIES += libworker.a

libworker_a_SOURCES = \
	src/worker/acceptor.c src/worker/acceptor.h \
	src/worker/alarm.c src/worker/alarm.h \
	src/worker/attempt.c src/worker/attempt.h \
	src/worker/batch.c src/worker/batch.h \
	src/worker/conn.c src/worker/conn.h \
	src/worker/connlog.c src/worker/connlog.h \
	src/worker/deliver.c src/worker/deliver.h \
	src/worker/dial.c src/worker/dial.h \
	src/worker/drain.c src/worker/drain.h \
	src/worker/epoll.c src/worker/epoll.h \
	src/worker/hedge.c src/worker/hedge.h \
	src/worker/frontend.c src/worker/frontend.h \
	src/worker/loop.h \
	src/worker/maintain.c src/worker/maintain.h \
	src/worker/pipe.c src/worker/pipe.h \
	src/worker/redial.c src/worker/redial.h \
	src/worker/ring.c src/worker/ring.h \
	src/worker/relay.c src/worker/relay.h \
	src/worker/transfer.c src/worker/transfer.h \
	src/worker/worker.c
libworker_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src
