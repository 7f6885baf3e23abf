/* The master with workers that are made to misbehave: ones that die, say nothing, talk nonsense or
 * scribble over what is shared. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "iaido/chan.h"
#include "iaido/clock.h"
#include "iaido/master.h"
#include "iaido/msg.h"
#include "iaido/worker.h"

#include "family.h"
#include "run.h"

#define CONF \
	"workers: %d\n" \
	"gracePeriod: 1s\n" \
	"frontends:\n" \
	"  - bindAddress: 127.0.0.1:0\n" \
	"    backendPool:\n" \
	"      latencyBucket: -1\n" \
	"      tiers:\n" \
	"        - targets:\n" \
	"            - {hosts: [127.0.0.1], port: 1}\n"

static void
start_as(struct run *run, int workers, worker_function *worker, bool daemon)
{
	run_init(run);
	run_write_conf(run, CONF, workers);
	run->pid = fork();
	ck_assert_int_ge(run->pid, 0);
	if (run->pid == 0) {
		char *argv[] = { run->conf_path, NULL };
		const struct master_options options = {
			.config_path = run->conf_path,
			.daemon = daemon,
			.argv = argv,
			.worker = worker,
		};
		int fd = open(run->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(126);
		_exit(master_run(&options));
	}
}

static void
start(struct run *run, int workers, worker_function *worker)
{
	start_as(run, workers, worker, false);
}

/* A well-behaved one: applies what comes, is ready, beats, and leaves when told to or left alone. */
static int
behave(const struct worker_start *start)
{
	static struct chan_message in;
	struct pollfd p = { .fd = start->chan_fd, .events = POLLIN };
	bool is_ready = false;
	struct msg m;
	int r;

	for (;;) {
		SHARE_SET(start->share->head->heartbeat_ns, clock_now_ns());
		poll(&p, 1, 200);
		while ((r = chan_receive(start->chan_fd, &in)) == 1) {
			/* No assertion here: its words would go to what is now another descriptor. */
			if (msg_decode(&in, MSG_FROM_MASTER, &m) < 0)
				return 3;
			if (m.fd >= 0)
				close(m.fd);
			if (m.type == MSG_DRAIN || m.type == MSG_STOP)
				return 0;
			if (m.type == MSG_TABLE && !is_ready)
				is_ready = msg_send_ready(start->chan_fd) == 0;
		}
		if (r == 0)
			return 0;
	}
}

static int
die_at_once(const struct worker_start *start)
{
	(void)start;
	return 1;
}

