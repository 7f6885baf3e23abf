/* The master: starts in the right order, answers signals, and ends. What it stands on is in the
 * other files of this folder. */
#include "config.h"

#include "iaido/master.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/diag.h"
#include "iaido/log.h"
#include "iaido/text.h"

#include "daemon.h"
#include "life.h"
#include "listener.h"
#include "notify.h"
#include "paths.h"
#include "pidfile.h"
#include "pool.h"
#include "privileges.h"
#include "prospect.h"
#include "state.h"
#include "supervisor.h"

static const int handled_signals[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2,
	SIGCHLD };

/* Of the start: nothing serves yet, so it goes where the starter looks. */
static int
refuse_start(int error, const struct text *why)
{
	fprintf(stderr, "iaido: %s\n", why->len > 0 ? why->data : strerror(-error));
	return error;
}

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
static int
open_signals(struct master *m)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(handled_signals); i++)
		sigaddset(&set, handled_signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		return -errno;
	m->signals = event_new(m->base, m->signal_fd, EV_READ | EV_PERSIST, on_signals, m);
	if (!m->signals || event_add(m->signals, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
log_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		log_event(LOG_LEVEL_INFO, "limit.descriptors", "descriptor limit of each process",
			LOG_INT("limit", limit.rlim_cur));
}

static void
on_pools_changed(void *arg)
{
	tables_want(arg);
}

static size_t
give_shares(void *arg, struct share **out, size_t max)
{
	return supervisor_shares(arg, out, max);
}

static uint64_t
give_applied(void *arg)
{
	return supervisor_applied(arg);
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
	if (m->supervisor.making != 0 && w->generation == m->supervisor.making) {
		reload_worker_ready(m);
		return;
	}
	tables_want(m);
	if (!m->serving && supervisor_all_ready(m))
		begin_serving(m);
}

/* Where it was started, and the configuration from there. */
static int
find_paths(struct master *m)
{
	char directory[PATH_MAX];

	if (!getcwd(directory, sizeof(directory)))
		return -errno;
	m->directory = strdup(directory);
	if (!m->directory)
		return -ENOMEM;
	m->config_path = path_of_file(m->directory, m->options->config_path);
	return m->config_path ? 0 : -ENOMEM;
}

static int
load_conf(struct master *m, struct conf **out)
{
	struct conf_report report = { 0 };
	size_t i;
	int r;

	file_look_take(m->config_path, &m->watch.seen);
	r = conf_load(m->options->config_path, out, &report);
	for (i = 0; i < report.error_count; i++)
		fprintf(stderr, "%s\n", report.errors[i]);
	if (r < 0 && report.error_count == 0)
		fprintf(stderr, "iaido: %s: %s\n", m->options->config_path, strerror(-r));
	for (i = 0; i < report.warning_count; i++)
		log_event(LOG_LEVEL_WARN, "config.warning", report.warnings[i]);
	conf_report_fini(&report);
	return r;
}

/* What is opened here, but the log, belongs to whom the program runs as from then on. */
static int
become_user(const struct prospect *p, struct text *why)
{
	struct identity id;
	int r = privileges_find(p->conf->user, p->conf->group, &id, why);

	if (r < 0)
		return r;
	if (id.wanted) {
		struct stat st;

		pidfile_give_to(&p->pidfile, id.uid, id.gid);
		if (p->log_fd >= 0 && fstat(p->log_fd, &st) == 0 && S_ISREG(st.st_mode) &&
			st.st_uid == 0 && fchown(p->log_fd, id.uid, id.gid) < 0)
			log_event(LOG_LEVEL_WARN, "log.owner", "cannot give the log to the user",
				LOG_ERR("error", errno));
	} else if (p->conf->user || p->conf->group) {
		log_event(LOG_LEVEL_WARN, "user.ignored",
			"not started as root: user and group are not changed");
	}
	r = privileges_become(&id);
	if (r < 0)
		text_addf(why, "cannot become user \"%s\": %s", p->conf->user ? p->conf->user : "",
			strerror(-r));
	return r;
}

static int
open_base(struct master *m)
{
	const struct pools_owner owner = { on_pools_changed, give_shares, give_applied, m };
	int r;

	m->base = event_base_new();
	if (!m->base)
		return -ENOMEM;
	r = open_signals(m);
	if (r == 0)
		r = scoreboard_create(&m->board);
	if (r == 0)
		r = tables_init(m);
	if (r == 0)
		r = supervisor_init(m);
	if (r == 0)
		r = pools_new(m->base, &m->board, &owner, &m->pools);
	if (r == 0)
		r = reload_init(m);
	return r;
}

static int
open_all(struct master *m, struct prospect *p, struct text *why)
{
	uint32_t workers = supervisor_worker_count(p->conf->workers);
	int r = prospect_open_files(m, p, why);

	if (r == 0)
		r = become_user(p, why);
	raise_descriptor_limit();
	if (r == 0)
		r = open_base(m);
	if (r == 0)
		r = prospect_open_sockets(m, p, workers, why);
	if (r == 0)
		r = prospect_commit(m, p);
	if (r < 0) {
		prospect_free(p);
		return r;
	}
	log_descriptor_limit();
	r = supervisor_start(m, workers, m->listeners);
	if (r < 0) {
		text_addf(why, "cannot start workers: %s", strerror(-r));
		return r;
	}
	supervisor_promote(m);
	return tables_push(m);
}

static int
start(struct master *m)
{
	struct prospect *p;
	struct conf *conf;
	struct text why;
	int r;

	text_init(&why);
	r = find_paths(m);
	if (r < 0)
		goto out;
	if (load_conf(m, &conf) < 0)
		return -EINVAL; /* told already */
	p = prospect_new(conf);
	if (!p)
		conf_free(conf);
	r = p ? 0 : -ENOMEM;
	if (r == 0 && m->options->daemon)
		r = daemon_detach(&m->daemon);
	if (r == 0)
		r = open_all(m, p, &why);
out:
	if (r < 0)
		refuse_start(r, &why);
	text_fini(&why);
	return r;
}

static void
finish(struct master *m)
{
	reload_fini(m);
	diag_free(m->diag);
	if (m->pools)
		pools_free(m->pools);
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
	pidfile_remove(&m->pidfile);
	frontend_ids_fini(&m->ids);
	conf_free(m->conf);
	free(m->diag_addr);
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
	int status = EXIT_FAILURE;

	TAILQ_INIT(&m.supervisor.workers);
	if (start(&m) == 0) {
		status = EXIT_SUCCESS;
		event_base_dispatch(m.base);
	}
	finish(&m);
	return status;
}
