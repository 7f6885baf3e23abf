/* Reloads with the real program: nothing refused, nothing cut, all or nothing, and who leaves when. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "swarm.h"

#define TOP "workers: %d\n%s"
#define POOL \
	"    backendPool:\n" \
	"      tiers:\n" \
	"        - targets:\n" \
	"            - {hosts: [127.0.0.1], port: %u}\n"
#define FRONTEND "  - bindAddress: %s\n" POOL
#define ONE TOP "frontends:\n" FRONTEND
#define TWO ONE FRONTEND

static const char *const no_watch[] = { "--reloadPeriod", "0", NULL };
static const char *const quick_watch[] = { "--reloadPeriod", "50ms", NULL };

static void
start(struct run *run, const char *const *args, unsigned int frontends)
{
	run_start(run, args);
	run_wait_log(run, "event=master.ready", 1);
	(void)run_port(run, frontends - 1);
}

static void
hang_up(struct run *run)
{
	ck_assert_int_eq(kill(run->pid, SIGHUP), 0);
}

static void
reload(struct run *run, unsigned int nth)
{
	hang_up(run);
	run_wait_log(run, "event=reload.done", nth);
}

/* How many, where the figure is the point; fewer where time is short. */
static unsigned int
count_of(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

START_TEST(reloads_under_load_refuse_and_cut_nothing)
{
	unsigned int reloads = count_of("IAIDO_TEST_RELOADS", 12), i;
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	swarm = swarm_start(run_port(&run, 0), 32, 64);
	for (i = 1; i <= reloads; i++)
		reload(&run, i);
	swarm_stop(swarm, &c);
	fprintf(stderr, "%u ", reloads);
	swarm_print("reloads", &c);
	ck_assert_uint_eq(c.refused + c.short_failed, 0);
	ck_assert_uint_eq(c.streams_cut + c.streams_wrong, 0);
	ck_assert_uint_gt(c.short_ok, 0);
	/* With the streams gone, every old worker leaves. */
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_storm_of_hangups_is_a_few_reloads)
{
	const struct timespec pause = { 0, 10 * 1000 * 1000 };
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;
	unsigned int i;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	swarm = swarm_start(run_port(&run, 0), 8, 8);
	for (i = 0; i < 200; i++) {
		hang_up(&run);
		nanosleep(&pause, NULL);
	}
	run_wait_log(&run, "event=reload.done", 2);
	swarm_stop(swarm, &c);
	ck_assert_uint_eq(c.refused + c.short_failed, 0);
	ck_assert_uint_eq(c.streams_cut + c.streams_wrong, 0);
	family_wait_count(run.pid, 2);
	ck_assert_uint_lt(run_count_log(&run, "event=reload.done"), 20);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

/* The n'th refusal, and the frontend serves as before. */
static void
expect_refused(struct run *run, unsigned int nth, const char *why)
{
	run_wait_log(run, "event=reload.failed", nth);
	ck_assert_msg(run_count_log(run, why) > 0, "the log does not say \"%s\"", why);
	ck_assert_int_eq(peer_ask(run_port(run, 0)), 'a');
}

START_TEST(a_file_that_cannot_be_used_changes_nothing)
{
	char conf[4096];
	struct peer a = { 0 };
	pid_t before[2], after[2];
	struct run run;
	FILE *f;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);

	run_write_conf(&run, ONE, 2, "nosuchkey: 1\n", "127.0.0.1:0", a.port);
	hang_up(&run);
	expect_refused(&run, 1, "nosuchkey");

	/* Half of it. */
	snprintf(conf, sizeof(conf), ONE, 2, "", "127.0.0.1:0", a.port);
	run_write_conf(&run, "%.*s", (int)strlen(conf) - 20, conf);
	hang_up(&run);
	expect_refused(&run, 2, "event=config.error");

	ck_assert_int_eq(unlink(run.conf_path), 0);
	hang_up(&run);
	expect_refused(&run, 3, "No such file");

	ck_assert_int_eq(mkdir(run.conf_path, 0700), 0);
	hang_up(&run);
	expect_refused(&run, 4, "event=reload.failed");
	ck_assert_int_eq(rmdir(run.conf_path), 0);

	ck_assert_int_eq(mkfifo(run.conf_path, 0600), 0);
	hang_up(&run);
	expect_refused(&run, 5, "event=reload.failed");
	ck_assert_int_eq(unlink(run.conf_path), 0);

	f = fopen(run.conf_path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(ftruncate(fileno(f), INT64_C(1) << 30), 0);
	fclose(f);
	hang_up(&run);
	expect_refused(&run, 6, "event=reload.failed");

	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	reload(&run, 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(bad_reloads_leave_no_descriptor_behind)
{
	struct peer a = { 0 }, holder = { 0 };
	char taken[32];
	struct run run;
	size_t before;
	unsigned int i;

	peer_start(&a, 'a');
	peer_start(&holder, 'h');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	before = family_count_fds(run.pid);
	/* The first new address can be had, the second cannot: none of it stays. */
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", holder.port);
	run_write_conf(&run, ONE "  - bindAddress: 127.0.0.2:0\n" POOL FRONTEND, 2, "",
		"127.0.0.1:0", a.port, a.port, taken, a.port);
	for (i = 1; i <= 40; i++) {
		hang_up(&run);
		run_wait_log(&run, "event=reload.failed", i);
	}
	expect_refused(&run, 40, "cannot listen on");
	/* One may be a probe's, now or then. */
	ck_assert_uint_le(family_count_fds(run.pid), before + 1);
	ck_assert_uint_eq(run_count_log(&run, "event=reload.done"), 0);
	peer_stop(&holder);
	reload(&run, 1);
	ck_assert_int_eq(peer_ask(holder.port), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_swapped_symlink_is_seen)
{
	struct peer a = { 0 }, b = { 0 };
	char one[256], two[256], data[256], next[256];
	struct run run;
	uint16_t port;

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_init(&run);
	/* As a ConfigMap is mounted: iaido.yaml -> ..data/iaido.yaml, ..data -> one. */
	snprintf(one, sizeof(one), "%s/one", run.dir);
	snprintf(two, sizeof(two), "%s/two", run.dir);
	snprintf(data, sizeof(data), "%s/..data", run.dir);
	snprintf(next, sizeof(next), "%s/..data_tmp", run.dir);
	ck_assert_int_eq(mkdir(one, 0700), 0);
	ck_assert_int_eq(mkdir(two, 0700), 0);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", a.port);
	snprintf(one, sizeof(one), "%s/one/iaido.yaml", run.dir);
	ck_assert_int_eq(rename(run.conf_path, one), 0);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", b.port);
	snprintf(two, sizeof(two), "%s/two/iaido.yaml", run.dir);
	ck_assert_int_eq(rename(run.conf_path, two), 0);
	ck_assert_int_eq(symlink("one", data), 0);
	ck_assert_int_eq(symlink("..data/iaido.yaml", run.conf_path), 0);
	start(&run, quick_watch, 1);
	port = run_port(&run, 0);
	ck_assert_int_eq(peer_ask(port), 'a');
	ck_assert_int_eq(symlink("two", next), 0);
	ck_assert_int_eq(rename(next, data), 0);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(port), 'b');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

START_TEST(a_file_that_comes_back_is_read_again)
{
	struct peer a = { 0 };
	char aside[192];
	struct run run;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", a.port);
	start(&run, quick_watch, 1);
	snprintf(aside, sizeof(aside), "%s.aside", run.conf_path);
	ck_assert_int_eq(rename(run.conf_path, aside), 0);
	expect_refused(&run, 1, "No such file");
	/* The same file, with the same time: it is in force already, and said to be good again. */
	ck_assert_int_eq(rename(aside, run.conf_path), 0);
	run_wait_log(&run, "event=reload.same", 1);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	run_wait_log(&run, "event=reload.done", 1);
	/* Told once, not each period. */
	ck_assert_uint_eq(run_count_log(&run, "event=reload.failed"), 1);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(an_edited_comment_respawns_nothing)
{
	struct peer a = { 0 };
	pid_t before[2], after[2];
	struct run run;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "log: {level: debug}\n", "127.0.0.1:0", a.port);
	start(&run, quick_watch, 1);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	run_write_conf(
		&run, "# a comment\n" ONE, 2, "log: {level: debug}\n", "127.0.0.1:0", a.port);
	run_wait_log(&run, "event=reload.same", 1);
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	/* But on HUP they are respawned, whatever stands there. */
	reload(&run, 1);
	family_wait_none_of(run.pid, before, 2);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_file_whose_time_is_unchanged_is_read_on_hangup)
{
	struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
	struct peer a = { 0 }, b = { 0 };
	struct run run;

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_init(&run);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", a.port);
	ck_assert_int_eq(utimensat(AT_FDCWD, run.conf_path, times, 0), 0);
	start(&run, no_watch, 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", b.port);
	ck_assert_int_eq(utimensat(AT_FDCWD, run.conf_path, times, 0), 0);
	reload(&run, 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'b');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

/* A port that nobody has at the moment. */
static uint16_t
find_free_port(void)
{
	struct peer p = { 0 };

	peer_start(&p, 'x');
	peer_stop(&p);
	return p.port;
}

START_TEST(the_diagnostics_address_follows_the_file)
{
	uint16_t first = find_free_port(), second = find_free_port();
	struct peer a = { 0 };
	char top[64];
	struct run run;
	int fd;

	peer_start(&a, 'a');
	run_init(&run);
	snprintf(top, sizeof(top), "diagAddr: 127.0.0.1:%u\n", first);
	run_write_conf(&run, ONE, 1, top, "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	ck_assert_int_ge(fd = peer_connect(first), 0);
	close(fd);
	snprintf(top, sizeof(top), "diagAddr: 127.0.0.1:%u\n", second);
	run_write_conf(&run, ONE, 1, top, "127.0.0.1:0", a.port);
	reload(&run, 1);
	ck_assert_int_ge(fd = peer_connect(second), 0);
	close(fd);
	ck_assert_int_lt(peer_connect(first), 0);
	/* One that is taken refuses the reload. */
	snprintf(top, sizeof(top), "diagAddr: 127.0.0.1:%u\n", a.port);
	run_write_conf(&run, ONE, 1, top, "127.0.0.1:0", a.port);
	hang_up(&run);
	expect_refused(&run, 1, "diagAddr: cannot listen on");
	ck_assert_int_ge(fd = peer_connect(second), 0);
	close(fd);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", a.port);
	reload(&run, 2);
	ck_assert_int_lt(peer_connect(second), 0);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(the_number_of_workers_follows_the_file)
{
	static const int counts[] = { 4, 1, 3, 2 };
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;
	unsigned int i;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 1, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	swarm = swarm_start(run_port(&run, 0), 16, 0);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		run_write_conf(&run, ONE, counts[i], "", "127.0.0.1:0", a.port);
		reload(&run, i + 1);
		family_wait_count(run.pid, (size_t)counts[i]);
	}
	swarm_stop(swarm, &c);
	ck_assert_msg(c.refused + c.short_failed == 0, "%s", c.first_error);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(frontends_come_and_go)
{
	struct peer a = { 0 }, b = { 0 };
	uint16_t first, second;
	struct run run;
	int stays;

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_init(&run);
	run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	first = run_port(&run, 0);
	run_write_conf(&run, TWO, 2, "", "127.0.0.1:0", a.port, "127.0.0.2:0", b.port);
	reload(&run, 1);
	second = run_port(&run, 1);
	ck_assert_int_eq(peer_ask(first), 'a');
	/* peer_connect() goes to 127.0.0.1; the second has an address of its own. */
	stays = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(second) };

		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
		ck_assert_int_eq(connect(stays, (struct sockaddr *)&in, sizeof(in)), 0);
		ck_assert_int_eq(peer_greeting(stays), 'b');
		run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
		reload(&run, 2);
		/* Whoever is there may stay; nobody comes any more. */
		ck_assert_int_eq(peer_echo(stays), 0);
		close(stays);
		stays = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_lt(connect(stays, (struct sockaddr *)&in, sizeof(in)), 0);
		ck_assert_int_eq(errno, ECONNREFUSED);
		close(stays);
	}
	ck_assert_int_eq(peer_ask(first), 'a');
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

/* The last to let go of a socket may be a worker that has just begun to drain. */
static bool
is_refused(void *arg)
{
	int fd = peer_connect(*(uint16_t *)arg);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

START_TEST(a_frontend_that_comes_back_is_served)
{
	struct peer a = { 0 }, b = { 0 };
	char address[32];
	struct run run;
	uint16_t port;
	int stays[3];

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	snprintf(address, sizeof(address), "127.0.0.1:%u", find_free_port());
	run_init(&run);
	run_write_conf(&run, TWO, 2, "", "127.0.0.1:0", a.port, address, b.port);
	start(&run, no_watch, 2);
	port = run_port(&run, 1);
	for (unsigned int i = 0; i < 3; i++) {
		/* While it is away, somebody is left of its former life. */
		ck_assert_int_ge(stays[i] = peer_connect(run_port(&run, 1)), 0);
		ck_assert_int_eq(peer_greeting(stays[i]), 'b');
		run_write_conf(&run, ONE, 2, "", "127.0.0.1:0", a.port);
		reload(&run, 2 * i + 1);
		ck_assert(run_wait_until(is_refused, &port));
		run_write_conf(&run, TWO, 2, "", "127.0.0.1:0", a.port, address, b.port);
		reload(&run, 2 * i + 2);
		ck_assert_int_eq(peer_ask(run_port(&run, 1)), 'b');
	}
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(peer_echo(stays[i]), 0);
		close(stays[i]);
	}
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

START_TEST(replaced_workers_leave_at_drain_timeout)
{
	struct peer a = { 0 };
	struct run run;
	pid_t old[1];
	int fd;
	char end;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 1, "drainTimeout: 2s\n", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	ck_assert_uint_eq(family_children(run.pid, old, 1), 1);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	reload(&run, 1);
	family_wait_none_of(run.pid, old, 1);
	ck_assert_int_le(recv(fd, &end, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(generations_too_many_are_drained)
{
	struct peer a = { 0 };
	struct run run;
	int fds[3];

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, ONE, 1, "maxGenerations: 1\n", "127.0.0.1:0", a.port);
	start(&run, no_watch, 1);
	for (unsigned int i = 0; i < 3; i++) {
		fds[i] = peer_connect(run_port(&run, 0));
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
		if (i == 0) {
			reload(&run, 1);
			ck_assert_uint_eq(run_count_log(&run, "event=generation.evicted"), 0);
		} else if (i == 1) {
			reload(&run, 2);
		}
	}
	run_wait_log(&run, "event=generation.evicted generation=1", 1);
	ck_assert_uint_eq(run_count_log(&run, "event=generation.evicted"), 1);
	/* The others are not concerned. */
	ck_assert_int_eq(peer_echo(fds[1]), 0);
	ck_assert_int_eq(peer_echo(fds[2]), 0);
	for (unsigned int i = 0; i < 3; i++)
		close(fds[i]);
	family_wait_count(run.pid, 1);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(limits_hold_over_generations)
{
	struct peer a = { 0 };
	struct run run;
	uint16_t port;
	int one, two;
	char end;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run,
		TOP "frontends:\n  - bindAddress: 127.0.0.1:0\n    backendPool:\n      tiers:\n"
		    "        - maxBackendConnections: 1\n          targets:\n"
		    "            - {hosts: [127.0.0.1], port: %u}\n",
		2, "", a.port);
	start(&run, no_watch, 1);
	port = run_port(&run, 0);
	one = peer_connect(port);
	ck_assert_int_eq(peer_greeting(one), 'a');
	reload(&run, 1);
	/* The place is held by the old generation: the second waits in the queue. */
	two = peer_connect(port);
	ck_assert_int_ge(two, 0);
	ck_assert_int_eq(recv(two, &end, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(peer_echo(one), 0);
	close(one);
	ck_assert_int_eq(peer_greeting(two), 'a');
	close(two);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	ck_assert_uint_eq(atomic_load(&a.counts->most), 1);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("reload", reloads_under_load_refuse_and_cut_nothing, a_storm_of_hangups_is_a_few_reloads,
	a_file_that_cannot_be_used_changes_nothing, bad_reloads_leave_no_descriptor_behind,
	a_swapped_symlink_is_seen, a_file_that_comes_back_is_read_again,
	an_edited_comment_respawns_nothing, a_file_whose_time_is_unchanged_is_read_on_hangup,
	the_diagnostics_address_follows_the_file, the_number_of_workers_follows_the_file,
	frontends_come_and_go, a_frontend_that_comes_back_is_served,
	replaced_workers_leave_at_drain_timeout, generations_too_many_are_drained,
	limits_hold_over_generations)
