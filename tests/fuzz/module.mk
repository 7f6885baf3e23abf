# Fuzz targets, each with a driver that replays its kept corpus under `make check`.
# A target is a file with LLVMFuzzerTestOneInput(); tests/fuzz/replay.c drives it with the folder of
# tests/fuzz/corpus that FUZZ_CORPUS names. To fuzz in earnest: build with clang and
# -fsanitize=fuzzer,address,undefined and leave replay.c out.
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support
FUZZ_TESTS =

FUZZ_TESTS += tests/fuzz/fuzz_table
tests_fuzz_fuzz_table_SOURCES = tests/fuzz/fuzz_table.c tests/fuzz/replay.c
tests_fuzz_fuzz_table_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"table"'
tests_fuzz_fuzz_table_LDADD = $(ROUTE_LIBS)

FUZZ_TESTS += tests/fuzz/fuzz_msg
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz_msg.c tests/fuzz/replay.c
tests_fuzz_fuzz_msg_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"msg"'
tests_fuzz_fuzz_msg_LDADD = $(IPC_LIBS)

FUZZ_TESTS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c tests/fuzz/replay.c
tests_fuzz_fuzz_conf_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"conf"'
tests_fuzz_fuzz_conf_LDADD = $(CONF_LIBS)

check_PROGRAMS += $(FUZZ_TESTS)
TESTS += $(FUZZ_TESTS)
EXTRA_DIST += tests/fuzz/corpus
