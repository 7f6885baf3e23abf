# Programs that measure; built on request (`make bench`), never asserted on.
EXTRA_DIST += tests/bench/regions tests/bench/regions.awk

# The right region, always: iaido beside HAProxy and nginx on the WAN stage. Wants root.
bench-regions: all tests/support/wan/wan tests/support/wan/greet tests/support/wan/load
	SRCDIR='$(abs_top_srcdir)' BUILDDIR='$(abs_top_builddir)' '$(srcdir)/tests/bench/regions'

.PHONY: bench-regions
