noinst_LIBRARIES += libdiag.a

libdiag_a_SOURCES = \
	src/diag/ask.c src/diag/ask.h src/diag/client.c src/diag/client.h src/diag/diag_addr.c \
	src/diag/diag_addr.h src/diag/emit.c src/diag/emit.h src/diag/health.c src/diag/http.c \
	src/diag/listen.c src/diag/metrics.c src/diag/metrics_view.c src/diag/metrics_view.h \
	src/diag/render.h src/diag/status.c src/diag/status_client.c src/diag/table.c \
	src/diag/table.h
