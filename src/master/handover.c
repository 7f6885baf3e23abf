/* The new program's side of an upgrade, up to the moment it serves, and the way back. Until then it
 * reads nothing from old workers and hears no signal, so that the program before can take over again
 * from the same record. */
#include "config.h"

#include "handover.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "iaido/log.h"
#include "iaido/version.h"

#include "life.h"
#include "pool.h"
#include "prospect.h"
#include "record.h"
#include "state.h"
#include "supervisor.h"

#define ENVIRONMENT "IAIDO_STATE"

static const char *const mode_names[] = {
	[UPGRADE_REHEARSAL] = "rehearsal",
	[UPGRADE_TAKEOVER] = "takeover",
	[UPGRADE_RETURN] = "return",
};

static void
set_inheritable(int fd, bool inheritable)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC);
}

static int
run_program(struct master *m, enum upgrade_mode mode, int previous_fd)
{
	if (chdir(m->directory) < 0)
		return -errno;
	if (mode == UPGRADE_RETURN)
		fexecve(previous_fd, m->options->argv, environ);
	else
		execv(m->program, m->options->argv);
	return -errno;
}

int
handover_exec(struct master *m, enum upgrade_mode mode, int record_fd, int previous_fd)
{
	char text[64];
	int r;

	(void)snprintf(text, sizeof(text), "%s:%d:%d", mode_names[mode], record_fd, previous_fd);
	if (setenv(ENVIRONMENT, text, 1) < 0)
		return -errno;
	/* On the way back, what was inherited has never been anything else. */
	if (mode != UPGRADE_RETURN)
		record_set_inheritable(m, true);
	set_inheritable(record_fd, true);
	set_inheritable(previous_fd, true);
	r = run_program(m, mode, previous_fd);
	record_set_inheritable(m, false);
	set_inheritable(record_fd, false);
	set_inheritable(previous_fd, false);
	(void)unsetenv(ENVIRONMENT);
	if (m->daemon.detached && chdir("/") < 0)
		log_event(LOG_LEVEL_WARN, "upgrade.directory", "cannot go back to /");
	return r;
}

void
upgrade_recognise(struct master *m)
{
	const char *text = getenv(ENVIRONMENT);
	int mode, record_fd, previous_fd;
	char name[16];

	m->upgrade.record_fd = m->upgrade.previous_fd = -1;
	m->upgrade.diag_fd = m->upgrade.report_fd = -1;
	/* NOLINTNEXTLINE(cert-err34-c): written by ourselves; a wrong number is no descriptor */
	if (text && sscanf(text, "%15[a-z]:%d:%d", name, &record_fd, &previous_fd) == 3 &&
		fcntl(record_fd, F_GETFD) >= 0) {
		for (mode = UPGRADE_REHEARSAL; mode <= UPGRADE_RETURN; mode++)
			if (strcmp(name, mode_names[mode]) == 0)
				m->upgrade.mode = (enum upgrade_mode)mode;
		m->upgrade.record_fd = record_fd;
		m->upgrade.previous_fd = previous_fd;
	}
	(void)unsetenv(ENVIRONMENT);
	/* Executed by a descriptor, it would be called by that. */
	if (m->upgrade.mode == UPGRADE_RETURN)
		(void)prctl(PR_SET_NAME, basename(m->options->argv[0]));
	/* Whoever rehearses is no service. */
	if (m->upgrade.mode == UPGRADE_REHEARSAL)
		(void)unsetenv("NOTIFY_SOCKET");
}

static void
drop_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
upgrade_rehearsed(struct master *m)
{
	const struct prospect *p = m->reload.prospect;
	int r = pools_configure(m->pools, p->conf, p->frontend_of);

	m->exit_status = EXIT_SUCCESS;
	event_base_loopbreak(m->base);
	if (r == 0 && write(STDOUT_FILENO, HANDOVER_READY, strlen(HANDOVER_READY)) < 0)
		r = -errno;
	if (r < 0)
		upgrade_give_up(m, strerror(-r));
}

void
upgrade_settle(struct master *m)
{
	bool is_return = m->upgrade.mode == UPGRADE_RETURN;

	m->upgrade.mode = UPGRADE_NONE;
	m->exit_status = EXIT_SUCCESS;
	m->serving = true;
	record_set_inheritable(m, false);
	drop_fd(&m->upgrade.record_fd);
	drop_fd(&m->upgrade.previous_fd);
	drop_fd(&m->upgrade.diag_fd);
	if (supervisor_adopt(m) < 0 || master_hear_signals(m) < 0)
		log_event(LOG_LEVEL_ERROR, "upgrade.memory", "no memory to take all workers over");
	life_reap(m);
	if (is_return)
		log_event(LOG_LEVEL_ERROR, "upgrade.returned",
			"the new program had a fault, this one goes on",
			LOG_STR("version", version_string()));
	else
		log_event(LOG_LEVEL_INFO, "upgrade.done", "upgraded in place",
			LOG_STR("version", version_string()));
}

/* What this program has begun is undone; what it inherited is as it was. */
static void
go_back(struct master *m)
{
	int r;

	supervisor_kill_own(m);
	prospect_free(m->reload.prospect);
	m->reload.prospect = NULL;
	r = handover_exec(m, UPGRADE_RETURN, m->upgrade.record_fd, m->upgrade.previous_fd);
	log_event(LOG_LEVEL_ERROR, "upgrade.lost", "cannot go back to the program before: ending",
		LOG_ERR("error", r));
}

void
upgrade_give_up(struct master *m, const char *why)
{
	m->exit_status = EXIT_FAILURE;
	m->upgrade.gave_up = true;
	if (m->upgrade.mode == UPGRADE_REHEARSAL) {
		fprintf(stderr, "%s\n", why);
	} else {
		log_event(LOG_LEVEL_ERROR, "upgrade.failed",
			m->upgrade.mode == UPGRADE_TAKEOVER ? "upgrade failed, going back"
							    : "cannot go on after an upgrade",
			LOG_STR("error", why));
		if (m->upgrade.mode == UPGRADE_TAKEOVER && m->upgrade.previous_fd >= 0)
			go_back(m);
	}
	if (m->base)
		event_base_loopbreak(m->base);
}
