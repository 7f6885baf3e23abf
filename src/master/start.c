/* The start: of a program that begins anew, in the order that privileges and failures want; and of
 * one that another has handed its state to. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/conf.h"
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
#include "record.h"
#include "state.h"
#include "supervisor.h"
#include "upgrade.h"

#define DAEMON_READY_SECONDS 15

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

static const char *
give_name(void *arg, uint32_t id)
{
	const struct master *m = arg;

	return frontend_ids_name(&m->ids, id);
}

/* Everything that needs no configuration, but for what was inherited. */
static int
open_base(struct master *m)
{
	const struct pools_owner owner = {
		.changed = on_pools_changed,
		.shares = give_shares,
		.applied = give_applied,
		.name = give_name,
		.arg = m,
	};
	int r;

	m->base = event_base_new();
	if (!m->base)
		return -ENOMEM;
	r = master_open_signals(m);
	if (r == 0 && !m->board.map)
		r = scoreboard_create(&m->board);
	if (r == 0)
		r = tables_init(m);
	if (r == 0)
		r = supervisor_init(m);
	if (r == 0)
		r = pools_new(m->base, &m->board, &owner, &m->pools);
	if (r == 0)
		r = reload_init(m);
	if (r == 0)
		r = upgrade_init(m);
	return r;
}

/* ---- anew ---- */

/* Where it was started, and the names from there. */
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
	m->program = upgrade_find_program(m->options->argv[0], m->directory);
	return m->config_path && m->program ? 0 : -ENOMEM;
}

/* Its faults go where the starter looks. */
static struct conf *
load_conf(struct master *m)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;
	size_t i;
	int r;

	file_look_take(m->config_path, &m->watch.seen);
	r = conf_load(m->options->config_path, &conf, &report);
	for (i = 0; i < report.error_count; i++)
		fprintf(stderr, "%s\n", report.errors[i]);
	if (r < 0 && report.error_count == 0)
		fprintf(stderr, "iaido: %s: %s\n", m->options->config_path, strerror(-r));
	for (i = 0; i < report.warning_count; i++)
		log_event(LOG_LEVEL_WARN, "config.warning", report.warnings[i]);
	conf_report_fini(&report);
	return r < 0 ? NULL : conf;
}

/* A log that root has made is the user's to reopen. */
static void
give_log_to(int fd, const struct identity *id)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0)
		return;
	if (fchown(fd, id->uid, id->gid) < 0)
		log_event(LOG_LEVEL_WARN, "log.owner", "cannot give the log to the user",
			LOG_ERR("error", errno));
}

/* From here on everything belongs to whom the program runs as. */
static int
become_user(const struct prospect *p, struct text *why)
{
	const char *user = p->conf->user, *group = p->conf->group;
	struct identity id;
	int r = privileges_find(user, group, &id, why);

	if (r < 0)
		return r;
	if (id.wanted) {
		pidfile_give_to(&p->pidfile, id.uid, id.gid);
		if (p->has_log)
			give_log_to(p->log_fd, &id);
	} else if (user || group) {
		log_event(LOG_LEVEL_WARN, "user.ignored",
			"not started as root: user and group are not changed");
	}
	r = privileges_become(&id);
	if (r < 0)
		text_addf(why, "cannot become user \"%s\", group \"%s\": %s", user ? user : "",
			group ? group : "", strerror(-r));
	return r;
}

/* Whoever started a daemon waits for its workers, but not for ever. */
static void
on_late(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	if (m->serving || m->shutdown.under_way)
		return;
	fprintf(stderr, "iaido: the workers were not ready within %d s\n", DAEMON_READY_SECONDS);
	m->exit_status = EXIT_FAILURE;
	shutdown_now(m);
}

static int
limit_wait(struct master *m)
{
	const struct timeval tv = { DAEMON_READY_SECONDS, 0 };

	if (!m->daemon.detached)
		return 0;
	return event_base_once(m->base, -1, EV_TIMEOUT, on_late, m, &tv) < 0 ? -ENOMEM : 0;
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
	r = tables_push(m);
	if (r == 0)
		r = master_hear_signals(m);
	return r == 0 ? limit_wait(m) : r;
}

