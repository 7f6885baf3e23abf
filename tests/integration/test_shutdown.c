/* The end, with the real program: TERM, INT and QUIT, once and twice, with and without connections. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "swarm.h"

#define ONE \
	"workers: 2\n" \
	"%s" \
	"frontends:\n" \
	"  - bindAddress: 127.0.0.1:0\n" \
	"    backendPool:\n" \
	"      tiers:\n" \
	"        - targets:\n" \
	"            - {hosts: [127.0.0.1], port: %u}\n"

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
start(struct run *run, const char *top, uint16_t backend)
{
	run_init(run);
	run_write_conf(run, ONE, top, backend);
	run_start(run, NULL);
	run_wait_log(run, "event=master.ready", 1);
}

static void
signal_and_wait_log(struct run *run, int signum, const char *text, unsigned int times)
{
	ck_assert_int_eq(kill(run->pid, signum), 0);
	run_wait_log(run, text, times);
}

static void
expect_workers_gone(const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		family_wait_gone(pids[i]);
}

START_TEST(without_connections_it_ends_at_once)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct peer a = { 0 };
		struct run run;
		pid_t pids[2];

		peer_start(&a, 'a');
		/* It does not wait for the grace period: that is longer than this test may take. */
		start(&run, "gracePeriod: 5m\n", a.port);
		ck_assert_uint_eq(family_children(run.pid, pids, 2), 2);
		ck_assert_int_eq(run_stop(&run, signals[i]), 0);
		ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=0"), 1);
		expect_workers_gone(pids, 2);
		peer_stop(&a);
	}
}
END_TEST

START_TEST(connections_may_end_within_the_grace_period)
{
	struct peer a = { 0 };
	struct run run;
	uint16_t port;
	int fd;

	peer_start(&a, 'a');
	/* Idle ones are closed in its first half: this one must not look idle for long. */
	start(&run, "gracePeriod: 1m\n", a.port);
	port = run_port(&run, 0);
	fd = peer_connect(port);
	ck_assert_int_eq(peer_greeting(fd), 'a');
	signal_and_wait_log(&run, SIGTERM, "event=master.stopping", 1);
	/* New ones are refused, and do not just hang. */
	while (peer_ask(port) != 0)
		;
	ck_assert_int_lt(peer_connect(port), 0);
	ck_assert_int_eq(peer_echo(fd), 0);
	close(fd);
	ck_assert_int_eq(run_wait_exit(&run), 0);
	ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=0"), 1);
	peer_stop(&a);
}
END_TEST

START_TEST(what_is_left_is_closed_and_counted)
{
	struct peer a = { 0 };
	struct run run;
	int64_t began;
	int fds[10];
	char end;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 2s\n", a.port);
	for (int i = 0; i < 10; i++) {
		fds[i] = peer_connect(run_port(&run, 0));
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
	}
	began = now_ms();
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	/* Not all at once, and not without end. */
	ck_assert_int_lt(now_ms() - began, 15000);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_le(recv(fds[i], &end, 1, 0), 0);
		close(fds[i]);
	}
	ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=10"), 1);
	peer_stop(&a);
}
END_TEST

START_TEST(a_second_signal_ends_at_once)
{
	const struct timespec more_than_100ms = { 0, 150 * 1000 * 1000 };
	static const int firsts[] = { SIGTERM, SIGINT, SIGTERM };
	static const int seconds[] = { SIGTERM, SIGINT, SIGQUIT };

	for (int i = 0; i < 3; i++) {
		struct peer a = { 0 };
		struct run run;
		int fd;

		peer_start(&a, 'a');
		start(&run, "gracePeriod: 10m\n", a.port);
		fd = peer_connect(run_port(&run, 0));
		ck_assert_int_eq(peer_greeting(fd), 'a');
		signal_and_wait_log(&run, firsts[i], "event=master.stopping", 1);
		nanosleep(&more_than_100ms, NULL);
		ck_assert_int_eq(run_stop(&run, seconds[i]), 0);
		ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=1"), 1);
		close(fd);
		peer_stop(&a);
	}
}
END_TEST

