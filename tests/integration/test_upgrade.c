/* Upgrades in place with the real program and a second build of another version: what clients notice
 * (nothing), and what becomes of a new program that is no good. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "swarm.h"

#define FRONTEND \
	"  - bindAddress: 127.0.0.1:0\n" \
	"    backendPool:\n" \
	"      tiers:\n" \
	"        - maxBackendConnections: %u\n" \
	"          targets:\n" \
	"            - {hosts: [127.0.0.1], port: %u}\n"
#define ONE "workers: 2\nfrontends:\n" FRONTEND

static char this_program[256], next_program[256];

/* Puts a copy where the running program was started from, in one step. */
static void
install(struct run *run, const char *program)
{
	char command[1024];

	snprintf(command, sizeof(command), "cp '%s' '%s/iaido.new' && mv '%s/iaido.new' '%s/iaido'",
		program, run->dir, run->dir, run->dir);
	ck_assert_int_eq(system(command), 0);
}

static void install_script(struct run *run, mode_t mode, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
install_script(struct run *run, mode_t mode, const char *format, ...)
{
	char path[256], target[256];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/script", run->dir);
	snprintf(target, sizeof(target), "%s/iaido", run->dir);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	va_start(ap, format);
	ck_assert_int_gt(vfprintf(f, format, ap), 0);
	va_end(ap);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
	ck_assert_int_eq(rename(path, target), 0);
}

static void
start(struct run *run, unsigned int limit, uint16_t backend)
{
	static char installed[256];

	snprintf(this_program, sizeof(this_program), "%s", getenv("IAIDO"));
	snprintf(next_program, sizeof(next_program), "%s/tests/support/next/iaido",
		getenv("BUILDDIR"));
	run_init(run);
	install(run, this_program);
	snprintf(installed, sizeof(installed), "%s/iaido", run->dir);
	setenv("IAIDO", installed, 1);
	run_write_conf(run, ONE, limit, backend);
	run_start(run, NULL);
	setenv("IAIDO", this_program, 1);
	run_wait_log(run, "event=master.ready", 1);
}

static void
upgrade(struct run *run, unsigned int nth)
{
	ck_assert_int_eq(kill(run->pid, SIGUSR2), 0);
	run_wait_log(run, "event=upgrade.done", nth);
	run_wait_log(run, "event=reload.done", nth);
}

static void
expect_refused(struct run *run, unsigned int nth, const char *why)
{
	ck_assert_int_eq(kill(run->pid, SIGUSR2), 0);
	run_wait_log(run, "event=upgrade.failed", nth);
	ck_assert_msg(run_count_log(run, why) > 0, "the log does not say \"%s\"", why);
	ck_assert_int_eq(peer_ask(run_port(run, 0)), 'a');
	family_wait_count(run->pid, 2);
}

START_TEST(upgrades_under_load_refuse_and_cut_nothing)
{
	const char *text = getenv("IAIDO_TEST_UPGRADES");
	unsigned int upgrades = text != NULL ? (unsigned int)strtoul(text, NULL, 10) : 10, i;
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;
	size_t fds;

	peer_start(&a, 'a');
	start(&run, 0, a.port);
	fds = family_count_fds(run.pid);
	swarm = swarm_start(run_port(&run, 0), 32, 64);
	for (i = 1; i <= upgrades; i++) {
		install(&run, i % 2 ? next_program : this_program);
		upgrade(&run, i);
	}
	swarm_stop(swarm, &c);
	fprintf(stderr, "%u ", upgrades);
	swarm_print("upgrades", &c);
	ck_assert_uint_eq(c.refused + c.short_failed, 0);
	ck_assert_uint_eq(c.streams_cut + c.streams_wrong, 0);
	ck_assert_uint_gt(c.short_ok, 0);
	ck_assert_uint_eq(run_count_log(&run, "version=9.9.9"), (upgrades + 1) / 2);
	/* One process all along, that keeps nothing it does not need. */
	family_wait_count(run.pid, 2);
	ck_assert_uint_le(family_count_fds(run.pid), fds + 1);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_program_that_is_no_good_changes_nothing)
{
	struct peer a = { 0 };
	struct run run;
	pid_t before[2], after[2];
	int fd;

	peer_start(&a, 'a');
	start(&run, 0, a.port);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	install_script(&run, 0600, "#!/bin/sh\n");
	expect_refused(&run, 1, "Permission denied");
	install_script(&run, 0700, "#!/bin/sh\necho no such luck >&2\nexit 3\n");
	expect_refused(&run, 2, "no such luck");
	install_script(&run, 0700, "#!/bin/sh\nkill -SEGV $$\n");
	expect_refused(&run, 3, "signal 11");
	install_script(&run, 0700, "this is no program");
	expect_refused(&run, 4, "Exec format error");
	/* A state that it cannot read: none, and one of another make. */
	install_script(&run, 0700,
		"#!/bin/sh\nIAIDO_STATE=\"${IAIDO_STATE%%%%:*}:0:-1\" exec '%s' \"$@\" "
		"</dev/null\n",
		next_program);
	expect_refused(&run, 5, "state cannot be read");
	install_script(&run, 0700,
		"#!/bin/sh\nhead -c 4096 /dev/zero >'%s/state'\n"
		"IAIDO_STATE=\"${IAIDO_STATE%%%%:*}:0:-1\" exec '%s' \"$@\" <'%s/state'\n",
		run.dir, next_program, run.dir);
	expect_refused(&run, 6, "state cannot be read");
	install_script(&run, 0700, "#!/bin/sh\necho all is well\n");
	expect_refused(&run, 7, "ended without being ready");
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	ck_assert_int_eq(peer_echo(fd), 0);
	install(&run, next_program);
	upgrade(&run, 1);
	ck_assert_int_eq(peer_echo(fd), 0);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_configuration_that_the_new_program_refuses_changes_nothing)
{
	struct peer a = { 0 };
	struct run run;

	peer_start(&a, 'a');
	start(&run, 0, a.port);
	install(&run, next_program);
	run_write_conf(&run, "nosuchkey: 1\n" ONE, 0, a.port);
	expect_refused(&run, 1, "event=upgrade.failed");
	run_write_conf(&run, ONE FRONTEND, 0, a.port, 0, a.port);
	/* The upgrade takes what the file says by then. */
	upgrade(&run, 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(peer_ask(run_port(&run, 1)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_program_that_hangs_changes_nothing)
{
	struct peer a = { 0 };
	struct run run;
	int fd;

	peer_start(&a, 'a');
	start(&run, 0, a.port);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	install_script(&run, 0700, "#!/bin/sh\nexec sleep 60\n");
	expect_refused(&run, 1, "not ready within 10 s");
	ck_assert_int_eq(peer_echo(fd), 0);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_fault_found_too_late_leads_back)
{
	struct swarm_counts c;
	struct peer a = { 0 };
	struct swarm *swarm;
	struct run run;
	pid_t before[2], after[2];
	char comm[64];

	peer_start(&a, 'a');
	setenv("IAIDO_TEST_FAULT", "takeover", 1);
	start(&run, 0, a.port);
	unsetenv("IAIDO_TEST_FAULT");
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	swarm = swarm_start(run_port(&run, 0), 8, 8);
	install(&run, next_program);
	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(kill(run.pid, SIGUSR2), 0);
		run_wait_log(&run, "event=upgrade.returned", i);
	}
	ck_assert_uint_eq(run_count_log(&run, "event=upgrade.done"), 0);
	ck_assert_str_eq(family_status(run.pid, "Name", comm, sizeof(comm)), "iaido");
	family_wait_count(run.pid, 2);
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	/* It can still do what it is asked to. */
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	install(&run, this_program);
	ck_assert_int_eq(kill(run.pid, SIGUSR2), 0);
	run_wait_log(&run, "event=upgrade.done", 1);
	swarm_stop(swarm, &c);
	ck_assert_msg(c.refused + c.short_failed + c.streams_cut + c.streams_wrong == 0, "%s",
		c.first_error);
	family_wait_count(run.pid, 2);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(limits_and_drains_go_on_after_an_upgrade)
{
	struct peer a = { 0 };
	struct run run;
	uint16_t port;
	int one, two;
	char end;

	peer_start(&a, 'a');
	start(&run, 1, a.port);
	port = run_port(&run, 0);
	one = peer_connect(port);
	ck_assert_int_eq(peer_greeting(one), 'a');
	install(&run, next_program);
	upgrade(&run, 1);
	/* The place is held by a worker of the program before. */
	two = peer_connect(port);
	ck_assert_int_eq(recv(two, &end, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(peer_echo(one), 0);
	close(one);
	ck_assert_int_eq(peer_greeting(two), 'a');
	/* And the worker that had nothing left to do has gone. */
	family_wait_count(run.pid, 2);
	close(two);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(signals_during_an_upgrade_are_not_lost)
{
	struct peer a = { 0 };
	struct run run;

	peer_start(&a, 'a');
	start(&run, 0, a.port);
	install(&run, next_program);
	kill(run.pid, SIGUSR2);
	kill(run.pid, SIGUSR2);
	kill(run.pid, SIGHUP);
	run_wait_log(&run, "event=upgrade.exec", 1);
	kill(run.pid, SIGTERM);
	ck_assert_int_eq(run_wait_exit(&run), 0);
	peer_stop(&a);
}
END_TEST

/* Runs `iaido -c iaido.yaml -d` of the run's directory; what it exits with. */
static int
start_daemon(struct run *run)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "cd '%s' && exec ./iaido -c iaido.yaml -d >>'%s' 2>&1",
		run->dir, run->log_path);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static pid_t
read_pid(struct run *run)
{
	char path[256];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/iaido.pid", run->dir);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

START_TEST(a_daemon_keeps_its_pid_file_over_an_upgrade)
{
	struct peer a = { 0 };
	struct run run;
	pid_t pid;

	peer_start(&a, 'a');
	run_init(&run);
	snprintf(this_program, sizeof(this_program), "%s", getenv("IAIDO"));
	snprintf(next_program, sizeof(next_program), "%s/tests/support/next/iaido",
		getenv("BUILDDIR"));
	install(&run, this_program);
	run_write_conf(&run, "pidFile: iaido.pid\nlog: {target: iaido.log}\n" ONE, 0, a.port);
	ck_assert_int_eq(start_daemon(&run), 0);
	pid = read_pid(&run);
	install(&run, next_program);
	ck_assert_int_eq(kill(pid, SIGUSR2), 0);
	run_wait_log(&run, "event=upgrade.done", 1);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(read_pid(&run), pid);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	/* Locked as before. */
	ck_assert_int_eq(start_daemon(&run), 1);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	family_wait_gone(pid);
	ck_assert_int_eq(start_daemon(&run), 0);
	pid = read_pid(&run);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	family_wait_gone(pid);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("upgrade", upgrades_under_load_refuse_and_cut_nothing,
	a_program_that_is_no_good_changes_nothing,
	a_configuration_that_the_new_program_refuses_changes_nothing,
	a_program_that_hangs_changes_nothing, a_fault_found_too_late_leads_back,
	limits_and_drains_go_on_after_an_upgrade, signals_during_an_upgrade_are_not_lost,
	a_daemon_keeps_its_pid_file_over_an_upgrade)
