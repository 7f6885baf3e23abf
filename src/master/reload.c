/* Reloads: when to read the file, whether what it says can be had, and the hand-over from one
 * generation of workers to the next. One at a time; requests that come meanwhile become one more. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/log.h"
#include "iaido/text.h"

#include "listener.h"
#include "notify.h"
#include "prospect.h"
#include "state.h"
#include "supervisor.h"
#include "upgrade.h"
#include "watch.h"

#define BETWEEN_NS NSEC_PER_SEC /* from one generation to the next */
#define LOOK_NS (25 * NSEC_PER_MSEC) /* from one look at the file to the next */
#define LOOKING_MAX_NS (5 * NSEC_PER_SEC)
#define READY_MAX_NS (15 * NSEC_PER_SEC)

static void advance(struct master *m);

static void
wait_for(struct master *m, int64_t ns)
{
	struct timeval tv = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_USEC };

	event_add(m->reload.timer, &tv);
}

static void
finish(struct master *m)
{
	struct reload *r = &m->reload;

	event_del(r->timer);
	r->stage = RELOAD_IDLE;
	r->forced_now = false;
	if (m->serving)
		notify_ready();
	upgrade_advance(m);
	advance(m);
}

/* The old configuration runs on. A fault that stays is told once. */
static void
refuse(struct master *m, const char *why)
{
	struct reload *r = &m->reload;
	bool is_known = !r->forced_now && !r->ok && r->error && strcmp(r->error, why) == 0;

	if (m->upgrade.mode != UPGRADE_NONE) {
		upgrade_give_up(m, why);
		return;
	}
	prospect_free(r->prospect);
	r->prospect = NULL;
	if (!is_known) {
		free(r->error);
		r->error = strdup(why);
		r->ok = false;
		r->tried_wall_ns = clock_wall_ns();
		r->failed_count++;
		log_event(LOG_LEVEL_ERROR, "reload.failed",
			"reload refused, the old configuration runs on", LOG_STR("error", why));
	}
	finish(m);
}

static void
succeed(struct master *m)
{
	struct reload *r = &m->reload;

	free(r->error);
	r->error = NULL;
	r->ok = true;
	r->tried_wall_ns = r->succeeded_wall_ns = clock_wall_ns();
}

/* The new workers are ready: from here on it cannot fail any more but for want of memory. */
static void
commit(struct master *m)
{
	struct reload *r = &m->reload;
	int error;

	if (m->upgrade.mode == UPGRADE_REHEARSAL) {
		upgrade_rehearsed(m);
		return;
	}
	error = prospect_commit(m, r->prospect);
	if (error < 0) {
		supervisor_abandon(m);
		refuse(m, strerror(-error));
		return;
	}
	r->prospect = NULL;
	supervisor_promote(m);
	if (m->upgrade.mode == UPGRADE_TAKEOVER)
		upgrade_settle(m);
	if (tables_push(m) < 0)
		tables_want(m);
	supervisor_drain_old(m);
	succeed(m);
	r->succeeded_count++;
	r->loaded_wall_ns = r->succeeded_wall_ns;
	r->committed_ns = clock_now_ns();
	log_event(LOG_LEVEL_INFO, "reload.done", "configuration reloaded",
		LOG_INT("generation", m->supervisor.generation),
		LOG_INT("workers", m->supervisor.seat_count));
	finish(m);
}

void
reload_worker_ready(struct master *m)
{
	if (m->reload.stage == RELOAD_STARTING && supervisor_is_ready(m))
		commit(m);
}

void
reload_worker_lost(struct master *m)
{
	if (m->reload.stage != RELOAD_STARTING)
		return;
	supervisor_abandon(m);
	refuse(m, "a new worker died before it was ready");
}

static void
warn_fixed(const struct master *m, const struct conf *next)
{
	const char *user = m->conf && m->conf->user ? m->conf->user : "";
	const char *group = m->conf && m->conf->group ? m->conf->group : "";

	if (m->conf &&
		(strcmp(user, next->user ? next->user : "") != 0 ||
			strcmp(group, next->group ? next->group : "") != 0))
		log_event(LOG_LEVEL_WARN, "reload.user",
			"user and group take effect at the next start only");
}

/* Everything that the new configuration needs, or nothing. */
void
reload_start(struct master *m, struct conf *conf)
{
	struct reload *r = &m->reload;
	uint32_t workers = supervisor_worker_count(conf->workers);
	struct text why;
	int error;

	text_init(&why);
	warn_fixed(m, conf);
	r->prospect = prospect_new(conf);
	error = r->prospect ? 0 : -ENOMEM;
	if (error < 0)
		conf_free(conf);
	if (error == 0)
		error = prospect_open_files(m, r->prospect, &why);
	if (error == 0)
		error = prospect_open_sockets(m, r->prospect, workers, &why);
	if (error == 0) {
		/* One is enough to see that they can be had. */
		error = supervisor_start(m, m->upgrade.mode == UPGRADE_REHEARSAL ? 1 : workers,
			r->prospect->listeners);
		if (error < 0)
			text_addf(&why, "cannot start workers: %s", strerror(-error));
	}
	if (error < 0) {
		refuse(m, why.len > 0 ? why.data : strerror(-error));
	} else {
		r->stage = RELOAD_STARTING;
		wait_for(m, READY_MAX_NS);
	}
	text_fini(&why);
}

static void
log_lines(const char *event, enum log_level level, char *const *lines, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		log_event(level, event, lines[i]);
}

