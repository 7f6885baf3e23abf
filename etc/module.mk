# The init script and its settings.
EXTRA_DIST += etc/init.d/iaido.in etc/default/iaido

if WITH_INITD
initscriptdir = $(initddir)
initscript_SCRIPTS = etc/init.d/iaido
defaultsdir = $(sysconfdir)/default
dist_defaults_DATA = etc/default/iaido
endif
noinst_DATA += etc/init.d/iaido
CLEANFILES += etc/init.d/iaido

etc/init.d/iaido: etc/init.d/iaido.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/init.d && $(substitute) $(srcdir)/etc/init.d/iaido.in >$@.tmp && \
		chmod +x $@.tmp && mv $@.tmp $@

# The commented sample: beside the other documentation, never over somebody's own.
dist_doc_DATA += etc/iaido.yaml