START_TEST(workers_that_keep_dying_are_no_fork_storm)
{
	const struct timespec while_it_dies = { 3, 0 };
	struct run run;

	start(&run, 2, die_at_once);
	nanosleep(&while_it_dies, NULL);
	/* Two seats: 0, 100, 200, 400, 800, 1600 ms apart. */
	ck_assert_uint_ge(run_count_log(&run, "event=worker.died"), 4);
	ck_assert_uint_le(run_count_log(&run, "event=worker.died"), 16);
	ck_assert_uint_eq(run_count_log(&run, "event=master.ready"), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

START_TEST(a_daemon_whose_workers_are_never_ready_is_a_failure)
{
	struct run run;

	start_as(&run, 1, die_at_once, true);
	ck_assert_int_eq(run_wait_exit(&run), 1);
	ck_assert_uint_eq(run_count_log(&run, "the workers were not ready"), 1);
	ck_assert_uint_eq(run_count_log(&run, "event=master.stopped"), 1);
}
END_TEST

static int
kill_the_master(const struct worker_start *start)
{
	(void)start;
	kill(getppid(), SIGKILL);
	return 0;
}

START_TEST(a_daemon_that_is_killed_before_it_serves_is_a_failure)
{
	struct run run;

	start_as(&run, 1, kill_the_master, true);
	ck_assert_int_eq(run_wait_exit(&run), 1);
	ck_assert_uint_eq(run_count_log(&run, "killed by signal 9"), 1);
}
END_TEST

static int
die_in_later_generations(const struct worker_start *start)
{
	return start->generation > 1 ? 1 : behave(start);
}

START_TEST(a_generation_that_dies_at_its_start_does_not_take_over)
{
	pid_t before[2], after[2];
	struct run run;
	char path[160];

	start(&run, 2, die_in_later_generations);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
		run_wait_log(&run, "event=reload.failed", i);
	}
	/* What was opened for it goes with it. */
	snprintf(path, sizeof(path), "%s/diag", run.dir);
	run_write_conf(&run, "diagAddr: unix:%s\n" CONF, path, 2);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.failed", 4);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_uint_ge(run_count_log(&run, "died before it was ready"), 4);
	family_wait_count(run.pid, 2);
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

static int
be_silent_in_later_generations(const struct worker_start *start)
{
	pid_t master = getppid();

	if (start->generation == 1)
		return behave(start);
	while (getppid() == master)
		poll(NULL, 0, 100);
	return 0;
}

static int
be_silent_in_the_first_generation(const struct worker_start *start)
{
	pid_t master = getppid();

	if (start->generation > 1)
		return behave(start);
	while (getppid() == master)
		poll(NULL, 0, 100);
	return 0;
}

START_TEST(a_reload_that_overtakes_the_start_serves)
{
	struct run run;

	start(&run, 2, be_silent_in_the_first_generation);
	run_wait_log(&run, "listening on", 1);
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_int_eq(run_stop(&run, SIGQUIT), 0);
}
END_TEST

START_TEST(a_generation_that_is_never_ready_does_not_take_over)
{
	pid_t before[2], after[2];
	struct run run;

	start(&run, 2, be_silent_in_later_generations);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "not ready in time", 1);
	family_wait_count(run.pid, 2);
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

/* The first worker of a seat talks nonsense of the kind that its number says. */
static void
talk_nonsense(const struct worker_start *start)
{
	static uint8_t junk[CHAN_MESSAGE_MAX + 64];
	const struct msg_applied far = { UINT64_MAX };
	const struct msg_dial_failed nowhere = { SCOREBOARD_CELLS - 1, ECONNREFUSED };
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(junk, 0xa5, sizeof(junk));
	switch (start->number) {
	case 1: /* no frame */
		(void)!send(start->chan_fd, junk, sizeof(junk), MSG_NOSIGNAL);
		break;
	case 2: /* a type that nobody knows */
		(void)!chan_send(start->chan_fd, 999, junk, 8, -1);
		break;
	case 3: /* one that is the master's to send */
		(void)!msg_send_stop(start->chan_fd);
		break;
	case 4: /* too short, and a descriptor that nobody asked for */
		(void)!chan_send(start->chan_fd, MSG_APPLIED, junk, 3, null_fd);
		break;
	case 5: /* well-formed, and out of range: dropped */
		(void)!msg_send_applied(start->chan_fd, &far);
		(void)!msg_send_dial_failed(start->chan_fd, &nowhere);
		(void)!msg_send_ready(start->chan_fd);
		(void)!msg_send_ready(start->chan_fd);
		break;
	default:
		break;
	}
	close(null_fd);
}

static int
speak_badly(const struct worker_start *start)
{
	talk_nonsense(start);
	return behave(start);
}

START_TEST(workers_that_talk_nonsense_are_replaced)
{
	struct run run;
	size_t fds;

	start(&run, 5, speak_badly);
	/* Killed, or gone by itself once its channel was closed: there are five good ones in the end. */
	run_wait_log(&run, "event=worker.channel", 4);
	run_wait_log(&run, "event=master.ready", 1);
	family_wait_count(run.pid, 5);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.channel"), 4);
	fds = family_count_fds(run.pid);
	/* Nothing that came along stays open: a reload has the same number of workers. */
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	family_wait_count(run.pid, 5);
	ck_assert_uint_le(family_count_fds(run.pid), fds);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

/* What the size of a map is, where the contract does not say. */
static size_t
size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
}

static int
scribble(const struct worker_start *start)
{
	if (start->number == 1) {
		/* Sealed: nobody can pull the ground from under the others. */
		if (ftruncate(start->share->fd, 0) == 0 || ftruncate(start->board->fd, 0) == 0)
			return 42;
		memset(start->share->map, 0xff, size_of(start->share->fd));
		memset(start->board->map, 0xff, size_of(start->board->fd));
		abort();
	}
	return behave(start);
}

START_TEST(a_worker_that_scribbles_takes_nobody_with_it)
{
	const struct timespec an_audit = { 2, 500 * 1000 * 1000 };
	struct run run;

	start(&run, 2, scribble);
	run_wait_log(&run, "event=worker.died", 1);
	ck_assert_uint_eq(run_count_log(&run, "status 42"), 0);
	run_wait_log(&run, "event=master.ready", 1);
	nanosleep(&an_audit, NULL);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

static int
never_read(const struct worker_start *start)
{
	pid_t master = getppid();

	(void)!msg_send_ready(start->chan_fd);
	while (getppid() == master) {
		SHARE_SET(start->share->head->heartbeat_ns, clock_now_ns());
		poll(NULL, 0, 100);
	}
	return 0;
}

START_TEST(a_worker_that_does_not_read_holds_nobody_up)
{
	struct run run;
	size_t fds;

	start(&run, 2, never_read);
	run_wait_log(&run, "event=master.ready", 1);
	fds = family_count_fds(run.pid);
	for (unsigned int i = 0; i < 300; i++)
		ck_assert_int_eq(kill(run.pid, SIGUSR1), 0);
	run_wait_log(&run, "event=log.reopened", 1);
	/* Of each kind the newest waits, and no more. */
	ck_assert_uint_le(family_count_fds(run.pid), fds + 4);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

RUN_MAIN("supervise", workers_that_keep_dying_are_no_fork_storm,
	a_daemon_whose_workers_are_never_ready_is_a_failure,
	a_daemon_that_is_killed_before_it_serves_is_a_failure,
	a_generation_that_dies_at_its_start_does_not_take_over,
	a_reload_that_overtakes_the_start_serves,
	a_generation_that_is_never_ready_does_not_take_over,
	workers_that_talk_nonsense_are_replaced, a_worker_that_scribbles_takes_nobody_with_it,
	a_worker_that_does_not_read_holds_nobody_up)
