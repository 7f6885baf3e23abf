/* The old program's side of an upgrade: state record, rehearsal by a child, exec. Descriptors keep
 * their numbers over exec; how the next program is to begin stands in its environment. */
#include "config.h"

#include "upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iaido/log.h"

#include "handover.h"
#include "notify.h"
#include "paths.h"
#include "record.h"
#include "state.h"

#define REHEARSAL_SECONDS 10

/* ---- where the program is ---- */

static bool
is_running_program(const char *path)
{
	struct stat a, b;

	/* Without /proc nothing speaks against it. */
	return stat(path, &a) == 0 && S_ISREG(a.st_mode) &&
		(stat("/proc/self/exe", &b) < 0 || (a.st_dev == b.st_dev && a.st_ino == b.st_ino));
}

static char *
search_path(const char *name, const char *directory)
{
	const char *at = getenv("PATH");

	while (at && *at) {
		size_t len = strcspn(at, ":");
		char *dir = strndup(at, len), *path = NULL, *full = NULL;

		if (dir && asprintf(&path, "%s/%s", len ? dir : ".", name) < 0)
			path = NULL;
		if (path)
			full = path_of_file(directory, path);
		free(dir);
		free(path);
		if (full && is_running_program(full))
			return full;
		free(full);
		at += len + (at[len] == ':');
	}
	return NULL;
}

char *
upgrade_find_program(const char *argv0, const char *directory)
{
	char path[PATH_MAX], *found;
	ssize_t n;

	found = strchr(argv0, '/') ? path_of_file(directory, argv0) : search_path(argv0, directory);
	if (found && is_running_program(found))
		return found;
	free(found);
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n < 0)
		return path_of_file(directory, argv0);
	path[n] = '\0';
	return strdup(path);
}

/* ---- rehearsal ---- */

static void
end_rehearsal(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (u->report)
		event_free(u->report);
	u->report = NULL;
	if (u->report_fd >= 0)
		close(u->report_fd);
	u->report_fd = -1;
	if (u->record_fd >= 0)
		close(u->record_fd);
	u->record_fd = -1;
	event_del(u->timer);
	u->child = 0;
}

static void
fail(struct master *m, const char *why)
{
	end_rehearsal(m);
	log_event(LOG_LEVEL_ERROR, "upgrade.failed", "upgrade refused, the running program goes on",
		LOG_STR("error", why));
	reload_resume(m);
}

/* What the child has said so far; of a long story the end. */
static void
listen_to_child(struct upgrade *u)
{
	const size_t max = sizeof(u->said) - 1;
	ssize_t n;

	for (;;) {
		if (u->said_len == max) {
			u->said_len = max / 2;
			memmove(u->said, u->said + max - u->said_len, u->said_len);
		}
		n = read(u->report_fd, u->said + u->said_len, max - u->said_len);
		if (n <= 0)
			return;
		u->said_len += (size_t)n;
	}
}

static bool
has_reported_ready(const struct upgrade *u)
{
	return memmem(u->said, u->said_len, HANDOVER_READY, strlen(HANDOVER_READY)) != NULL;
}

static void
on_report(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	listen_to_child(&m->upgrade);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	m->upgrade.timed_out = true;
	kill(m->upgrade.child, SIGKILL);
}

static void rehearse_in_child(struct master *m, int report_fd) NORETURN;

static void
rehearse_in_child(struct master *m, int report_fd)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(report_fd, STDOUT_FILENO) < 0 || dup2(report_fd, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	dprintf(STDERR_FILENO, "%s: %s\n", m->program,
		strerror(-handover_exec(m, UPGRADE_REHEARSAL, m->upgrade.record_fd, -1)));
	_exit(EXIT_FAILURE);
}

