/* The workers' lives with the real program: killed, stopped, hung, orphaned, and what becomes of what
 * they held. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "swarm.h"

#define ONE \
	"workers: %d\n" \
	"%s" \
	"frontends:\n" \
	"  - bindAddress: 127.0.0.1:%u\n" \
	"    backendPool:\n" \
	"      tiers:\n" \
	"        - targets:\n" \
	"            - {hosts: [127.0.0.1], port: %u}\n"

static void
start(struct run *run, int workers, const char *top, uint16_t backend)
{
	run_init(run);
	run_write_conf(run, ONE, workers, top, 0, backend);
	run_start(run, NULL);
	run_wait_log(run, "event=master.ready", 1);
}

static unsigned int
count_of(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

/* The sum of the numbers after each " connections=" in lines about deaths. */
static uint64_t
count_lost(struct run *run)
{
	FILE *f = fopen(run->log_path, "re");
	uint64_t lost = 0;
	char line[4096];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *at = strstr(line, " connections=");

		if (strstr(line, "event=worker.died") != NULL && at != NULL)
			lost += strtoull(at + strlen(" connections="), NULL, 10);
	}
	fclose(f);
	return lost;
}

START_TEST(killed_workers_lose_what_they_held_and_nothing_else)
{
	const struct timespec pause = { 0, 250 * 1000 * 1000 };
	unsigned int kills = count_of("IAIDO_TEST_KILLS", 32), i, deaths = 0;
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;
	pid_t pids[4];

	peer_start(&a, 'a');
	start(&run, 4, "", a.port);
	swarm = swarm_start(run_port(&run, 0), 32, 0);
	for (i = 0; i < kills; i++) {
		size_t n = family_children(run.pid, pids, 4);

		if (n > 0 && kill(pids[i % n], SIGKILL) == 0)
			run_wait_log(&run, "event=worker.died", ++deaths);
		nanosleep(&pause, NULL);
	}
	swarm_stop(swarm, &c);
	fprintf(stderr, "%u ", deaths);
	swarm_print("workers killed", &c);
	ck_assert_uint_gt(deaths, kills / 2);
	/* Never refused; and no more failed than the dead say that they held. */
	ck_assert_uint_eq(c.refused, 0);
	ck_assert_uint_le(c.short_failed, count_lost(&run));
	family_wait_count(run.pid, 4);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(all_killed_at_once_are_replaced)
{
	struct peer a = { 0 };
	pid_t pids[8], now[8];
	struct run run;
	char state[64];

	peer_start(&a, 'a');
	start(&run, 8, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 8), 8);
	for (int i = 0; i < 8; i++)
		kill(pids[i], SIGKILL);
	run_wait_log(&run, "event=worker.died", 8);
	family_wait_none_of(run.pid, pids, 8);
	family_wait_count(run.pid, 8);
	ck_assert_uint_eq(family_children(run.pid, now, 8), 8);
	for (int i = 0; i < 8; i++)
		ck_assert_int_ne(family_status(now[i], "State", state, sizeof(state))[0], 'Z');
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_death_is_seen_whatever_the_starter_ignored)
{
	struct peer a = { 0 };
	struct run run;
	pid_t before[2];

	peer_start(&a, 'a');
	signal(SIGCHLD, SIG_IGN);
	start(&run, 2, "", a.port);
	signal(SIGCHLD, SIG_DFL);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	kill(before[0], SIGKILL);
	run_wait_log(&run, "event=worker.died", 1);
	family_wait_none_of(run.pid, before, 1);
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(who_waits_in_the_queue_of_a_killed_worker_is_served)
{
	struct peer a = { 0 };
	struct run run;
	pid_t worker;
	int fds[100];
	char got;

	peer_start(&a, 'a');
	start(&run, 1, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, &worker, 1), 1);
	ck_assert_int_eq(kill(worker, SIGSTOP), 0);
	for (int i = 0; i < 100; i++) {
		fds[i] = peer_connect(run_port(&run, 0));
		ck_assert_int_ge(fds[i], 0);
		ck_assert_int_eq(send(fds[i], "q", 1, MSG_NOSIGNAL), 1);
	}
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
		ck_assert_int_eq(recv(fds[i], &got, 1, 0), 1);
		ck_assert_int_eq(got, 'q');
		close(fds[i]);
	}
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(the_slots_of_a_silent_worker_go_to_its_siblings)
{
	struct peer a = { 0 };
	pid_t pids[2];
	struct run run;
	int fds[40];

	peer_start(&a, 'a');
	start(&run, 2, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 2), 2);
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	/* About half of them are in the stopped one's queue. */
	for (int i = 0; i < 40; i++)
		ck_assert_int_ge(fds[i] = peer_connect(run_port(&run, 0)), 0);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
		close(fds[i]);
	}
	ck_assert_uint_eq(run_count_log(&run, "event=worker.died"), 0);
	ck_assert_int_eq(kill(pids[0], SIGCONT), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_dead_workers_places_are_given_back)
{
	struct peer a = { 0 };
	struct run run;
	pid_t worker;
	int one, two;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run,
		"workers: 1\nfrontends:\n  - bindAddress: 127.0.0.1:0\n    backendPool:\n"
		"      tiers:\n        - maxBackendConnections: 1\n          targets:\n"
		"            - {hosts: [127.0.0.1], port: %u}\n",
		a.port);
	run_start(&run, NULL);
	run_wait_log(&run, "event=master.ready", 1);
	one = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(one), 'a');
	two = peer_connect(run_port(&run, 0));
	ck_assert_uint_eq(family_children(run.pid, &worker, 1), 1);
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	ck_assert_int_eq(peer_greeting(two), 'a');
	close(one);
	close(two);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_hung_worker_is_replaced)
{
	struct timespec pause = { 14, 0 };
	struct peer a = { 0 };
	struct run run;
	pid_t worker;

	peer_start(&a, 'a');
	start(&run, 1, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, &worker, 1), 1);
	ck_assert_int_eq(kill(worker, SIGSTOP), 0);
	/* It is given 30 s; the waits below have 20 of them each. */
	nanosleep(&pause, NULL);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.hung"), 0);
	run_wait_log(&run, "event=worker.hung", 1);
	family_wait_none_of(run.pid, &worker, 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(workers_outlive_a_killed_master_only_as_long_as_needed)
{
	struct peer a = { 0 };
	struct run run, next;
	pid_t pids[2];
	uint16_t port;
	int fd;

	peer_start(&a, 'a');
	start(&run, 2, "", a.port);
	port = run_port(&run, 0);
	fd = peer_connect(port);
	ck_assert_int_eq(peer_greeting(fd), 'a');
	ck_assert_uint_eq(family_children(run.pid, pids, 2), 2);
	ck_assert_int_eq(run_stop(&run, SIGKILL), 128 + SIGKILL);
	/* The address is free at once, though an old worker still serves. */
	run_wait_log(&run, "event=worker.orphaned", 2);
	run_init(&next);
	run_write_conf(&next, ONE, 2, "", port, a.port);
	run_start(&next, NULL);
	run_wait_log(&next, "event=master.ready", 1);
	ck_assert_int_eq(peer_ask(port), 'a');
	ck_assert_int_eq(peer_echo(fd), 0);
	close(fd);
	family_wait_gone(pids[0]);
	family_wait_gone(pids[1]);
	ck_assert_int_eq(run_stop(&next, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(signals_to_the_group_are_the_masters)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct peer a = { 0 };
	pid_t pids[2], now[2];
	struct run run;

	peer_start(&a, 'a');
	start(&run, 2, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 2), 2);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		kill(pids[0], signals[i]);
		kill(pids[1], signals[i]);
	}
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_uint_eq(family_children(run.pid, now, 2), 2);
	ck_assert_mem_eq(pids, now, sizeof(pids));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

static bool
have_equally_many_fds(void *arg)
{
	const pid_t *pids = arg;
	size_t first = family_count_fds(pids[0]);

	for (int i = 1; i < 4; i++)
		if (family_count_fds(pids[i]) != first)
			return false;
	return true;
}

START_TEST(workers_hold_no_descriptor_that_they_do_not_need)
{
	struct peer a = { 0 };
	struct run run;
	pid_t pids[4];

	peer_start(&a, 'a');
	start(&run, 4, "pidFile: iaido.pid\ndiagAddr: 127.0.0.1:0\n", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 4), 4);
	/* Whoever was forked last has no more than the first: nothing of its siblings'. For a
	 * moment a table is one more. */
	ck_assert(run_wait_until(have_equally_many_fds, pids));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(the_oom_killer_is_offered_workers_first)
{
	char path[64], line[16];
	struct peer a = { 0 };
	long scores[2];
	struct run run;
	pid_t pids[2];

	peer_start(&a, 'a');
	start(&run, 1, "", a.port);
	ck_assert_uint_eq(family_children(run.pid, pids, 1), 1);
	pids[1] = run.pid;
	for (int i = 0; i < 2; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pids[i]);
		f = fopen(path, "re");
		ck_assert_ptr_nonnull(f);
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
		scores[i] = strtol(line, NULL, 10);
		fclose(f);
	}
	ck_assert(scores[0] > scores[1] || scores[0] == 1000);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("workers", killed_workers_lose_what_they_held_and_nothing_else,
	all_killed_at_once_are_replaced, a_death_is_seen_whatever_the_starter_ignored,
	who_waits_in_the_queue_of_a_killed_worker_is_served,
	the_slots_of_a_silent_worker_go_to_its_siblings, a_dead_workers_places_are_given_back,
	a_hung_worker_is_replaced, workers_outlive_a_killed_master_only_as_long_as_needed,
	signals_to_the_group_are_the_masters, workers_hold_no_descriptor_that_they_do_not_need,
	the_oom_killer_is_offered_workers_first)
