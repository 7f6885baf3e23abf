noinst_LIBRARIES += libdiag.a

libdiag_a_SOURCES = \
	src/diag/client.c src/diag/client.h src/diag/emit.c src/diag/emit.h src/diag/health.c \
	src/diag/http.c src/diag/listen.c src/diag/render.h src/diag/snapshot.c src/diag/status.c