static int
start_anew(struct master *m, struct text *why)
{
	struct prospect *p;
	struct conf *conf;
	int r = find_paths(m);

	if (r < 0)
		return r;
	conf = load_conf(m);
	if (!conf) {
		m->told = true;
		return -EINVAL;
	}
	p = prospect_new(conf);
	if (!p) {
		conf_free(conf);
		return -ENOMEM;
	}
	r = m->options->daemon ? daemon_detach(&m->daemon) : 0;
	if (r < 0) {
		prospect_free(p);
		return r;
	}
	return open_all(m, p, why);
}

/* ---- handed over ---- */

static int
load_again(struct master *m, struct conf **out, struct text *why)
{
	struct conf_report report = { 0 };
	size_t i;
	int r;

	file_look_take(m->config_path, &m->watch.seen);
	r = conf_load(m->config_path, out, &report);
	for (i = 0; i < report.error_count; i++)
		text_addf(why, "%s%s", i > 0 ? "; " : "", report.errors[i]);
	if (r < 0 && report.error_count == 0)
		text_addf(why, "%s: %s", m->config_path, strerror(-r));
	conf_report_fini(&report);
	return r;
}

/* In a rehearsal nothing of the running program's is used but its sockets. */
static int
inherit(struct master *m, struct record *rec, struct text *why)
{
	bool rehearsal = m->upgrade.mode == UPGRADE_REHEARSAL;
	int r = record_read(m, m->upgrade.record_fd, !rehearsal, rec, why);

	if (r < 0)
		return r;
	if (rehearsal) {
		log_set_level(LOG_LEVEL_ERROR);
		scoreboard_close(&m->board);
	} else {
		log_take_descriptor(rec->log_fd, rec->log_is_syslog);
		log_set_level((enum log_level)rec->log_level);
		log_set_format((enum log_format)rec->log_format);
	}
	if (m->daemon.detached && chdir("/") < 0)
		return -errno;
	raise_descriptor_limit();
	r = open_base(m);
	if (r == 0)
		r = pools_load(m->pools, &rec->pools);
	return r;
}

/* The program before, once more: what was in force stays, and so do the workers. */
static int
resume(struct master *m, const struct record *rec, struct text *why)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;
	struct prospect *p;
	int r = conf_parse(m->config_path, rec->conf_yaml, strlen(rec->conf_yaml), &conf, &report);

	conf_report_fini(&report);
	if (r < 0)
		return r;
	p = prospect_new(conf);
	if (!p) {
		conf_free(conf);
		return -ENOMEM;
	}
	r = prospect_open_files(m, p, why);
	if (r == 0)
		r = prospect_open_sockets(m, p, m->supervisor.seat_count, why);
	if (r == 0)
		r = prospect_commit(m, p);
	if (r < 0) {
		prospect_free(p);
		return r;
	}
	upgrade_settle(m);
	life_fill_empty_seats(m);
	notify_ready();
	return tables_push(m);
}

/* The next program: as in a reload, a new generation takes over from the one that serves. */
static int
proceed(struct master *m, struct text *why)
{
	struct conf *conf;
	int r = load_again(m, &conf, why);

	if (r < 0)
		return r;
	reload_start(m, conf);
	return 0;
}

static int
start_handed_over(struct master *m)
{
	struct record rec;
	struct text why;
	int r;

	text_init(&why);
	r = inherit(m, &rec, &why);
	if (r == 0)
		r = m->upgrade.mode == UPGRADE_RETURN ? resume(m, &rec, &why) : proceed(m, &why);
	record_fini(&rec);
	if (r < 0)
		upgrade_give_up(m, why.len > 0 ? why.data : strerror(-r));
	text_fini(&why);
	return m->upgrade.gave_up ? -ECANCELED : 0;
}

int
start_program(struct master *m)
{
	struct text why;
	int r;

	if (m->upgrade.mode != UPGRADE_NONE)
		return start_handed_over(m);
	text_init(&why);
	r = start_anew(m, &why);
	if (r < 0 && !m->told)
		fprintf(stderr, "iaido: %s\n", why.len > 0 ? why.data : strerror(-r));
	text_fini(&why);
	return r;
}
