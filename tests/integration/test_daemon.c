/* A proper Unix daemon: -d, pid file, logs, privileges, PID 1, the service manager, closed descriptors. */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"

#define FRONTEND \
	"frontends:\n" \
	"  - bindAddress: %s\n" \
	"    backendPool:\n" \
	"      tiers:\n" \
	"        - targets:\n" \
	"            - {hosts: [127.0.0.1], port: %u}\n"
#define DAEMON "workers: 2\npidFile: iaido.pid\nlog: {target: daemon.log}\n"

/* A daemon is in a session of its own: when the test ends before it has stopped it, this does. */
static void
guard(const char *pid_path)
{
	int fds[2];
	char end;
	FILE *f;
	int pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	if (fork() != 0) {
		close(fds[0]);
		return;
	}
	setsid();
	close(fds[1]);
	while (read(fds[0], &end, 1) < 0 && errno == EINTR)
		;
	f = fopen(pid_path, "re");
	if (f != NULL && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	_exit(0);
}

/* Runs `iaido -c iaido.yaml ARGS` in the run's directory, its stderr in the log; what it exits with. */
static int
run_to_end(struct run *run, const char *const *args)
{
	const char *argv[16] = { "iaido", "-c", "iaido.yaml" };
	int i = 3, fd, status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		while (args != NULL && *args != NULL && i < 15)
			argv[i++] = *args++;
		fd = open(run->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (chdir(run->dir) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		execv(getenv("IAIDO"), (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const char *const as_daemon[] = { "-d", NULL };

static const char *
path_in(const struct run *run, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", run->dir, name);
	return path;
}

static pid_t
read_pid(const struct run *run, const char *name)
{
	FILE *f = fopen(path_in(run, name), "re");
	int pid = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* The log is a file of the daemon's own: the same helpers read it. */
static void
look_at_daemon_log(struct run *run)
{
	snprintf(run->log_path, sizeof(run->log_path), "%s/daemon.log", run->dir);
}

static void
stop_daemon(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	family_wait_gone(pid);
}

static void
expect_null(pid_t pid, int fd)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	ck_assert_int_gt(readlink(path, target, sizeof(target) - 1), 0);
	ck_assert_str_eq(target, "/dev/null");
}

START_TEST(it_detaches_once_it_serves)
{
	char path[64], cwd[64] = "";
	struct peer a = { 0 };
	struct run run;
	pid_t pid;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, DAEMON FRONTEND, "127.0.0.1:0", a.port);
	guard(path_in(&run, "iaido.pid"));
	ck_assert_int_eq(run_to_end(&run, as_daemon), 0);
	/* From here on nothing is waited for. */
	look_at_daemon_log(&run);
	ck_assert_uint_eq(run_count_log(&run, "listening on"), 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	pid = read_pid(&run, "iaido.pid");
	ck_assert_int_eq(getsid(pid), pid);
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	ck_assert_int_gt(readlink(path, cwd, sizeof(cwd) - 1), 0);
	ck_assert_str_eq(cwd, "/");
	for (int fd = 0; fd < 3; fd++)
		expect_null(pid, fd);
	stop_daemon(pid);
	ck_assert_int_ne(access(path_in(&run, "iaido.pid"), F_OK), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_daemon_reloads_its_relative_names)
{
	struct peer a = { 0 }, b = { 0 };
	struct run run;
	pid_t pid;

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_init(&run);
	run_write_conf(&run, DAEMON FRONTEND, "127.0.0.1:0", a.port);
	guard(path_in(&run, "iaido.pid"));
	ck_assert_int_eq(run_to_end(&run, as_daemon), 0);
	look_at_daemon_log(&run);
	pid = read_pid(&run, "iaido.pid");
	run_write_conf(&run, "workers: 1\npidFile: other.pid\nlog: {target: daemon.log}\n" FRONTEND,
		"127.0.0.1:0", b.port);
	ck_assert_int_eq(kill(pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'b');
	ck_assert_int_eq(read_pid(&run, "other.pid"), pid);
	ck_assert_int_ne(access(path_in(&run, "iaido.pid"), F_OK), 0);
	stop_daemon(pid);
	ck_assert_int_ne(access(path_in(&run, "other.pid"), F_OK), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

static void expect_failure(const char *why, const char *conf, ...)
	__attribute__((format(printf, 2, 3)));

static void
expect_failure(const char *why, const char *conf, ...)
{
	char text[2048];
	struct run run;
	va_list ap;

	va_start(ap, conf);
	vsnprintf(text, sizeof(text), conf, ap);
	va_end(ap);
	run_init(&run);
	run_write_conf(&run, "%s", text);
	guard(path_in(&run, "iaido.pid"));
	ck_assert_int_eq(run_to_end(&run, as_daemon), 1);
	/* On the starter's stderr, whatever the log is. */
	ck_assert_msg(run_count_log(&run, why) > 0, "no \"%s\" on stderr", why);
	ck_assert_int_ne(access(path_in(&run, "iaido.pid"), F_OK), 0);
}

START_TEST(a_start_that_fails_is_told_to_the_starter)
{
	struct peer a = { 0 }, holder = { 0 };
	char taken[32];

	peer_start(&a, 'a');
	peer_start(&holder, 'h');
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", holder.port);
	expect_failure("nosuchkey", "nosuchkey: 1\n" DAEMON FRONTEND, "127.0.0.1:0", a.port);
	expect_failure("cannot listen on", DAEMON FRONTEND, taken, a.port);
	expect_failure("Address already in use", DAEMON FRONTEND, taken, a.port);
	expect_failure("cannot listen on", DAEMON FRONTEND, "192.0.2.1:0", a.port);
	/* Where no server of names can be reached: not for long. */
	setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
	expect_failure("cannot listen on nosuch.invalid:0: the name cannot be resolved",
		DAEMON FRONTEND, "nosuch.invalid:0", a.port);
	expect_failure(
		"there is no user", "user: no-such-user\n" DAEMON FRONTEND, "127.0.0.1:0", a.port);
	expect_failure("log.target", "log: {target: /nowhere/at/all.log}\n" FRONTEND, "127.0.0.1:0",
		a.port);
	expect_failure("pidFile", "pidFile: /nowhere/at/all.pid\n" FRONTEND, "127.0.0.1:0", a.port);
	expect_failure("diagAddr", "diagAddr: %s\n" DAEMON FRONTEND, taken, "127.0.0.1:0", a.port);
	peer_stop(&holder);
	peer_stop(&a);
}
END_TEST

START_TEST(a_second_instance_is_refused_and_a_stale_file_is_not)
{
	struct peer a = { 0 };
	struct run run;
	pid_t pid;
	FILE *f;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, DAEMON FRONTEND, "127.0.0.1:0", a.port);
	/* Left by one that was killed; its number is another process's by now. */
	f = fopen(path_in(&run, "iaido.pid"), "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%d\n", (int)getpid());
	fclose(f);
	ck_assert_int_eq(run_to_end(&run, as_daemon), 0);
	guard(path_in(&run, "iaido.pid"));
	pid = read_pid(&run, "iaido.pid");
	ck_assert_int_ne(pid, getpid());
	ck_assert_int_eq(run_to_end(&run, as_daemon), 1);
	ck_assert_int_eq(run_to_end(&run, NULL), 1);
	ck_assert_uint_eq(run_count_log(&run, "another instance is running"), 2);
	ck_assert_int_eq(read_pid(&run, "iaido.pid"), pid);
	look_at_daemon_log(&run);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	/* Killed without a chance to tidy up: the next one starts all the same. */
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	family_wait_gone(pid);
	ck_assert_int_eq(run_to_end(&run, as_daemon), 0);
	stop_daemon(read_pid(&run, "iaido.pid"));
	peer_stop(&a);
}
END_TEST

START_TEST(it_runs_with_standard_descriptors_closed)
{
	static const char script[] = "exec \"$IAIDO\" -c iaido.yaml <&- >&- 2>&-";
	struct peer a = { 0 };
	struct run run;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(
		&run, "workers: 1\nlog: {target: daemon.log}\n" FRONTEND, "127.0.0.1:0", a.port);
	run.pid = fork();
	ck_assert_int_ge(run.pid, 0);
	if (run.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(run.dir) == 0)
			execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	look_at_daemon_log(&run);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	for (int fd = 0; fd < 3; fd++)
		expect_null(run.pid, fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(usr1_reopens_the_log_in_all_processes)
{
	struct peer a = { 0 };
	char old[256];
	struct run run;
	uint16_t port;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run,
		"workers: 2\nlog: {target: %s/daemon.log, connections: true}\n" FRONTEND, run.dir,
		"127.0.0.1:0", a.port);
	run_start(&run, NULL);
	look_at_daemon_log(&run);
	run_wait_log(&run, "event=master.ready", 1);
	port = run_port(&run, 0);
	ck_assert_int_eq(peer_ask(port), 'a');
	run_wait_log(&run, "event=connection", 1);
	snprintf(old, sizeof(old), "%s.1", run.log_path);
	ck_assert_int_eq(rename(run.log_path, old), 0);
	ck_assert_int_eq(kill(run.pid, SIGUSR1), 0);
	run_wait_log(&run, "event=log.reopened", 1);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(peer_ask(port), 'a');
	run_wait_log(&run, "event=connection", 20);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

struct manager {
	int fd;
	char said[4096];
	const char *word;
};

static bool
was_told(void *arg)
{
	struct manager *m = arg;
	size_t len = strlen(m->said);
	ssize_t n = recv(m->fd, m->said + len, sizeof(m->said) - len - 1, MSG_DONTWAIT);

	if (n > 0)
		m->said[len + (size_t)n] = '\0';
	return strstr(m->said, m->word) != NULL;
}

static void
expect_told(struct manager *m, const char *word)
{
	m->word = word;
	ck_assert_msg(run_wait_until(was_told, m), "not told %s but \"%s\"", word, m->said);
	m->said[0] = '\0';
}

START_TEST(the_service_manager_is_told)
{
	struct manager manager = { 0 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct peer a = { 0 };
	struct run run;
	char pid[32];

	peer_start(&a, 'a');
	run_init(&run);
	manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(
		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path_in(&run, "notify")),
		(int)sizeof(sun.sun_path));
	ck_assert_int_eq(bind(manager.fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	run_write_conf(&run, "workers: 1\n" FRONTEND, "127.0.0.1:0", a.port);
	run_start(&run, NULL);
	unsetenv("NOTIFY_SOCKET");
	snprintf(pid, sizeof(pid), "READY=1\nMAINPID=%d\n", (int)run.pid);
	expect_told(&manager, pid);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	expect_told(&manager, "RELOADING=1\nMONOTONIC_USEC=");
	expect_told(&manager, "READY=1");
	/* An upgrade (to the same program here) is one to it, and the process stays. */
	ck_assert_int_eq(kill(run.pid, SIGUSR2), 0);
	expect_told(&manager, "RELOADING=1\nMONOTONIC_USEC=");
	expect_told(&manager, pid);
	ck_assert_uint_eq(run_count_log(&run, "event=upgrade.done"), 1);
	/* A reload that is refused ends too. */
	run_write_conf(&run, "nonsense");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.failed", 1);
	expect_told(&manager, "READY=1");
	ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
	expect_told(&manager, "STOPPING=1");
	ck_assert_int_eq(run_wait_exit(&run), 0);
	close(manager.fd);
	peer_stop(&a);
}
END_TEST

static void
skip_unless_root(const char *what)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "SKIP: %s: needs root\n", what);
	exit(0);
}

/* Whoever it runs as has to reach its files. */
static void
open_to_all(struct run *run)
{
	char top[128];

	snprintf(top, sizeof(top), "%s", run->dir);
	*strrchr(top, '/') = '\0';
	ck_assert_int_eq(chmod(top, 0755), 0);
	ck_assert_int_eq(chmod(run->dir, 0755), 0);
}

static void
expect_status(pid_t pid, const char *name, const char *value)
{
	char buf[256];

	ck_assert_ptr_nonnull(family_status(pid, name, buf, sizeof(buf)));
	ck_assert_msg(strcmp(buf, value) == 0, "%s of %d is \"%s\", not \"%s\"", name, (int)pid,
		buf, value);
}

START_TEST(privileges_are_dropped_before_the_first_bind)
{
	struct peer a = { 0 };
	struct run run;
	pid_t worker;

	skip_unless_root("user and group");
	peer_start(&a, 'a');
	run_init(&run);
	open_to_all(&run);
	run_write_conf(&run, "workers: 1\nuser: nobody\npidFile: %s/iaido.pid\n" FRONTEND, run.dir,
		"127.0.0.1:0", a.port);
	run_start(&run, NULL);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run.pid, &worker, 1), 1);
	expect_status(run.pid, "Uid", "65534\t65534\t65534\t65534");
	expect_status(run.pid, "Gid", "65534\t65534\t65534\t65534");
	expect_status(run.pid, "Groups", "");
	expect_status(run.pid, "CapPrm", "0000000000000400");
	expect_status(run.pid, "CapEff", "0000000000000400");
	expect_status(worker, "Uid", "65534\t65534\t65534\t65534");
	expect_status(worker, "CapPrm", "0000000000000000");
	expect_status(worker, "CapEff", "0000000000000000");
	expect_status(worker, "CapAmb", "0000000000000000");
	expect_status(worker, "NoNewPrivs", "1");
	/* A reload can still open a port that is root's to give, and all slots fit together. */
	run_write_conf(&run,
		"workers: 3\nuser: nobody\npidFile: %s/iaido.pid\n" FRONTEND
		"  - bindAddress: 127.77.0.1:1\n    backendPool: {tiers: [{targets: "
		"[{hosts: [127.0.0.1], port: %u}]}]}\n",
		run.dir, "127.0.0.1:0", a.port, a.port);
	ck_assert_int_eq(chmod(run.conf_path, 0644), 0);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "listening on 127.77.0.1:1 ", 1);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

/* Starts iaido under strace with an injected fault; ends the test where there is no strace. */
static void
start_with_fault(struct run *run, const char *fault)
{
	char wrapper[256], *program = strdup(getenv("IAIDO"));
	FILE *f;

	if (access("/usr/bin/strace", X_OK) != 0) {
		fprintf(stderr, "SKIP: injected faults: no strace\n");
		exit(0);
	}
	snprintf(wrapper, sizeof(wrapper), "%s/wrapper", run->dir);
	f = fopen(wrapper, "we");
	ck_assert_ptr_nonnull(f);
	/* -D: the program keeps its place as our child. A sanitizer cannot look for leaks then. */
	fprintf(f,
		"#!/bin/sh\nASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS\n"
		"exec strace -D -f -qq -o /dev/null -e trace=%.*s -e inject=%s '%s' \"$@\"\n",
		(int)strcspn(fault, ":"), fault, fault, program);
	fclose(f);
	ck_assert_int_eq(chmod(wrapper, 0700), 0);
	setenv("IAIDO", wrapper, 1);
	run_start(run, NULL);
	setenv("IAIDO", program, 1);
	free(program);
}

START_TEST(it_never_goes_on_as_root)
{
	struct peer a = { 0 };
	struct run run;

	skip_unless_root("a failing setresuid()");
	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, "user: nobody\n" FRONTEND, "127.0.0.1:0", a.port);
	start_with_fault(&run, "setresuid:error=EAGAIN");
	ck_assert_int_eq(run_wait_exit(&run), 1);
	ck_assert_uint_eq(run_count_log(&run, "cannot become user"), 1);
	ck_assert_uint_eq(run_count_log(&run, "listening on"), 0);
	/* One that only pretends. */
	start_with_fault(&run, "setresuid:retval=0");
	ck_assert_int_eq(run_wait_exit(&run), 1);
	ck_assert_uint_eq(run_count_log(&run, "listening on"), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_reload_that_cannot_fork_changes_nothing)
{
	struct peer a = { 0 };
	pid_t before[2], after[2];
	struct run run;

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, "workers: 2\n" FRONTEND, "127.0.0.1:0", a.port);
	/* Two forks at the start; of the reload's two, the second fails. */
	start_with_fault(&run, "clone:error=EAGAIN:when=4");
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(run.pid, before, 2), 2);
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.failed", 1);
	ck_assert_uint_eq(run_count_log(&run, "cannot start workers"), 1);
	/* Not even half of it stays. */
	family_wait_count(run.pid, 2);
	ck_assert_uint_eq(family_children(run.pid, after, 2), 2);
	ck_assert_mem_eq(before, after, sizeof(before));
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

/* A process in the namespace of `init` leaves an orphan there, which ends a moment later. */
static void
leave_orphan(pid_t init)
{
	const struct timespec moment = { 0, 20 * 1000 * 1000 };
	char path[64];
	pid_t pid;
	int ns;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)init);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(ns, 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (setns(ns, CLONE_NEWPID) < 0)
			_exit(1);
		/* The first that is in there, and its child, which it does not wait for. */
		pid = fork();
		if (pid == 0) {
			if (fork() == 0)
				nanosleep(&moment, NULL);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	close(ns);
	waitpid(pid, NULL, 0);
}

START_TEST(as_pid_1_it_reaps_orphans_and_ends_when_told)
{
	struct peer a = { 0 };
	pid_t starter, inside[2];
	struct run run;
	int status;

	skip_unless_root("PID 1");
	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, "workers: 2\n" FRONTEND, "127.0.0.1:0", a.port);
	starter = fork();
	ck_assert_int_ge(starter, 0);
	if (starter == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWPID) < 0)
			_exit(77);
		run_start(&run, NULL);
		_exit(run_wait_exit(&run));
	}
	if (waitpid(starter, &status, WNOHANG) == starter && WIFEXITED(status) &&
		WEXITSTATUS(status) == 77) {
		fprintf(stderr, "SKIP: PID 1: no namespaces\n");
		exit(0);
	}
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_uint_eq(family_children(starter, inside, 2), 1);
	leave_orphan(inside[0]);
	leave_orphan(inside[0]);
	family_wait_count(inside[0], 2);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(kill(inside[0], SIGTERM), 0);
	ck_assert_int_eq(waitpid(starter, &status, 0), starter);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("daemon", it_detaches_once_it_serves, a_daemon_reloads_its_relative_names,
	a_start_that_fails_is_told_to_the_starter,
	a_second_instance_is_refused_and_a_stale_file_is_not,
	it_runs_with_standard_descriptors_closed, usr1_reopens_the_log_in_all_processes,
	the_service_manager_is_told, privileges_are_dropped_before_the_first_bind,
	it_never_goes_on_as_root, a_reload_that_cannot_fork_changes_nothing,
	as_pid_1_it_reaps_orphans_and_ends_when_told)
