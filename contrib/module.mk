# Service units, and the scripts that build, try and check iaido.
noinst_PROGRAMS += contrib/demo/demo-backend
contrib_demo_demo_backend_SOURCES = contrib/demo/demo-backend.c
contrib_demo_demo_backend_LDADD = $(EVENT_EXTRA_LIBS) $(EVENT_CORE_LIBS)

EXTRA_DIST += contrib/check contrib/quickstart contrib/lint contrib/cppcheck.suppress \
	contrib/lib/setup.sh

include contrib/bench/module.mk
