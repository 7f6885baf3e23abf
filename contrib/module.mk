# Service units and the scripts that build, try and check iaido.
EXTRA_DIST += contrib/lint contrib/cppcheck.suppress
