noinst_LIBRARIES += libipc.a

libipc_a_SOURCES = \
	src/ipc/chan.c src/ipc/msg.c
