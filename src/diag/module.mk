noinst_LIBRARIES += libdiag.a

libdiag_a_SOURCES = \
	src/diag/ask.c src/diag/ask.h src/diag/client.c src/diag/client.h src/diag/diag_addr.c \
	src/diag/diag_addr.h src/diag/emit.c src/diag/emit.h src/diag/health.c src/diag/http.c \
	src/diag/listen.c src/diag/metrics.c src/diag/metrics_view.c src/diag/metrics_view.h \
	src/diag/page.h src/diag/render.h src/diag/status.c src/diag/status_client.c \
	src/diag/table.c src/diag/table.h
nodist_libdiag_a_SOURCES = src/diag/page_data.c

PAGE_FILES = src/diag/page/generate src/diag/page/page.html src/diag/page/page.css \
	src/diag/page/text.js src/diag/page/chart.js src/diag/page/picture.js \
	src/diag/page/page.js
EXTRA_DIST += $(PAGE_FILES)
CLEANFILES += src/diag/page_data.c

src/diag/page_data.c: $(PAGE_FILES)
	$(AM_V_GEN)$(MKDIR_P) src/diag && \
		sh '$(srcdir)/src/diag/page/generate' '$(srcdir)/src/diag/page' >$@.tmp && \
		mv $@.tmp $@
