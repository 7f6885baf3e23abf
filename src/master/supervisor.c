/* The workers: forked in generations, listed oldest first, addressed all at once; and what their
 * messages mean. How they are watched and replaced is in life.c. */
#include "config.h"

#include "supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iaido/chan.h"
#include "iaido/clock.h"
#include "iaido/log.h"
#include "iaido/table.h"

#include "child.h"
#include "cpus.h"
#include "life.h"
#include "pool.h"
#include "state.h"

#define AUTO_WORKERS_MAX 4
#define CONNECTIONS_PLAUSIBLE (UINT32_C(1) << 24)
#define DRAIN_SLACK_NS (2 * NSEC_PER_SEC) /* a worker that drains may be that late */
#define CLOSED_GRACE_NS NSEC_PER_SEC /* to end after the channel has */
#define EVICT_NS (30 * NSEC_PER_SEC) /* a generation too many leaves within this */

uint32_t
supervisor_worker_count(uint32_t configured)
{
	uint32_t n;

	if (configured != CONF_WORKERS_AUTO)
		return configured;
	n = cpus_usable();
	return n < AUTO_WORKERS_MAX ? n : AUTO_WORKERS_MAX;
}

static void
on_message(void *arg, const struct msg *msg)
{
	struct worker *w = arg;
	struct master *m = w->master;

	switch (msg->type) {
	case MSG_READY:
		if (w->state == WORKER_STARTING) {
			w->state = WORKER_READY;
			w->ready_ns = clock_now_ns();
			master_worker_ready(m, w);
		}
		break;
	case MSG_APPLIED:
		if (msg->applied.number <= m->tables.number)
			w->applied = msg->applied.number;
		break;
	case MSG_DIAL_FAILED:
		pools_dial_failed(m->pools, msg->dial_failed.cell, msg->dial_failed.error);
		break;
	case MSG_DRAINED:
		w->state = WORKER_DRAINING;
		break;
	default:
		break;
	}
}

/* Nothing can be asked of it any more. One that sent nonsense is not given time either. */
static void
on_closed(void *arg, int error)
{
	struct worker *w = arg;

	struct master *m = w->master;

	w->stopped = true;
	w->deadline_ns = clock_now_ns() + (error == 0 ? CLOSED_GRACE_NS : 0);
	if (error < 0) {
		log_event(LOG_LEVEL_ERROR, "worker.channel",
			"a worker's channel failed; it is ended", LOG_INT("worker", w->pid),
			LOG_ERR("error", error));
		kill(w->pid, SIGKILL);
	}
	if (m->supervisor.making != 0 && w->generation == m->supervisor.making)
		reload_worker_lost(m);
}

static void
free_worker(struct worker *w)
{
	channel_close(&w->channel);
	if (w->kept_chan_fd >= 0)
		close(w->kept_chan_fd);
	share_close(&w->share);
	free(w);
}

