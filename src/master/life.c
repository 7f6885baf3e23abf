/* The workers' lives: a tick looks at all of them ten times a second; SIGCHLD brings the deaths;
 * empty seats are filled again by a timer of their own. */
#include "config.h"

#include "life.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "iaido/clock.h"
#include "iaido/log.h"

#include "listener.h"
#include "pool.h"
#include "state.h"
#include "supervisor.h"
#include "upgrade.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define AUDIT_NS NSEC_PER_SEC
#define TABLE_AGAIN_NS NSEC_PER_SEC
#define SILENT_NS (2 * NSEC_PER_SEC)
#define HUNG_NS (30 * NSEC_PER_SEC)
#define PAUSED_NS (100 * NSEC_PER_MSEC)
#define ABORT_GRACE_NS NSEC_PER_SEC
#define STRIKE_NS (500 * NSEC_PER_MSEC) /* a life that makes up for one death */
#define BACKOFF_FIRST_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (10 * NSEC_PER_SEC)
#define STRIKES_MAX 10

int64_t
life_backoff_ns(struct seat *seat, int64_t lived_ns)
{
	int64_t delay = BACKOFF_FIRST_NS, strikes;

	seat->debt_ns = seat->debt_ns > lived_ns ? seat->debt_ns - lived_ns : 0;
	seat->debt_ns += STRIKE_NS;
	if (seat->debt_ns > STRIKES_MAX * STRIKE_NS)
		seat->debt_ns = STRIKES_MAX * STRIKE_NS;
	strikes = (seat->debt_ns + STRIKE_NS - 1) / STRIKE_NS;
	if (strikes <= 1)
		return 0;
	while (--strikes > 1)
		delay *= 2;
	return delay < BACKOFF_MAX_NS ? delay : BACKOFF_MAX_NS;
}

static struct timeval
to_timeval(int64_t ns)
{
	struct timeval tv = { 0 };

	if (ns > 0) {
		tv.tv_sec = ns / NSEC_PER_SEC;
		tv.tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC;
	}
	return tv;
}

/* Arms the timer for the seat that is due first. */
static void
plan_respawn(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	int64_t first = INT64_MAX;
	struct timeval tv;
	uint32_t i;

	for (i = 0; i < s->seat_count; i++)
		if (s->seats[i].respawn_ns != 0 && s->seats[i].respawn_ns < first)
			first = s->seats[i].respawn_ns;
	if (first == INT64_MAX)
		return;
	tv = to_timeval(first - clock_now_ns());
	event_add(s->respawn, &tv);
}

void
life_fill_empty_seats(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	const struct worker *w;
	uint32_t i;

	for (i = 0; i < s->seat_count; i++)
		s->seats[i].respawn_ns = 1;
	TAILQ_FOREACH(w, &s->workers, link)
		if (w->generation == s->generation && w->seat < s->seat_count)
			s->seats[w->seat].respawn_ns = 0;
	plan_respawn(m);
}

static void
fill_seat(struct master *m, uint32_t i, int64_t now)
{
	struct supervisor *s = &m->supervisor;
	int64_t delay;
	int r = supervisor_fork(m, s->generation, i, m->listeners);

	if (r == 0) {
		s->seats[i].respawn_ns = 0;
		s->restarts++;
		return;
	}
	delay = life_backoff_ns(&s->seats[i], 0);
	s->seats[i].respawn_ns = now + (delay > 0 ? delay : BACKOFF_FIRST_NS);
	log_event(LOG_LEVEL_ERROR, "worker.fork", "cannot start a worker; trying again",
		LOG_ERR("error", r));
}

static void
on_respawn(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	struct supervisor *s = &m->supervisor;
	int64_t now = clock_now_ns();
	uint32_t i;

	(void)fd;
	(void)what;
	if (m->shutdown.under_way)
		return;
	for (i = 0; i < s->seat_count; i++)
		if (s->seats[i].respawn_ns != 0 && s->seats[i].respawn_ns <= now)
			fill_seat(m, i, now);
	plan_respawn(m);
}

static void
log_death(const struct worker *w, int status, uint32_t connections, bool expected)
{
	char how[64];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		(void)snprintf(how, sizeof(how), "exited with status %d", WEXITSTATUS(status));
	if (expected) {
		log_event(LOG_LEVEL_DEBUG, "worker.left", "a worker has left",
			LOG_INT("worker", w->pid), LOG_INT("generation", w->generation),
			LOG_STR("how", how));
		return;
	}
	log_event(LOG_LEVEL_ERROR, "worker.died", "a worker died", LOG_INT("worker", w->pid),
		LOG_INT("generation", w->generation), LOG_STR("how", how),
		LOG_INT("connections", connections));
}

/* What it held goes back to all, its seat is filled again, its slots go to its siblings. */
static void
bury(struct master *m, struct worker *w, int status)
{
	struct supervisor *s = &m->supervisor;
	bool expected = (w->stopped || w->state == WORKER_DRAINING) && status == 0;
	uint32_t held = supervisor_connections(w);
	bool had_seat = w->generation == s->generation;
	bool was_made = s->making != 0 && w->generation == s->making;
	int64_t now = clock_now_ns();

	log_death(w, status, held, expected);
	if (!expected)
		m->shutdown.cut += held;
	share_give_back(&m->board, &w->share, &s->total);
	if (had_seat && w->seat < s->seat_count) {
		struct seat *seat = &s->seats[w->seat];

		seat->respawn_ns = now + life_backoff_ns(seat, now - w->forked_ns);
	}
	supervisor_forget(m, w);
	tables_want(m);
	if (was_made)
		reload_worker_lost(m);
	if (m->shutdown.under_way)
		shutdown_check(m);
	else if (had_seat)
		plan_respawn(m);
}

