/* The worker: its loop, the master's word over the channel, its end. */
#include "config.h"

#include "iaido/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/msg.h"
#include "iaido/table.h"

#include "worker/acceptor.h"
#include "worker/batch.h"
#include "worker/conn.h"
#include "worker/deliver.h"
#include "worker/dial.h"
#include "worker/drain.h"
#include "worker/frontend.h"
#include "worker/hedge.h"
#include "worker/loop.h"
#include "worker/maintain.h"
#include "worker/pipe.h"
#include "worker/relay.h"

/* The wheel's tick: hedges and dial timeouts are as exact as this. */
#define TICK_NS (10 * NSEC_PER_MSEC)
#define HEARTBEAT_NS (500 * NSEC_PER_MSEC)

struct timeval
worker_timeval(int64_t ns)
{
	struct timeval tv;

	if (ns < 0)
		ns = 0;
	tv.tv_sec = (time_t)(ns / NSEC_PER_SEC);
	/* Rounded up, so that a timer never fires before its time. */
	tv.tv_usec = (suseconds_t)((ns % NSEC_PER_SEC + NSEC_PER_USEC - 1) / NSEC_PER_USEC);
	if (tv.tv_usec >= 1000000) {
		tv.tv_sec++;
		tv.tv_usec -= 1000000;
	}
	return tv;
}

static void
leave(struct worker *w, int status)
{
	if (!w->stop)
		w->exit_status = status;
	w->stop = true;
	event_base_loopbreak(w->base);
}

/* ---- timers ---- */

static void
conn_on_timer(struct conn *c, int64_t now_ns)
{
	switch (c->state) {
	case CONN_WAITING:
	case CONN_DIALING:
		dial_on_timer(c, now_ns);
		break;
	case CONN_RELAYING:
		maintain_check(c, now_ns);
		break;
	case CONN_RESETTING:
		relay_resetting(c, now_ns >= c->reset_until_ns);
		break;
	default:
		break;
	}
}

static void
on_wheel(struct worker *w, int64_t now_ns)
{
	struct wheel_entry *e;
	int64_t next_ns;

	while ((e = wheel_expire(&w->dial_wheel, now_ns)) != NULL)
		hedge_expire(CONTAINER_OF(e, struct dial, wheel));
	while ((e = wheel_expire(&w->wheel, now_ns)) != NULL)
		conn_on_timer(CONTAINER_OF(e, struct conn, wheel), now_ns);
	next_ns = wheel_next_ns(&w->wheel);
	if (wheel_next_ns(&w->dial_wheel) < next_ns)
		next_ns = wheel_next_ns(&w->dial_wheel);
	if (next_ns != INT64_MAX)
		alarm_set(w, ALARM_WHEEL, next_ns);
}

static void
on_active(struct worker *w, int64_t now_ns)
{
	maintain_active(w, now_ns);
	if (!TAILQ_EMPTY(&w->active))
		alarm_set(w, ALARM_ACTIVE, now_ns + ACTIVE_LOOK_NS);
}

/* Kept open for one purpose: a table's descriptor finds a place even when clients have all the
 * others (a limit lowered from outside is noticed too late). */
static void
keep_spare(struct worker *w)
{
	if (w->spare_fd < 0)
		w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
use_spare(struct worker *w)
{
	if (w->spare_fd >= 0)
		close(w->spare_fd);
	w->spare_fd = -1;
}

static void
on_heartbeat(struct worker *w, int64_t now_ns)
{
	SHARE_SET(w->share->head->heartbeat_ns, now_ns);
	acceptor_update_limit(w);
	keep_spare(w);
	pipe_pool_trim(w);
	alarm_set(w, ALARM_HEARTBEAT, now_ns + HEARTBEAT_NS);
}

/* ---- the channel ---- */

static void
apply_table(struct worker *w, const struct msg *m)
{
	struct msg_applied applied;
	struct route_table *t = NULL;
	int r;

	r = table_from_memfd(m->fd, &t);
	close(m->fd);
	if (r == 0)
		r = frontends_apply(w, t);
	if (r == -ENOMEM) {
		/* The master sends again what is not applied. */
		table_free(t);
		log_event(LOG_LEVEL_ERROR, "worker.table", "no memory for a routing table",
			LOG_INT("number", m->table.number));
		return;
	}
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "worker.table", "the master sent a table that is broken",
			LOG_ERR("error", r));
		leave(w, 1);
		return;
	}
	/* While it goes on accepting at shutdown, slots of a sibling that died may come to it. */
	if (!w->draining || w->keep_accepting)
		acceptor_apply_table(w->acceptor);
	maintain_table(w);
	SHARE_SET(w->share->head->table_applied, w->table_number);
	/* A full channel loses nothing: the scoreboard says the same. */
	applied.number = w->table_number;
	r = msg_send_applied(w->chan_fd, &applied);
	if (r == 0 && !w->ready_sent) {
		on_heartbeat(w, clock_now_ns());
		w->ready_sent = msg_send_ready(w->chan_fd) == 0;
	}
}