static struct worker *
new_worker(struct master *m, uint32_t generation, uint32_t seat)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->channel.fd = w->channel.log_fd = w->channel.table_fd = w->kept_chan_fd = -1;
	w->master = m;
	w->generation = generation;
	w->seat = seat;
	w->number = ++m->supervisor.next_number;
	w->forked_ns = w->beat_seen_ns = clock_now_ns();
	if (share_create(&w->share) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

/* Forks with every signal blocked, so that no handler of the parent's runs in the child. */
static pid_t
fork_worker(struct master *m, struct worker *w, const int fds[2], const struct listeners *listeners)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_run(m, w, fds[1], listeners);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

int
supervisor_fork(
	struct master *m, uint32_t generation, uint32_t seat, const struct listeners *listeners)
{
	struct worker *w = new_worker(m, generation, seat);
	const struct channel_owner owner = { on_message, on_closed, w };
	int r, fds[2];

	if (!w)
		return -ENOMEM;
	r = chan_pair(fds);
	if (r < 0)
		goto fail;
	w->pid = fork_worker(m, w, fds, listeners);
	close(fds[1]);
	r = w->pid < 0 ? (int)w->pid : channel_open(&w->channel, m->base, fds[0], &owner);
	if (r < 0) {
		/* A child that was forked sees the end of its channel, and is reaped. */
		close(fds[0]);
		goto fail;
	}
	TAILQ_INSERT_TAIL(&m->supervisor.workers, w, link);
	supervisor_send_table_to(m, w);
	return 0;
fail:
	free_worker(w);
	return r;
}

int
supervisor_start(struct master *m, uint32_t count, const struct listeners *listeners)
{
	struct supervisor *s = &m->supervisor;
	uint32_t seat;
	int r;

	s->making_seats = calloc(count, sizeof(*s->making_seats));
	if (!s->making_seats)
		return -ENOMEM;
	s->making = s->generation + 1;
	s->making_count = count;
	for (seat = 0; seat < count; seat++) {
		r = supervisor_fork(m, s->making, seat, listeners);
		if (r < 0) {
			supervisor_abandon(m);
			return r;
		}
	}
	return 0;
}

/* Of a generation, and not on its way out. */
static bool
belongs(const struct worker *w, uint32_t generation)
{
	return w->generation == generation && !w->stopped && w->state != WORKER_DRAINING;
}

static uint32_t
count_ready(const struct supervisor *s, uint32_t generation)
{
	const struct worker *w;
	uint32_t n = 0;

	TAILQ_FOREACH(w, &s->workers, link)
		n += belongs(w, generation) && w->state == WORKER_READY;
	return n;
}

bool
supervisor_is_ready(const struct master *m)
{
	const struct supervisor *s = &m->supervisor;

	return s->making != 0 && count_ready(s, s->making) == s->making_count;
}

bool
supervisor_has_ready(const struct master *m)
{
	return count_ready(&m->supervisor, m->supervisor.generation) > 0;
}

bool
supervisor_all_ready(const struct master *m)
{
	const struct supervisor *s = &m->supervisor;

	return s->generation != 0 && count_ready(s, s->generation) == s->seat_count;
}

void
supervisor_promote(struct master *m)
{
	struct supervisor *s = &m->supervisor;

	free(s->seats);
	s->seats = s->making_seats;
	s->seat_count = s->making_count;
	s->generation = s->making;
	s->making_seats = NULL;
	s->making = 0;
}

static void
drain(struct worker *w, const struct msg_drain *order)
{
	if (w->stopped)
		return;
	w->state = WORKER_DRAINING;
	if (order->left_ns > 0)
		w->deadline_ns = clock_now_ns() + order->left_ns + DRAIN_SLACK_NS;
	channel_send_drain(&w->channel, order);
}

/* Past maxGenerations the oldest has to go sooner. */
static void
evict_generations(struct master *m)
{
	struct msg_drain order = { .left_ns = EVICT_NS };
	struct supervisor *s = &m->supervisor;
	uint32_t generations = 0, last = 0;
	struct worker *w;

	TAILQ_FOREACH_REVERSE(w, &s->workers, worker_list, link)
	{
		if (w->generation == s->generation || w->stopped)
			continue;
		generations += w->generation != last;
		last = w->generation;
		if (generations <= m->conf->max_generations)
			continue;
		if (w->deadline_ns && w->deadline_ns < clock_now_ns() + EVICT_NS + DRAIN_SLACK_NS)
			continue;
		log_event(LOG_LEVEL_WARN, "generation.evicted",
			"more old generations than maxGenerations: the oldest is drained",
			LOG_INT("generation", w->generation), LOG_INT("worker", w->pid));
		drain(w, &order);
	}
}

void
supervisor_drain_old(struct master *m)
{
	struct msg_drain order = { .left_ns = m->conf->drain_timeout_ns };
	struct supervisor *s = &m->supervisor;
	struct worker *w;

	TAILQ_FOREACH(w, &s->workers, link)
		if (w->generation != s->generation && w->state != WORKER_DRAINING)
			drain(w, &order);
	evict_generations(m);
}

void
supervisor_drain_all(struct master *m, bool keep_accepting, int64_t left_ns)
{
	struct msg_drain order = { .whole_process = true, .left_ns = left_ns };
	struct supervisor *s = &m->supervisor;
	struct worker *w;

	TAILQ_FOREACH(w, &s->workers, link) {
		order.keep_accepting = keep_accepting && belongs(w, s->generation);
		drain(w, &order);
	}
}

int
supervisor_adopt(struct master *m)
{
	struct msg_drain order = { 0 };
	int64_t now = clock_now_ns(), left;
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link) {
		const struct channel_owner owner = { on_message, on_closed, w };
		int r;

		if (w->kept_chan_fd < 0)
			continue;
		r = channel_open(&w->channel, m->base, w->kept_chan_fd, &owner);
		if (r < 0)
			return r;
		w->kept_chan_fd = -1;
		left = w->deadline_ns - DRAIN_SLACK_NS - now;
		order.left_ns = w->deadline_ns == 0 ? 0 : left > 0 ? left : 1;
		if (w->state == WORKER_DRAINING)
			channel_send_drain(&w->channel, &order);
	}
	supervisor_send_log(m);
	return 0;
}

