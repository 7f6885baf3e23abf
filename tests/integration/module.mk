# An integration test is one line: a script, which finds the program in $IAIDO, the source tree in
# $SRCDIR and the build tree in $BUILDDIR. It exits 0 (holds), 77 (skipped) or anything else.
INTEGRATION_TESTS =
INTEGRATION_TESTS += tests/integration/test_version.sh
INTEGRATION_TESTS += tests/integration/wan_stage.sh

dist_check_SCRIPTS += $(INTEGRATION_TESTS)
TESTS += $(INTEGRATION_TESTS)
