/* From a loaded configuration to one in force: opens the log, the pid file, the listening sockets
 * and diagnostics beside those in use, and exchanges all of them at once. */
#include "config.h"

#include "prospect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/conf.h"
#include "iaido/diag.h"
#include "iaido/log.h"
#include "iaido/text.h"

#include "listener.h"
#include "paths.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"

struct prospect *
prospect_new(struct conf *conf)
{
	struct prospect *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = conf;
	p->log_fd = p->diag_fd = p->pidfile.fd = -1;
	return p;
}

void
prospect_free(struct prospect *p)
{
	if (!p)
		return;
	listeners_discard(p->listeners);
	if (p->log_fd > STDERR_FILENO)
		close(p->log_fd);
	if (p->diag_fd >= 0) {
		close(p->diag_fd);
		if (p->diag_is_new)
			diag_unlisten(p->diag_addr);
	}
	pidfile_remove(&p->pidfile);
	free(p->log_target);
	free(p->diag_addr);
	free(p->frontend_of);
	conf_free(p->conf);
	free(p);
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
is_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
		one.st_ino == other.st_ino;
}

static int
open_log(struct master *m, struct prospect *p, struct text *error)
{
	char *target;

	if (is_same_text(m->log_target, p->conf->log.target))
		return 0;
	target = path_of_log(m->directory, p->conf->log.target);
	p->log_target = strdup(p->conf->log.target);
	p->log_fd = target && p->log_target ? log_open_target(target, &p->log_is_syslog) : -ENOMEM;
	free(target);
	if (p->log_fd < 0) {
		text_addf(error, "log.target: cannot open \"%s\": %s", p->conf->log.target,
			strerror(-p->log_fd));
		return p->log_fd;
	}
	p->has_log = true;
	return 0;
}

static int
open_pidfile(struct master *m, struct prospect *p, struct text *error)
{
	const char *name = m->options->pid_file ? m->options->pid_file : p->conf->pid_file;
	char *path = name ? path_of_file(m->directory, name) : NULL;
	int r = name && !path ? -ENOMEM : 0;

	/* A process number would take the place of what it holds. */
	if (path && is_same_file(path, m->config_path)) {
		text_addf(error, "pidFile: \"%s\" is the configuration file", name);
		free(path);
		return -EINVAL;
	}
	if (r == 0 && !is_same_text(path, m->pidfile.path)) {
		p->has_pidfile = true;
		if (path)
			r = pidfile_lock(&p->pidfile, path);
	}
	if (r == -EBUSY)
		text_addf(error, "pidFile: \"%s\" is locked: another instance is running", name);
	else if (r < 0)
		text_addf(error, "pidFile: cannot open \"%s\": %s", name, strerror(-r));
	free(path);
	return r;
}

int
prospect_open_files(struct master *m, struct prospect *p, struct text *error)
{
	int r = open_log(m, p, error);

	return r < 0 ? r : open_pidfile(m, p, error);
}

/* Ids that must not change hands: those in use, and those whose connections still end. */
static uint32_t *
find_busy_ids(const struct master *m, size_t *count)
{
	size_t used = m->listeners ? m->listeners->count : 0, i;
	uint32_t *ids = calloc(used + SCOREBOARD_FRONTENDS, sizeof(*ids));

	if (!ids)
		return NULL;
	for (i = 0; i < used; i++)
		ids[i] = m->listeners->items[i].id;
	*count = used + pools_removed(m->pools, ids + used, SCOREBOARD_FRONTENDS);
	return ids;
}

static int
open_listeners(struct master *m, struct prospect *p, uint32_t workers, struct text *error)
{
	const struct conf *c = p->conf;
	size_t busy_count = 0, failed = 0, i;
	uint32_t *busy = find_busy_ids(m, &busy_count);
	int r = busy ? 0 : -ENOMEM;

	if (r == 0)
		r = listeners_open(m->listeners, c, workers, &m->ids, busy, busy_count,
			&p->listeners, &failed);
	free(busy);
	if (r < 0 && failed < c->frontend_count) {
		const struct frontend_conf *fc = &c->frontends[failed];

		text_addf(error, "%s:%u:%u: frontends[%zu].bindAddress: cannot listen on %s: %s",
			m->config_path, fc->mark.line, fc->mark.column, failed, fc->bind_address,
			r == -ENOENT ? "the name cannot be resolved" : strerror(-r));
	}
	if (r < 0)
		return r;
	p->frontend_of = calloc(p->listeners->count + 1, sizeof(*p->frontend_of));
	if (!p->frontend_of)
		return -ENOMEM;
	for (i = 0; i < p->listeners->count; i++)
		p->frontend_of[i] = p->listeners->items[i].id;
	return 0;
}