static void
refuse_report(struct master *m, int error, const struct conf_report *report)
{
	struct text why;

	text_init(&why);
	if (report->error_count == 0)
		text_addf(&why, "%s: %s", m->config_path, strerror(-error));
	else
		text_add(&why, report->errors[0]);
	if (report->error_count > 1)
		text_addf(&why, " (and %zu more)", report->error_count - 1);
	if (m->reload.forced_now || m->reload.ok)
		log_lines("config.error", LOG_LEVEL_ERROR, report->errors, report->error_count);
	refuse(m, why.data ? why.data : strerror(ENOMEM));
	text_fini(&why);
}

/* A comment was edited; or a faulty file is again what is in force. */
static void
keep_as_is(struct master *m, struct conf *conf)
{
	conf_free(conf);
	log_event(m->reload.ok ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "reload.same",
		"the configuration file means what is in force");
	if (!m->reload.ok)
		succeed(m);
	finish(m);
}

static void
load(struct master *m)
{
	struct reload *r = &m->reload;
	struct conf_report report = { 0 };
	struct conf *conf = NULL;
	struct file_look after;
	int error = conf_load(m->config_path, &conf, &report);

	file_look_take(m->config_path, &after);
	if (!file_look_equal(&after, &r->look)) {
		if (error == 0)
			conf_free(conf);
		r->look = after;
		wait_for(m, LOOK_NS);
	} else if (error < 0) {
		m->watch.seen = after;
		/* Cannot be read now, and nothing on it need change for that to end. */
		if (error != -EINVAL)
			m->watch.seen.error = -1;
		refuse_report(m, error, &report);
	} else {
		m->watch.seen = after;
		log_lines("config.warning", LOG_LEVEL_WARN, report.warnings, report.warning_count);
		if (!r->forced_now && conf_equal(conf, m->conf)) {
			keep_as_is(m, conf);
		} else {
			notify_reloading();
			reload_start(m, conf);
		}
	}
	conf_report_fini(&report);
}

/* Two identical looks, so that a file that is just being written is not taken for the whole. */
static void
look_again(struct master *m)
{
	struct reload *r = &m->reload;
	struct file_look look;

	file_look_take(m->config_path, &look);
	if (file_look_equal(&look, &r->look)) {
		load(m);
	} else if (clock_now_ns() - r->looking_since_ns > LOOKING_MAX_NS) {
		refuse(m, "the configuration file keeps changing");
	} else {
		r->look = look;
		wait_for(m, LOOK_NS);
	}
}

static void
begin(struct master *m)
{
	struct reload *r = &m->reload;

	r->stage = RELOAD_LOOKING;
	r->wanted = false;
	r->forced_now = r->forced;
	r->forced = false;
	r->looking_since_ns = clock_now_ns();
	file_look_take(m->config_path, &r->look);
	wait_for(m, LOOK_NS);
}

static void
advance(struct master *m)
{
	struct reload *r = &m->reload;
	int64_t left = r->committed_ns + BETWEEN_NS - clock_now_ns();

	if (r->stage != RELOAD_IDLE || !r->wanted || upgrade_is_busy(m))
		return;
	if (left <= 0) {
		begin(m);
		return;
	}
	r->stage = RELOAD_WAITING;
	wait_for(m, left);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	switch (m->reload.stage) {
	case RELOAD_WAITING:
		m->reload.stage = RELOAD_IDLE;
		advance(m);
		break;
	case RELOAD_LOOKING:
		look_again(m);
		break;
	case RELOAD_STARTING:
		supervisor_abandon(m);
		refuse(m, "the new workers were not ready in time");
		break;
	case RELOAD_IDLE:
	case RELOAD_CLOSED:
		break;
	}
}

void
reload_want(struct master *m, bool forced)
{
	m->reload.wanted = true;
	m->reload.forced = m->reload.forced || forced;
	advance(m);
}

void
reload_resume(struct master *m)
{
	advance(m);
}

bool
reload_is_busy(const struct master *m)
{
	return m->reload.stage == RELOAD_LOOKING || m->reload.stage == RELOAD_STARTING;
}

void
reload_cancel(struct master *m)
{
	struct reload *r = &m->reload;

	watch_stop(&m->watch);
	event_del(r->timer);
	if (r->stage == RELOAD_STARTING)
		supervisor_abandon(m);
	prospect_free(r->prospect);
	r->prospect = NULL;
	r->stage = RELOAD_CLOSED;
}

static void
on_file_changed(void *arg)
{
	reload_want(arg, false);
}

int
reload_init(struct master *m)
{
	struct reload *r = &m->reload;

	r->timer = event_new(m->base, -1, 0, on_timer, m);
	if (!r->timer)
		return -ENOMEM;
	if (m->upgrade.mode == UPGRADE_NONE) {
		r->ok = true;
		r->tried_wall_ns = r->succeeded_wall_ns = r->loaded_wall_ns = m->started_wall_ns;
	}
	return watch_start(&m->watch, m->base, m->config_path, m->options->reload_period_ns,
		on_file_changed, m);
}

void
reload_fini(struct master *m)
{
	watch_stop(&m->watch);
	if (m->reload.timer)
		event_free(m->reload.timer);
	m->reload.timer = NULL;
	prospect_free(m->reload.prospect);
	m->reload.prospect = NULL;
	free(m->reload.error);
	m->reload.error = NULL;
}
