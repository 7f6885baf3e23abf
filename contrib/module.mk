# Service units, and the scripts that build, try and check iaido.
noinst_PROGRAMS += contrib/demo/demo-backend
contrib_demo_demo_backend_SOURCES = contrib/demo/demo-backend.c
contrib_demo_demo_backend_LDADD = $(EVENT_EXTRA_LIBS) $(EVENT_CORE_LIBS)

EXTRA_DIST += contrib/check contrib/quickstart contrib/demo/regions contrib/lint contrib/cppcheck.cfg contrib/cppcheck.suppress \
	contrib/lib/setup.sh

include contrib/bench/module.mk

EXTRA_DIST += contrib/systemd/iaido.service.in
if WITH_SYSTEMD
unitdir = $(systemdsystemunitdir)
unit_DATA = contrib/systemd/iaido.service
endif
noinst_DATA += contrib/systemd/iaido.service
CLEANFILES += contrib/systemd/iaido.service

contrib/systemd/iaido.service: contrib/systemd/iaido.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
		$(substitute) $(srcdir)/contrib/systemd/iaido.service.in >$@.tmp && mv $@.tmp $@

# Completion where both shells look for it.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = contrib/completion/_iaido
EXTRA_DIST += contrib/completion/iaido.bash

# bash-completion wants the command's own name.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(bashcompletiondir)'
	$(INSTALL_DATA) '$(srcdir)/contrib/completion/iaido.bash' \
		'$(DESTDIR)$(bashcompletiondir)/iaido'

uninstall-local:
	rm -f '$(DESTDIR)$(bashcompletiondir)/iaido'

EXTRA_DIST += contrib/grafana/iaido.json contrib/prometheus/alerts.yml \
	contrib/prometheus/alerts_test.yml doc/page-desktop.png doc/page-phone.png
