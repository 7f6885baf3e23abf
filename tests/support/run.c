/* See run.h. The directories of one test program lie in one of its own, which main() makes, shows the
 * logs of when a test failed (a failed test cannot: libcheck ends it at once), and removes. */
#include "config.h"

#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LISTENING "listening on "

static char top_dir[64];

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
run_wait_until(bool (*step)(void *arg), void *arg)
{
	const struct timespec pause = { 0, 5 * 1000 * 1000 };
	int64_t deadline = now_ms() + RUN_DEADLINE_MS;

	while (!step(arg)) {
		if (now_ms() > deadline)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

void
run_init(struct run *run)
{
	memset(run, 0, sizeof(*run));
	snprintf(run->dir, sizeof(run->dir), "%s/run.XXXXXX", top_dir);
	ck_assert_msg(mkdtemp(run->dir) != NULL, "%s: %s", run->dir, strerror(errno));
	snprintf(run->conf_path, sizeof(run->conf_path), "%s/iaido.yaml", run->dir);
	snprintf(run->log_path, sizeof(run->log_path), "%s/iaido.log", run->dir);
}

static void write_conf(struct run *run, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void
write_conf(struct run *run, const char *format, va_list ap)
{
	char new_path[192];
	FILE *f;

	snprintf(new_path, sizeof(new_path), "%s.new", run->conf_path);
	f = fopen(new_path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(vfprintf(f, format, ap), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(rename(new_path, run->conf_path), 0);
}

void
run_write_conf(struct run *run, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	write_conf(run, format, ap);
	va_end(ap);
}

/* In the child: becomes iaido, its output in the log. */
static void
exec_iaido(struct run *run, const char *const *more_args)
{
	const char *program = getenv("IAIDO");
	const char *argv[32] = { "iaido", "-c", run->conf_path };
	int fd, i = 3;

	while (more_args != NULL && *more_args != NULL && i < 31)
		argv[i++] = *more_args++;
	fd = open(run->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(program != NULL ? program : "./iaido", (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "execv: %s\n", strerror(errno));
	_exit(127);
}

void
run_start(struct run *run, const char *const *more_args)
{
	sigset_t ends, before;

	ck_assert_int_eq(run->pid, 0);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* libcheck's handlers pass them on to the whole group: not in what is about to be iaido. */
	sigprocmask(SIG_BLOCK, &ends, &before);
	run->pid = fork();
	ck_assert_int_ge(run->pid, 0);
	if (run->pid == 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		exec_iaido(run, more_args);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void
run_iaido(struct run *run, unsigned int frontends, const char *format, ...)
{
	va_list ap;

	run_init(run);
	va_start(ap, format);
	write_conf(run, format, ap);
	va_end(ap);
	run_start(run, NULL);
	run_wait_log(run, LISTENING, frontends);
}

/* The whole log, to be freed; NULL while there is none. */
static char *
read_log(struct run *run)
{
	char *data = NULL;
	size_t len = 0;
	FILE *f = fopen(run->log_path, "re");

	if (f == NULL)
		return NULL;
	if (getdelim(&data, &len, '\0', f) < 0) {
		free(data);
		data = NULL;
	}
	fclose(f);
	return data;
}

unsigned int
run_count_log(struct run *run, const char *text)
{
	char *log = read_log(run), *at = log;
	unsigned int count = 0;

	while (at != NULL && (at = strstr(at, text)) != NULL) {
		count++;
		at++;
	}
	free(log);
	return count;
}

struct log_wait {
	struct run *run;
	const char *text;
	unsigned int times;
};

static bool
log_has(void *arg)
{
	struct log_wait *wait = arg;
	siginfo_t info = { 0 };

	if (run_count_log(wait->run, wait->text) >= wait->times)
		return true;
	if (wait->run->pid > 0)
		waitid(P_PID, (id_t)wait->run->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	ck_assert_msg(info.si_pid == 0, "iaido ended before it logged \"%s\"", wait->text);
	return false;
}

void
run_wait_log(struct run *run, const char *text, unsigned int times)
{
	struct log_wait wait = { run, text, times };

	ck_assert_msg(run_wait_until(log_has, &wait), "the log does not say \"%s\" %u times", text,
		times);
}

uint16_t
run_port(struct run *run, unsigned int nth)
{
	char *log, *at, *colon;
	unsigned int i;
	long port = 0;

	run_wait_log(run, LISTENING, nth + 1);
	log = read_log(run);
	for (i = 0, at = log; at != NULL; i++) {
		at = strstr(at, LISTENING);
		if (at == NULL)
			break;
		at += strlen(LISTENING);
		if (i == nth) {
			at[strcspn(at, " \",\n")] = '\0';
			colon = strrchr(at, ':');
			port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
			break;
		}
	}
	free(log);
	ck_assert_int_gt(port, 0);
	ck_assert_int_le(port, UINT16_MAX);
	return (uint16_t)port;
}

struct exit_wait {
	pid_t pid;
	int status;
};

static bool
has_ended(void *arg)
{
	struct exit_wait *wait = arg;

	return waitpid(wait->pid, &wait->status, WNOHANG) == wait->pid;
}

int
run_wait_exit(struct run *run)
{
	struct exit_wait wait = { run->pid, 0 };

	ck_assert_int_gt(run->pid, 0);
	ck_assert_msg(run_wait_until(has_ended, &wait), "iaido did not end");
	run->pid = 0;
	return WIFEXITED(wait.status) ? WEXITSTATUS(wait.status) : 128 + WTERMSIG(wait.status);
}

int
run_stop(struct run *run, int signum)
{
	ck_assert_int_gt(run->pid, 0);
	ck_assert_int_eq(kill(run->pid, signum), 0);
	return run_wait_exit(run);
}

static int
show_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char line[4096];
	FILE *f;

	(void)st;
	(void)ftw;
	if (type != FTW_F || (f = fopen(path, "re")) == NULL)
		return 0;
	fprintf(stderr, "---- %s\n", path);
	while (fgets(line, sizeof(line), f) != NULL)
		fputs(line, stderr);
	fclose(f);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

int
run_main(const char *name, const TTest *const *tests, size_t count)
{
	const char *tmp = getenv("TMPDIR");
	TCase *tcase = tcase_create(name);
	Suite *suite = suite_create(name);
	SRunner *runner;
	size_t i;
	int failed;

	snprintf(top_dir, sizeof(top_dir), "%.32s/iaido-test.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(top_dir) == NULL) {
		perror(top_dir);
		return EXIT_FAILURE;
	}
	tcase_set_timeout(tcase, 120);
	for (i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	/* A failed test's processes are killed only when it has a process group of its own. */
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed != 0)
		nftw(top_dir, show_file, 16, FTW_PHYS);
	nftw(top_dir, remove_one, 16, FTW_PHYS | FTW_DEPTH);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