static int
start_child(struct master *m)
{
	struct upgrade *u = &m->upgrade;
	sigset_t all, before;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	u->child = fork();
	if (u->child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		rehearse_in_child(m, fds[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fds[1]);
	u->report_fd = fds[0];
	if (u->child < 0) {
		u->child = 0;
		return -EAGAIN;
	}
	(void)fcntl(u->report_fd, F_SETFL, O_NONBLOCK);
	u->report = event_new(m->base, u->report_fd, EV_READ | EV_PERSIST, on_report, m);
	if (u->report)
		event_add(u->report, NULL);
	return 0;
}

static void
rehearse(struct master *m)
{
	const struct timeval limit = { REHEARSAL_SECONDS, 0 };
	struct upgrade *u = &m->upgrade;
	int r;

	u->wanted = u->timed_out = false;
	u->said_len = 0;
	u->record_fd = record_write(m);
	r = u->record_fd < 0 ? u->record_fd : start_child(m);
	if (r < 0) {
		fail(m, strerror(-r));
		return;
	}
	event_add(u->timer, &limit);
	log_event(LOG_LEVEL_INFO, "upgrade.rehearsal", "rehearsing an upgrade",
		LOG_STR("program", m->program));
}

void
upgrade_advance(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (!u->wanted || u->child != 0 || reload_is_busy(m) || m->shutdown.under_way)
		return;
	rehearse(m);
}

void
upgrade_want(struct master *m)
{
	if (!m->serving) {
		log_event(LOG_LEVEL_WARN, "upgrade.early", "no upgrade before workers are ready");
		return;
	}
	m->upgrade.wanted = true;
	upgrade_advance(m);
}

bool
upgrade_is_busy(const struct master *m)
{
	return m->upgrade.child != 0;
}

void
upgrade_cancel(struct master *m)
{
	m->upgrade.wanted = false;
	if (m->upgrade.child != 0)
		kill(m->upgrade.child, SIGKILL);
}

/* ---- and the real thing ---- */

static void
become_next(struct master *m)
{
	struct upgrade *u = &m->upgrade;
	int r, own_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	end_rehearsal(m);
	u->record_fd = own_fd < 0 ? -errno : record_write(m);
	r = u->record_fd;
	if (r >= 0) {
		log_event(LOG_LEVEL_INFO, "upgrade.exec", "becoming the new program",
			LOG_STR("program", m->program));
		notify_reloading();
		r = handover_exec(m, UPGRADE_TAKEOVER, u->record_fd, own_fd);
		notify_ready();
	}
	if (own_fd >= 0)
		close(own_fd);
	fail(m, strerror(-r));
}

/* Its last words as one line. */
static const char *
tell(struct upgrade *u, int status, char *text, size_t size)
{
	size_t i;

	if (u->timed_out) {
		(void)snprintf(
			text, size, "the new program was not ready within %d s", REHEARSAL_SECONDS);
		return text;
	}
	while (u->said_len > 0 && u->said[u->said_len - 1] == '\n')
		u->said_len--;
	u->said[u->said_len] = '\0';
	for (i = 0; i < u->said_len; i++)
		if (u->said[i] == '\n')
			u->said[i] = ';';
	if (status == 0) {
		(void)snprintf(text, size, "the new program ended without being ready");
		return text;
	}
	if (u->said_len > 0)
		return u->said;
	(void)snprintf(text, size, "the new program ended with %s %d",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return text;
}

void
upgrade_child_ended(struct master *m, pid_t pid, int status)
{
	struct upgrade *u = &m->upgrade;
	char text[96];

	if (pid != u->child || pid == 0)
		return;
	listen_to_child(u);
	if (m->shutdown.under_way)
		end_rehearsal(m);
	else if (status == 0 && !u->timed_out && has_reported_ready(u))
		become_next(m);
	else
		fail(m, tell(u, status, text, sizeof(text)));
}

int
upgrade_init(struct master *m)
{
	m->upgrade.timer = event_new(m->base, -1, 0, on_timeout, m);
	return m->upgrade.timer ? 0 : -ENOMEM;
}

void
upgrade_fini(struct master *m)
{
	if (m->upgrade.timer) {
		end_rehearsal(m);
		event_free(m->upgrade.timer);
	}
	m->upgrade.timer = NULL;
}
