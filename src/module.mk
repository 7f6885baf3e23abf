bin_PROGRAMS += iaido

iaido_SOURCES = src/main.c src/options.c src/options.h
iaido_LDADD = libmaster.a libdiag.a libworker.a libipc.a libroute.a libconf.a libbase.a \
	$(YAML_LIBS) $(CARES_LIBS) $(EVENT_EXTRA_LIBS) $(EVENT_CORE_LIBS)
