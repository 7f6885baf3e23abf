# The benchmark against peers: contrib/bench/run builds its own tools; `make bench-check` uses these.
EXTRA_PROGRAMS += contrib/bench/load contrib/bench/backend contrib/bench/floor
CLEANFILES += contrib/bench/load contrib/bench/backend contrib/bench/floor
contrib_bench_load_SOURCES = contrib/bench/load.c contrib/bench/bench.h
contrib_bench_backend_SOURCES = contrib/bench/backend.c contrib/bench/bench.h
contrib_bench_floor_SOURCES = contrib/bench/floor.c contrib/bench/bench.h

EXTRA_DIST += contrib/bench/run contrib/bench/bench.py contrib/bench/chart.py \
	contrib/bench/diagnostics.py \
	contrib/bench/figures.py contrib/bench/privatenet.py contrib/bench/proxies.py \
	contrib/bench/report.py contrib/bench/scale.py contrib/bench/workloads.py
EXTRA_DIST += doc/bench/README.md