void
supervisor_kill_own(struct master *m)
{
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link) {
		if (w->kept_chan_fd >= 0)
			continue;
		kill(w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

static void
stop(struct worker *w, int64_t kill_after_ns)
{
	w->stopped = true;
	w->deadline_ns = clock_now_ns() + kill_after_ns;
	channel_send_stop(&w->channel);
}

void
supervisor_stop_all(struct master *m, int64_t kill_after_ns)
{
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		stop(w, kill_after_ns);
}

void
supervisor_abandon(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	struct worker *w;

	TAILQ_FOREACH(w, &s->workers, link)
		if (w->generation == s->making) {
			w->generation = 0;
			stop(w, CLOSED_GRACE_NS);
		}
	free(s->making_seats);
	s->making_seats = NULL;
	s->making = 0;
}

void
supervisor_send_table_to(struct master *m, struct worker *w)
{
	if (m->tables.fd < 0)
		return;
	w->table_sent_ns = clock_now_ns();
	channel_send_table(&w->channel, m->tables.number, m->tables.fd);
}

void
supervisor_send_table(struct master *m)
{
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		supervisor_send_table_to(m, w);
}

void
supervisor_send_log(struct master *m)
{
	struct msg_log order = {
		.level = (uint8_t)log_current_level(),
		.format = (uint8_t)log_current_format(),
		.syslog = log_is_syslog(),
	};
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		channel_send_log(&w->channel, &order, log_descriptor());
}

uint64_t
supervisor_applied(const struct master *m)
{
	uint64_t least = m->tables.number;
	const struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		if (w->applied < least)
			least = w->applied;
	return least;
}

uint32_t
supervisor_connections(const struct worker *w)
{
	uint32_t n = SHARE_GET(w->share.head->connections);

	return n < CONNECTIONS_PLAUSIBLE ? n : 0;
}

/* Over all workers that there are and that there were. */
static uint64_t
sum_of(const struct master *m, uint64_t (*figure)(const struct share_head *))
{
	uint64_t n = figure(m->supervisor.total.head);
	const struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		n += figure(w->share.head);
	return n;
}

static uint64_t
closed_for_drain(const struct share_head *head)
{
	return SHARE_GET(head->closed_for_drain);
}

static uint64_t
pipe_shortages(const struct share_head *head)
{
	return SHARE_GET(head->pipe_shortages);
}

uint64_t
supervisor_closed_for_drain(const struct master *m)
{
	return sum_of(m, closed_for_drain);
}

uint64_t
supervisor_pipe_shortages(const struct master *m)
{
	return sum_of(m, pipe_shortages);
}

size_t
supervisor_shares(const struct master *m, struct share **out, size_t max)
{
	const struct supervisor *s = &m->supervisor;
	const struct worker *w;
	size_t n = 0;

	if (max > 0) {
		/* Theirs to read, ours to keep: the list does not change hands. */
		out[n++] = (struct share *)(uintptr_t)&s->total;
	}
	TAILQ_FOREACH(w, &s->workers, link)
		if (n < max)
			out[n++] = (struct share *)(uintptr_t)&w->share;
	return n;
}

int
supervisor_init(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	int r = s->total.map ? 0 : share_create(&s->total);

	if (r < 0)
		return r;
	return life_init(m);
}

void
supervisor_fini(struct master *m)
{
	struct supervisor *s = &m->supervisor;
	struct worker *w;

	while ((w = TAILQ_FIRST(&s->workers)) != NULL)
		supervisor_forget(m, w);
	life_fini(m);
	audit_fini(&s->audit);
	if (s->total.map)
		share_close(&s->total);
	free(s->seats);
	free(s->making_seats);
	s->seats = s->making_seats = NULL;
}

void
supervisor_forget(struct master *m, struct worker *w)
{
	TAILQ_REMOVE(&m->supervisor.workers, w, link);
	free_worker(w);
}
