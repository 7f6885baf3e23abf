noinst_LIBRARIES += libroute.a

libroute_a_SOURCES = \
	src/route/route.c