START_TEST(one_signal_that_comes_twice_is_one)
{
	struct peer a = { 0 };
	struct run run;
	int fd;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 10m\n", a.port);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	/* As from a terminal and a supervisor at the same moment. */
	kill(run.pid, SIGTERM);
	kill(run.pid, SIGINT);
	run_wait_log(&run, "event=master.stopping", 1);
	ck_assert_int_eq(peer_echo(fd), 0);
	ck_assert_uint_eq(run_count_log(&run, "ending at once"), 0);
	close(fd);
	ck_assert_int_eq(run_wait_exit(&run), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(the_grace_period_is_for_all_generations)
{
	struct peer a = { 0 };
	struct run run;
	int old, new;
	char end;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 2s\n", a.port);
	old = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(old), 'a');
	signal_and_wait_log(&run, SIGHUP, "event=reload.done", 1);
	new = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(new), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	ck_assert_int_le(recv(old, &end, 1, 0), 0);
	ck_assert_int_le(recv(new, &end, 1, 0), 0);
	ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=2"), 1);
	close(old);
	close(new);
	peer_stop(&a);
}
END_TEST

START_TEST(with_keep_accepting_newcomers_are_served_until_nobody_is_there)
{
	struct peer a = { 0 };
	struct run run;
	uint16_t port;
	int fd;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 2m\nkeepAccepting: true\n", a.port);
	port = run_port(&run, 0);
	fd = peer_connect(port);
	ck_assert_int_eq(peer_greeting(fd), 'a');
	signal_and_wait_log(&run, SIGTERM, "event=master.stopping", 1);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(peer_ask(port), 'a');
	ck_assert_int_eq(peer_echo(fd), 0);
	close(fd);
	/* With nobody there for a second, it ends long before the grace period does. */
	ck_assert_int_eq(run_wait_exit(&run), 0);
	ck_assert_int_lt(peer_connect(port), 0);
	ck_assert_uint_eq(run_count_log(&run, "event=master.stopped closed=0"), 1);
	peer_stop(&a);
}
END_TEST

START_TEST(with_keep_accepting_short_visits_keep_it_open)
{
	struct peer a = { 0 };
	struct run run;
	uint16_t port;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 2m\nkeepAccepting: true\n", a.port);
	port = run_port(&run, 0);
	signal_and_wait_log(&run, SIGTERM, "event=master.stopping", 1);
	/* Each is over in a moment; but never is nobody there for a second. */
	for (int i = 0; i < 12; i++) {
		int64_t before_ms = now_ms();

		poll(NULL, 0, 200);
		if (now_ms() - before_ms > 500)
			break; /* a machine so busy that nothing can be said */
		ck_assert_int_eq(peer_ask(port), 'a');
	}
	ck_assert_int_eq(run_wait_exit(&run), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(stopped_workers_do_not_keep_it)
{
	struct peer a = { 0 };
	struct run run;
	pid_t pids[2];

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 1s\n", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 2), 2);
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	expect_workers_gone(pids, 2);
	peer_stop(&a);
}
END_TEST

START_TEST(a_signal_at_any_moment_of_the_start_ends_it)
{
	struct peer a = { 0 };

	peer_start(&a, 'a');
	for (long i = 0; i < 40; i++) {
		struct timespec offset = { 0, i * 1000 * 1000 };
		struct run run;
		int status;

		run_init(&run);
		run_write_conf(&run, ONE, "gracePeriod: 10m\n", a.port);
		run_start(&run, NULL);
		nanosleep(&offset, NULL);
		status = run_stop(&run, SIGTERM);
		/* Before it could know of signals, it is the kernel that ends it. */
		ck_assert(status == 0 || status == 128 + SIGTERM);
	}
	peer_stop(&a);
}
END_TEST

START_TEST(a_storm_of_signals_loses_no_end)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGCHLD, SIGHUP };
	const struct timespec pause = { 0, 1000 * 1000 };
	struct peer a = { 0 };
	struct run run;

	peer_start(&a, 'a');
	start(&run, "gracePeriod: 10s\n", a.port);
	for (size_t i = 0; i < 2000; i++) {
		kill(run.pid, signals[i % 4]);
		if (i % 50 == 0)
			nanosleep(&pause, NULL);
	}
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	for (size_t i = 0; i < 100; i++) {
		kill(run.pid, signals[i % 4]);
		if (i == 50)
			kill(run.pid, SIGTERM);
	}
	ck_assert_int_eq(run_wait_exit(&run), 0);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("shutdown", without_connections_it_ends_at_once,
	connections_may_end_within_the_grace_period, what_is_left_is_closed_and_counted,
	a_second_signal_ends_at_once, one_signal_that_comes_twice_is_one,
	the_grace_period_is_for_all_generations,
	with_keep_accepting_newcomers_are_served_until_nobody_is_there,
	with_keep_accepting_short_visits_keep_it_open, stopped_workers_do_not_keep_it,
	a_signal_at_any_moment_of_the_start_ends_it, a_storm_of_signals_loses_no_end)
