noinst_LIBRARIES += libdiag.a

libdiag_a_SOURCES = \
	src/diag/diag.c
