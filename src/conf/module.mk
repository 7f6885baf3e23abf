noinst_LIBRARIES += libconf.a

libconf_a_SOURCES = \
	src/conf/bootstrap.c src/conf/bytes.c src/conf/bytes.h \
	src/conf/check.c src/conf/check.h \
	src/conf/conf.c src/conf/emit.c \
	src/conf/hostport.c src/conf/hostport.h \
	src/conf/load.c src/conf/load.h \
	src/conf/report.c src/conf/report.h \
	src/conf/schema.c src/conf/schema.h \
	src/conf/tree.c src/conf/tree.h \
	src/conf/value.c src/conf/value.h src/conf/value_list.c
