noinst_LIBRARIES += libipc.a

libipc_a_SOURCES = \
	src/ipc/ipc.c
