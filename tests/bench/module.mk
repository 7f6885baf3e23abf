# Programs that measure; built on request (`make bench`), never asserted on.
EXTRA_DIST += tests/bench/regions tests/bench/regions.awk

# The right region, always: iaido beside HAProxy and nginx on the WAN stage. Wants root.
bench-regions: all tests/support/wan/wan tests/support/wan/greet tests/support/wan/load
	SRCDIR='$(abs_top_srcdir)' BUILDDIR='$(abs_top_builddir)' '$(srcdir)/tests/bench/regions'

.PHONY: bench-regions

# Nanoseconds per pick, with 10 and with 10,000 backends.
EXTRA_PROGRAMS += tests/bench/pick
CLEANFILES += tests/bench/pick
tests_bench_pick_SOURCES = tests/bench/pick.c
tests_bench_pick_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support
tests_bench_pick_LDADD = $(ROUTE_LIBS)

bench: tests/bench/pick
	./tests/bench/pick

.PHONY: bench

# Instructions and system calls per request against the budgets: the same on any machine.
BENCH_TOOLS = contrib/bench/load contrib/bench/backend tests/support/noring/no_ring
EXTRA_DIST += tests/bench/check.py tests/bench/budgets

bench-check: iaido$(EXEEXT) $(BENCH_TOOLS)
	python3 -B '$(srcdir)/tests/bench/check.py' --iaido '$(abs_top_builddir)/iaido' \
		--tools '$(abs_top_builddir)/contrib/bench' --budgets '$(srcdir)/tests/bench/budgets' \
		--no-ring '$(abs_top_builddir)/tests/support/noring/no_ring'

.PHONY: bench-check