static void
apply_log(const struct msg *m)
{
	log_set_level((enum log_level)m->log.level);
	log_set_format((enum log_format)m->log.format);
	log_take_descriptor(m->fd, m->log.syslog);
}

static void
obey(struct worker *w, const struct msg *m)
{
	switch (m->type) {
	case MSG_TABLE:
		apply_table(w, m);
		break;
	case MSG_LOG:
		apply_log(m);
		break;
	case MSG_DRAIN:
		drain_begin(w, &m->drain);
		break;
	case MSG_STOP:
		drain_close_all(w);
		leave(w, 0);
		break;
	default:
		break;
	}
}

/* No master, no table: what is established goes on, nothing new comes in. */
static void
master_is_gone(struct worker *w)
{
	event_del(&w->chan_event);
	if (!w->draining || w->keep_accepting) {
		w->draining = true;
		drain_stop_accepting(w);
	}
	log_event(LOG_LEVEL_WARN, "worker.orphaned", "the master is gone: no more is accepted",
		LOG_INT("connections", w->conn_count));
}

static void
on_chan(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct chan_message raw;
	struct msg m;
	int r;

	(void)what;
	/* What came before the master's word has been dealt with when it is obeyed. */
	batch_run(w);
	use_spare(w);
	while (!w->stop && (r = chan_receive(fd, &raw)) == 1) {
		r = msg_decode(&raw, MSG_FROM_MASTER, &m);
		if (r < 0)
			break;
		obey(w, &m);
		if (w->stop)
			return;
		r = 1;
	}
	if (w->stop)
		return;
	keep_spare(w);
	if (r == 0 || r == -ECONNRESET) {
		master_is_gone(w);
	} else if (r != -EAGAIN && r != 1) {
		log_event(LOG_LEVEL_ERROR, "worker.channel",
			"the master's message is not understood", LOG_ERR("error", r));
		leave(w, 1);
	}
}

/* ---- life ---- */

static uint64_t
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t count = 0;

	/* Without /proc: a guess that is safe. */
	if (d == NULL)
		return 32;
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

static int
make_tables(struct worker *w)
{
	w->backend_of_cell = calloc(SCOREBOARD_CELLS, sizeof(*w->backend_of_cell));
	w->conns_of_cell = calloc(SCOREBOARD_CELLS, sizeof(*w->conns_of_cell));
	w->copy_buffer = malloc(COPY_BUFFER_SIZE);
	w->batch = batch_new();
	w->pipes = pipe_pool_new();
	if (w->backend_of_cell == NULL || w->conns_of_cell == NULL || w->copy_buffer == NULL ||
		w->batch == NULL || w->pipes == NULL)
		return -ENOMEM;
	return 0;
}

static int
make_events(struct worker *w)
{
	int r;

	event_assign(&w->chan_event, w->base, w->chan_fd, EV_READ | EV_PERSIST, on_chan, w);
	evtimer_assign(&w->drain_event, w->base, drain_on_timer, w);
	w->alarms.ring[ALARM_WHEEL] = on_wheel;
	w->alarms.ring[ALARM_ACTIVE] = on_active;
	w->alarms.ring[ALARM_HEARTBEAT] = on_heartbeat;
	r = alarms_open(w);
	if (r < 0)
		return r;
	alarm_set(w, ALARM_HEARTBEAT, clock_now_ns() + HEARTBEAT_NS);
	return event_add(&w->chan_event, NULL) < 0 ? -ENOMEM : 0;
}