static int
open_diag(struct master *m, struct prospect *p, struct text *error)
{
	char *addr;
	bool is_same = is_same_text(m->diag_addr, p->conf->diag_addr);

	if (is_same && (m->diag || !m->diag_addr))
		return 0;
	p->has_diag = true;
	if (!p->conf->diag_addr)
		return 0;
	p->diag_addr = strdup(p->conf->diag_addr);
	addr = path_of_unix(m->directory, p->conf->diag_addr);
	if (!addr || !p->diag_addr)
		p->diag_fd = -ENOMEM;
	else if (is_same)
		/* A copy of what an earlier program had, which may need it again. */
		p->diag_fd = fcntl(m->upgrade.diag_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		p->diag_fd = diag_listen(addr);
	p->diag_is_new = p->diag_fd >= 0 && !is_same;
	free(addr);
	if (p->diag_fd < 0)
		text_addf(error, "diagAddr: cannot listen on %s: %s", p->conf->diag_addr,
			strerror(-p->diag_fd));
	return p->diag_fd < 0 ? p->diag_fd : 0;
}

int
prospect_open_sockets(struct master *m, struct prospect *p, uint32_t workers, struct text *error)
{
	int r = open_listeners(m, p, workers, error);

	return r < 0 ? r : open_diag(m, p, error);
}

static const struct conf *
current_conf(void *arg)
{
	return ((struct master *)arg)->conf;
}

int
prospect_serve_diag(struct master *m, int fd, struct diag **out)
{
	const struct diag_source source = { snapshot_take, current_conf, m };

	return diag_new(m->base, fd, &source, out);
}

static int
commit_diag(struct master *m, struct prospect *p)
{
	struct diag *next = NULL;

	if (!p->has_diag)
		return 0;
	if (p->diag_fd >= 0) {
		int r = prospect_serve_diag(m, p->diag_fd, &next);

		if (r < 0)
			return r;
		p->diag_fd = -1;
	}
	if (m->diag && m->diag_addr && (!p->diag_addr || strcmp(m->diag_addr, p->diag_addr) != 0))
		diag_unlisten(m->diag_addr);
	diag_free(m->diag);
	m->diag = next;
	free(m->diag_addr);
	m->diag_addr = p->diag_addr;
	p->diag_addr = NULL;
	return 0;
}

static void
commit_log(struct master *m, struct prospect *p)
{
	const struct log_conf *log = &p->conf->log;

	if (p->has_log) {
		log_take_descriptor(p->log_fd, p->log_is_syslog);
		p->log_fd = -1;
		free(m->log_target);
		m->log_target = p->log_target;
		p->log_target = NULL;
	}
	log_set_level(log->level);
	log_set_format(log->format);
	supervisor_send_log(m);
}

static void
commit_pidfile(struct master *m, struct prospect *p)
{
	int r;

	if (!p->has_pidfile)
		return;
	pidfile_remove(&m->pidfile);
	m->pidfile = p->pidfile;
	p->pidfile = (struct pidfile){ .fd = -1 };
	if (!m->serving)
		return;
	r = pidfile_write(&m->pidfile, getpid());
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "pidfile.failed", "cannot write the pid file",
			LOG_STR("path", m->pidfile.path), LOG_ERR("error", r));
}

static void
log_listening(const struct listeners *l)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		char line[256];

		if (l->items[i].kept_count > 0)
			continue;
		(void)snprintf(line, sizeof(line), "listening on %s", l->items[i].name);
		log_event(LOG_LEVEL_INFO, "frontend.listening", line);
	}
}

int
prospect_commit(struct master *m, struct prospect *p)
{
	int r = pools_configure(m->pools, p->conf, p->frontend_of);

	if (r < 0)
		return r;
	commit_log(m, p);
	r = commit_diag(m, p);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "diag.failed", "cannot serve diagnostics",
			LOG_ERR("error", r));
	commit_pidfile(m, p);
	log_listening(p->listeners);
	listeners_commit(m->listeners, p->listeners, p->conf);
	m->listeners = p->listeners;
	p->listeners = NULL;
	free(m->frontend_of);
	m->frontend_of = p->frontend_of;
	p->frontend_of = NULL;
	conf_free(m->conf);
	m->conf = p->conf;
	p->conf = NULL;
	prospect_free(p);
	return 0;
}