void
life_reap(struct master *m)
{
	struct worker *w;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH(w, &m->supervisor.workers, link)
			if (w->pid == pid)
				break;
		if (w)
			bury(m, w, status);
		else
			upgrade_child_ended(m, pid, status);
	}
}

/* Whether it looks as if it turned; what it wrote is only ever compared. */
static int64_t
silence_ns(struct worker *w, int64_t now)
{
	int64_t beat = SHARE_GET(w->share.head->heartbeat_ns);

	if (beat != w->beat_ns) {
		w->beat_ns = beat;
		w->beat_seen_ns = now;
	}
	return now - w->beat_seen_ns;
}

static bool
is_paused(const struct worker *w, int64_t now)
{
	int64_t since = SHARE_GET(w->share.head->paused_since_ns);

	return since > 0 && since <= now && now - since >= PAUSED_NS;
}

/* A process that is stopped does not even see SIGABRT. */
static void
end_hung(struct worker *w, int64_t now)
{
	if (w->aborted)
		return;
	log_event(LOG_LEVEL_ERROR, "worker.hung", "a worker gives no sign of life; it is replaced",
		LOG_INT("worker", w->pid), LOG_INT("generation", w->generation));
	w->aborted = w->stopped = true;
	w->deadline_ns = now + ABORT_GRACE_NS;
	kill(w->pid, SIGABRT);
}

static void
check_deadline(struct worker *w, int64_t now)
{
	if (w->deadline_ns == 0 || now < w->deadline_ns)
		return;
	if (w->stopped) {
		kill(w->pid, SIGKILL);
		w->deadline_ns = now + ABORT_GRACE_NS;
		return;
	}
	w->stopped = true;
	w->deadline_ns = now + ABORT_GRACE_NS;
	channel_send_stop(&w->channel);
}

/* There was no memory for it, or no descriptor to send it by. */
static void
repeat_table(struct master *m, struct worker *w, int64_t now)
{
	if (w->applied < m->tables.number && !w->stopped && !w->unfit &&
		now - w->table_sent_ns >= TABLE_AGAIN_NS)
		supervisor_send_table_to(m, w);
}

/* The slots of a worker that does not accept go to its siblings until it does again. */
static void
check_workers(struct master *m, int64_t now)
{
	struct worker *w;
	bool changed = false;

	TAILQ_FOREACH(w, &m->supervisor.workers, link) {
		int64_t silence = silence_ns(w, now);
		bool unfit = silence >= SILENT_NS || is_paused(w, now);

		if (unfit != w->unfit) {
			w->unfit = unfit;
			changed = true;
		}
		if (silence >= HUNG_NS)
			end_hung(w, now);
		repeat_table(m, w, now);
		check_deadline(w, now);
	}
	if (changed)
		tables_want(m);
}

static void
audit(struct master *m, int64_t now)
{
	struct supervisor *s = &m->supervisor;
	const struct worker *w;
	struct share **shares;
	size_t n = 1;
	int fixed;

	if (now - s->audited_ns < AUDIT_NS)
		return;
	s->audited_ns = now;
	TAILQ_FOREACH(w, &s->workers, link)
		n++;
	shares = calloc(n, sizeof(struct share *));
	if (!shares)
		return;
	n = supervisor_shares(m, shares, n);
	fixed = scoreboard_audit(
		&m->board, shares, n, pools_cell_bound(m->pools), m->ids.count, &s->audit);
	free(shares);
	if (fixed > 0)
		log_event(LOG_LEVEL_INFO, "scoreboard.audit",
			"counts that a dead worker left behind were put right",
			LOG_INT("cells", fixed));
}

/* While this process itself did not run, nobody's silence counts. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	struct supervisor *s = &m->supervisor;
	int64_t now = clock_now_ns(), gap = now - s->ticked_ns;
	struct worker *w;

	(void)fd;
	(void)what;
	s->ticked_ns = now;
	if (gap > SILENT_NS / 2)
		TAILQ_FOREACH(w, &s->workers, link)
			w->beat_seen_ns += gap;
	check_workers(m, now);
	audit(m, now);
}

int
life_init(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	struct timeval tv = to_timeval(TICK_NS);

	s->ticked_ns = s->audited_ns = clock_now_ns();
	s->tick = event_new(m->base, -1, EV_PERSIST, on_tick, m);
	s->respawn = event_new(m->base, -1, 0, on_respawn, m);
	if (!s->tick || !s->respawn || event_add(s->tick, &tv) < 0)
		return -ENOMEM;
	return 0;
}

void
life_fini(struct master *m)
{
	struct supervisor *s = &m->supervisor;

	if (s->tick)
		event_free(s->tick);
	if (s->respawn)
		event_free(s->respawn);
	s->tick = s->respawn = NULL;
}
