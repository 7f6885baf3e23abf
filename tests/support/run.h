/* Starts a real iaido for an integration test: own directory, ports read from its log, waiting with a
 * deadline. What fails ends the test (ck_abort); then the logs are shown, and nothing is left behind. */
#ifndef IAIDO_TESTS_RUN_H
#define IAIDO_TESTS_RUN_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long any one thing may take before a test gives up on it. */
#define RUN_DEADLINE_MS 20000

struct run {
	pid_t pid; /* 0: not running */
	char dir[128];
	char conf_path[160];
	char log_path[160];
};

/* Makes the directory; starts nothing. */
void run_init(struct run *run);
/* Writes iaido.yaml, in one step as a careful editor would (rename). */
void run_write_conf(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Starts `iaido -c iaido.yaml` with further arguments (NULL ends them; NULL: none). */
void run_start(struct run *run, const char *const *more_args);
/* run_init, run_write_conf, run_start, and waits until `frontends` of them listen. */
void run_iaido(struct run *run, unsigned int frontends, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The port in the nth (from 0) "listening on" of the log; waits for it. */
uint16_t run_port(struct run *run, unsigned int nth);
/* Waits until the text stands in the log at least `times` times. */
void run_wait_log(struct run *run, const char *text, unsigned int times);
unsigned int run_count_log(struct run *run, const char *text);

/* Waits for the end and returns its exit status, or 128 + the signal that ended it. */
int run_wait_exit(struct run *run);
/* Sends the signal and does the same. */
int run_stop(struct run *run, int signum);

/* Calls step(arg) until it returns true, at most RUN_DEADLINE_MS long; false: never did. */
bool run_wait_until(bool (*step)(void *arg), void *arg);

/* The main() of an integration test: each test in a process of its own, whose children are killed
 * with it. Returns main's exit status. */
int run_main(const char *name, const TTest *const *tests, size_t count);

#define RUN_MAIN(name, ...) \
	int main(void) \
	{ \
		const TTest *const run_tests[] = { __VA_ARGS__ }; \
		return run_main(name, run_tests, sizeof(run_tests) / sizeof(run_tests[0])); \
	}

#endif