static struct event_base *
make_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg == NULL)
		return NULL;
	/* One thread; coarse time will do for the wheel. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

static void
worker_fini(struct worker *w)
{
	if (w->acceptor != NULL)
		drain_close_all(w);
	conn_reap(w);
	acceptor_free(w->acceptor);
	if (w->pipes != NULL)
		pipe_pool_free(w, w->pipes);
	deliver_free_chunks(w);
	frontends_free(w);
	conn_free_slabs(w);
	batch_free(w->batch);
	free(w->copy_buffer);
	free(w->conns_of_cell);
	free(w->backend_of_cell);
	alarms_close(w);
	if (w->base != NULL) {
		event_del(&w->chan_event);
		event_del(&w->drain_event);
		event_base_free(w->base);
	}
	use_spare(w);
	close(w->chan_fd);
}

/* Of use to who wonders at a figure; nothing else depends on it. */
static void
tell_ring(const struct worker *w)
{
	int error = batch_ring_error(w->batch);

	if (error != 0)
		log_event(LOG_LEVEL_DEBUG, "worker.ring",
			"no io_uring: each message is a system call of its own",
			LOG_ERR("error", -error));
}

static int
worker_init(struct worker *w, const struct worker_start *start)
{
	int r;

	memset(w, 0, sizeof(*w));
	w->number = start->number;
	w->chan_fd = start->chan_fd;
	w->board = start->board;
	w->share = start->share;
	w->spare_fd = -1;
	w->alarms.fd = -1;
	TAILQ_INIT(&w->conns);
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->active);
	TAILQ_INIT(&w->closed);
	LIST_INIT(&w->dials);
	rng_seed(&w->rng);
	wheel_init(&w->wheel, TICK_NS, clock_coarse_ns());
	wheel_init(&w->dial_wheel, TICK_NS, clock_coarse_ns());
	w->base = make_base();
	r = w->base != NULL ? make_events(w) : -ENOMEM;
	if (r == 0)
		r = make_tables(w);
	if (r < 0)
		return r;
	tell_ring(w);
	keep_spare(w);
	w->descriptors = count_descriptors();
	acceptor_update_limit(w);
	w->acceptor = acceptor_new(w, start->listeners, start->listener_count);
	return w->acceptor != NULL ? 0 : -ENOMEM;
}

/* ---- turns ---- */

/* Only those that are ready now: who is not done after its budget comes after all events. */
static void
run_ready(struct worker *w)
{
	struct conn *last = TAILQ_LAST(&w->ready, conn_queue), *c = NULL;

	while (c != last) {
		c = TAILQ_FIRST(&w->ready);
		TAILQ_REMOVE(&w->ready, c, turn_link);
		c->in_ready = false;
		if (c->state == CONN_RELAYING)
			relay_run(c);
	}
}

/* Draining is over once the last connection has gone. */
static void
leave_when_drained(struct worker *w)
{
	if (!w->draining || w->keep_accepting || w->conn_count > 0 || w->stop)
		return;
	leave(w, 0);
	/* The master may be gone already; leaving says the same. */
	if (msg_send_drained(w->chan_fd) < 0)
		return;
}

/* One wait, what it found, and what follows from that. */
static void
turn(struct worker *w)
{
	int how = EVLOOP_ONCE;

	if (!TAILQ_EMPTY(&w->ready))
		how |= EVLOOP_NONBLOCK;
	if (event_base_loop(w->base, how) < 0) {
		log_event(LOG_LEVEL_ERROR, "worker.loop", "the event loop fails");
		leave(w, 1);
		return;
	}
	batch_run(w);
	alarms_ring(w);
	run_ready(w);
	conn_reap(w);
	leave_when_drained(w);
}

int
worker_run(const struct worker_start *start)
{
	struct worker w;
	int status, r;

	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NAME, "iaido-worker", 0, 0, 0);
	r = worker_init(&w, start);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "worker.start", "a worker cannot start",
			LOG_ERR("error", r));
		worker_fini(&w);
		return 1;
	}
	while (!w.stop)
		turn(&w);
	status = w.exit_status;
	worker_fini(&w);
	return status;
}
