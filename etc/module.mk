# The init script and its settings.
edited_files =
EXTRA_DIST += etc/init.d/iaido.in etc/default/iaido

if WITH_INITD
initscriptdir = $(initddir)
initscript_SCRIPTS = etc/init.d/iaido
edited_files += etc/default/iaido:default/iaido
endif
noinst_DATA += etc/init.d/iaido
CLEANFILES += etc/init.d/iaido

etc/init.d/iaido: etc/init.d/iaido.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc/init.d && $(substitute) $(srcdir)/etc/init.d/iaido.in >$@.tmp && \
		chmod +x $@.tmp && mv $@.tmp $@

# What people edit (source:place) is put where there is none yet, and removed only if unchanged.
edited_files += contrib/logrotate/iaido:logrotate.d/iaido
EXTRA_DIST += contrib/logrotate/iaido

install-data-hook:
	@for pair in $(edited_files); do \
		to='$(DESTDIR)$(sysconfdir)'/$${pair#*:}; \
		test ! -e "$$to" || continue; \
		$(MKDIR_P) "$${to%/*}" && echo " $(INSTALL_DATA) $$to" && \
			$(INSTALL_DATA) '$(srcdir)'/$${pair%:*} "$$to" || exit 1; \
	done

uninstall-hook:
	@for pair in $(edited_files); do \
		to='$(DESTDIR)$(sysconfdir)'/$${pair#*:}; \
		cmp -s '$(srcdir)'/$${pair%:*} "$$to" && rm -f "$$to"; \
	done; :

# The commented sample: beside the other documentation, never over somebody's own.
dist_doc_DATA += etc/iaido.yaml
