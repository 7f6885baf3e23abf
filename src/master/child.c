/* The child's side of a fork: from a copy of the master to a worker that has nothing of it left but
 * what it needs. An error here ends the child; the master sees that it died. */
#include "config.h"

#include "child.h"

#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "iaido/log.h"

#include "listener.h"
#include "privileges.h"
#include "state.h"
#include "supervisor.h"

#define OOM_WORKER_EXTRA 200 /* out of memory: rather a worker than the master */
#define OOM_MAX 1000

static int
compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void
close_span(unsigned int from, unsigned int to)
{
	unsigned int fd, end;

	if (from > to || close_range(from, to, 0) == 0)
		return;
	/* Kernels before 5.9. */
	end = (unsigned int)sysconf(_SC_OPEN_MAX);
	for (fd = from; fd <= to && fd < end; fd++)
		close((int)fd);
}

void
child_close_others(int *keep, size_t count)
{
	unsigned int next = STDERR_FILENO + 1;
	size_t i;

	qsort(keep, count, sizeof(*keep), compare_ints);
	for (i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		close_span(next, (unsigned int)keep[i] - 1);
		next = (unsigned int)keep[i] + 1;
	}
	close_span(next, UINT_MAX);
}

static size_t
count_slots(const struct listeners *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->count; i++)
		n += l->items[i].slot_count;
	return n;
}

/* The worker's listeners, and in `keep` (room for them and 4 more) all that stays open. */
static int
collect(struct master *m, struct worker *w, int chan_fd, const struct listeners *listeners,
	struct worker_start *start, int *keep)
{
	size_t i, n = 0;
	uint32_t k;

	start->listeners = calloc(start->listener_count + 1, sizeof(*start->listeners));
	if (!start->listeners)
		return -1;
	for (i = 0; i < listeners->count; i++) {
		const struct listener *l = &listeners->items[i];

		for (k = 0; k < l->slot_count; k++, n++) {
			keep[n] = l->fds[k];
			start->listeners[n] = (struct worker_listener){ l->id, k, l->fds[k] };
		}
	}
	keep[n++] = chan_fd;
	keep[n++] = m->board.fd;
	keep[n++] = w->share.fd;
	keep[n++] = log_descriptor();
	return 0;
}

/* A signal to the whole group is the master's to act on. */
static void
set_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGPIPE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
}

static void
offer_to_oom_killer(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "r+e");
	char line[16];
	long score;

	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		score = strtol(line, NULL, 10) + OOM_WORKER_EXTRA;
		rewind(f);
		fprintf(f, "%ld\n", score > OOM_MAX ? OOM_MAX : score);
	}
	fclose(f);
}

/* What siblings count is not this worker's to touch. */
static void
forget_siblings(struct master *m, const struct worker *self)
{
	struct worker *w;

	TAILQ_FOREACH(w, &m->supervisor.workers, link)
		if (w != self)
			share_close(&w->share);
	share_close(&m->supervisor.total);
}

void
child_run(struct master *m, struct worker *w, int chan_fd, const struct listeners *listeners)
{
	struct worker_start start = {
		.number = w->number,
		.generation = w->generation,
		.chan_fd = chan_fd,
		.board = &m->board,
		.share = &w->share,
		.listener_count = count_slots(listeners),
	};
	int *keep = calloc(start.listener_count + 4, sizeof(*keep));

	/* Before anything of it is freed: what both share must not change for the parent. */
	if (event_reinit(m->base) < 0)
		_exit(EXIT_FAILURE);
	event_base_free(m->base);
	m->base = NULL;
	if (!keep || collect(m, w, chan_fd, listeners, &start, keep) < 0)
		_exit(EXIT_FAILURE);
	forget_siblings(m, w);
	child_close_others(keep, start.listener_count + 4);
	free(keep);
	daemon_leave_terminal(&m->daemon, log_descriptor() == STDERR_FILENO);
	set_signals();
	offer_to_oom_killer();
	if (privileges_drop_all() < 0)
		_exit(EXIT_FAILURE);
	(void)prctl(PR_SET_NAME, "iaido-worker");
	exit(m->options->worker(&start));
}
