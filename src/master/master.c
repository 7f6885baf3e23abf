/* The master: starts in the right order, answers signals, and ends. What it stands on is in the
 * other files of this folder. */
#include "config.h"

#include "iaido/master.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/diag.h"
#include "iaido/log.h"

#include "daemon.h"
#include "libevent.h"
#include "life.h"
#include "listener.h"
#include "notify.h"
#include "paths.h"
#include "pidfile.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"
#include "upgrade.h"

static const int handled_signals[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2,
	SIGCHLD };

static void
reopen_log(struct master *m)
{
	bool is_syslog;
	char *target = path_of_log(m->directory, m->conf->log.target);
	int fd = target ? log_open_target(target, &is_syslog) : -ENOMEM;

	free(target);
	if (fd < 0) {
		log_event(LOG_LEVEL_ERROR, "log.reopen", "cannot reopen the log; going on with it",
			LOG_STR("target", m->conf->log.target), LOG_ERR("error", fd));
		return;
	}
	log_take_descriptor(fd, is_syslog);
	supervisor_send_log(m);
	log_event(LOG_LEVEL_INFO, "log.reopened", "log reopened");
}

static void
handle_signal(struct master *m, int signum)
{
	switch (signum) {
	case SIGCHLD:
		life_reap(m);
		break;
	case SIGHUP:
		reload_want(m, true);
		break;
	case SIGTERM:
	case SIGINT:
		shutdown_begin(m);
		break;
	case SIGQUIT:
		shutdown_now(m);
		break;
	case SIGUSR1:
		reopen_log(m);
		break;
	case SIGUSR2:
		upgrade_want(m);
		break;
	default:
		break;
	}
}

static void
on_signals(evutil_socket_t fd, short what, void *arg)
{
	struct signalfd_siginfo info;

	(void)what;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		handle_signal(arg, (int)info.ssi_signo);
}

/* Blocked and read from a descriptor: none is lost between two programs, or as PID 1. */
int
master_open_signals(struct master *m)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(handled_signals); i++)
		sigaddset(&set, handled_signals[i]);
	/* A log that may not grow any further is an error of the write, and no end. Where the
	 * starter ignored SIGCHLD, no death would be told. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
		signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return -errno;
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		return -errno;
	m->signals = event_new(m->base, m->signal_fd, EV_READ | EV_PERSIST, on_signals, m);
	return m->signals ? 0 : -ENOMEM;
}

int
master_hear_signals(struct master *m)
{
	return event_add(m->signals, NULL) < 0 ? -ENOMEM : 0;
}

/* The outside is told: service manager, pid file, whoever started the daemon. */
static void
begin_serving(struct master *m)
{
	bool log_is_stderr = strcmp(m->conf->log.target, "stderr") == 0;
	struct stat st;
	int r = pidfile_write(&m->pidfile, getpid());

	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "pidfile.failed", "cannot write the pid file",
			LOG_STR("path", m->pidfile.path), LOG_ERR("error", r));
	m->serving = true;
	log_event(LOG_LEVEL_INFO, "master.ready", "ready",
		LOG_INT("workers", m->supervisor.seat_count));
	if (m->daemon.detached && log_is_stderr && fstat(STDERR_FILENO, &st) == 0 &&
		!S_ISREG(st.st_mode))
		log_event(LOG_LEVEL_WARN, "log.detached",
			"a daemon has no stderr: name a log.target to see what it logs");
	daemon_ready(&m->daemon, log_is_stderr);
	if (m->daemon.detached && log_is_stderr)
		reopen_log(m);
	notify_ready();
}

void
master_worker_ready(struct master *m, const struct worker *w)
{
	if (m->supervisor.making != 0 && w->generation == m->supervisor.making)
		reload_worker_ready(m);
	else
		tables_want(m);
	/* Also where a reload has overtaken the first generation. */
	if (!m->serving && m->upgrade.mode == UPGRADE_NONE && supervisor_all_ready(m))
		begin_serving(m);
}

static void
finish(struct master *m)
{
	if (m->upgrade.mode == UPGRADE_REHEARSAL)
		supervisor_kill_own(m);
	diag_free(m->diag);
	/* They look into the configuration, which may still be a reload's. */
	if (m->pools)
		pools_free(m->pools);
	reload_fini(m);
	upgrade_fini(m);
	supervisor_fini(m);
	tables_fini(m);
	listeners_free(m->listeners);
	if (m->board.map)
		scoreboard_close(&m->board);
	if (m->signals)
		event_free(m->signals);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->base)
		event_base_free(m->base);
	if (m->upgrade.mode == UPGRADE_REHEARSAL) {
		pidfile_forget(&m->pidfile);
	} else {
		pidfile_remove(&m->pidfile);
		if (m->diag_addr)
			diag_unlisten(m->diag_addr);
	}
	frontend_ids_fini(&m->ids);
	conf_free(m->conf);
	free(m->diag_addr);
	free(m->log_target);
	free(m->program);
	free(m->frontend_of);
	free(m->config_path);
	free(m->directory);
}

int
master_run(const struct master_options *options)
{
	struct master m = {
		.options = options,
		.started_ns = clock_now_ns(),
		.started_wall_ns = clock_wall_ns(),
		.signal_fd = -1,
		.tables.fd = -1,
		.board.fd = -1,
		.pidfile.fd = -1,
		.daemon.status_fd = -1,
	};

	libevent_prepare();
	TAILQ_INIT(&m.supervisor.workers);
	upgrade_recognise(&m);
	if (start_program(&m) < 0)
		m.exit_status = EXIT_FAILURE;
	else
		event_base_dispatch(m.base);
	finish(&m);
	return m.exit_status;
}
