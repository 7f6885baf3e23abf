/* Memory that now and then is not there: single clients may be dropped, but no process ends, nothing
 * that was open is cut, and afterwards all is as before. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"

#define WORKERS 2
#define HELD 16
#define CLIENTS 1000
#define DROPPED_MAX (CLIENTS / 20)

#define CONF \
	"diagAddr: unix:%s/diag\nworkers: %d\nlog: {connections: true}\nfrontends:\n" \
	"  - bindAddress: 127.0.0.1:0\n    rebalanceDuration: 100ms\n    backendPool:\n" \
	"      tiers:\n        - targets: [{hosts: [127.0.0.1], port: %u}]\n"

static void
start(struct run *run, uint16_t backend)
{
	static char program[256], path[256];

	snprintf(program, sizeof(program), "%s/tests/support/scarce/iaido", getenv("BUILDDIR"));
	setenv("IAIDO", program, 1);
	run_init(run);
	snprintf(path, sizeof(path), "%s/scarce", run->dir);
	setenv("IAIDO_TEST_SCARCE", path, 1);
	run_write_conf(run, CONF, run->dir, WORKERS, backend);
	run_start(run, NULL);
	run_wait_log(run, "event=master.ready", 1);
}

static void
make_scarce(bool scarce)
{
	const char *path = getenv("IAIDO_TEST_SCARCE");

	if (scarce) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		ck_assert_int_ge(fd, 0);
		close(fd);
	} else {
		ck_assert_int_eq(unlink(path), 0);
	}
}

/* Whether diagnostics answer, and with success. */
static bool
is_told(void *arg)
{
	static const char question[] = "GET /statusz HTTP/1.0\r\n\r\n", success[] = "HTTP/1.0 200 ";
	struct run *run = arg;
	const struct timeval limit = { 5, 0 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char answer[sizeof(success) - 1];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool told;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ck_assert_int_lt(snprintf(un.sun_path, sizeof(un.sun_path), "%s/diag", run->dir),
		(int)sizeof(un.sun_path));
	told = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
		send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) > 0 &&
		recv(fd, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer) &&
		memcmp(answer, success, sizeof(answer)) == 0;
	close(fd);
	return told;
}

START_TEST(without_memory_a_session_is_dropped_and_no_process)
{
	pid_t before[WORKERS], after[WORKERS];
	unsigned int dropped = 0, i;
	struct peer a = { 0 };
	int held[HELD];
	struct run run;

	peer_start(&a, 'a');
	start(&run, a.port);
	ck_assert_uint_eq(family_children(run.pid, before, WORKERS), WORKERS);
	for (i = 0; i < HELD; i++) {
		ck_assert_int_ge(held[i] = peer_connect(run_port(&run, 0)), 0);
		ck_assert_int_eq(peer_greeting(held[i]), 'a');
	}
	make_scarce(true);
	for (i = 0; i < CLIENTS; i++) {
		dropped += peer_ask(run_port(&run, 0)) != 'a';
		ck_assert_int_eq(peer_echo(held[i % HELD]), 0);
		if (i % 5 == 0)
			(void)is_told(&run);
	}
	make_scarce(false);
	fprintf(stderr, "scarce: %u of %d clients dropped\n", dropped, CLIENTS);
	ck_assert_uint_le(dropped, DROPPED_MAX);
	ck_assert_uint_eq(run_count_log(&run, "event=worker.died"), 0);
	ck_assert_uint_eq(family_children(run.pid, after, WORKERS), WORKERS);
	ck_assert_mem_eq(before, after, sizeof(before));
	for (i = 0; i < HELD; i++) {
		ck_assert_int_eq(peer_echo(held[i]), 0);
		close(held[i]);
		ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	}
	ck_assert(run_wait_until(is_told, &run));
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(without_memory_reloads_are_refused_whole)
{
	struct peer a = { 0 };
	struct run run;
	unsigned int i;
	int held;

	peer_start(&a, 'a');
	start(&run, a.port);
	ck_assert_int_ge(held = peer_connect(run_port(&run, 0)), 0);
	ck_assert_int_eq(peer_greeting(held), 'a');
	make_scarce(true);
	for (i = 1; i <= 6; i++) {
		ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
		while (run_count_log(&run, "event=reload.done") +
				run_count_log(&run, "event=reload.failed") <
			i)
			ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	}
	make_scarce(false);
	i = run_count_log(&run, "event=reload.done");
	ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
	run_wait_log(&run, "event=reload.done", i + 1);
	ck_assert_int_eq(peer_echo(held), 0);
	close(held);
	family_wait_count(run.pid, WORKERS);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

RUN_MAIN("scarce", without_memory_a_session_is_dropped_and_no_process,
	without_memory_reloads_are_refused_whole)
