/* What the program that iaido replaces got wrong, and its users paid for: none of it happens here.
 * What is not shown here stands beside its subject (choosing, reloads, ends, and the unit tests). */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "family.h"
#include "peer.h"
#include "run.h"
#include "stream.h"

#define HEAD "workers: 1\nfrontends:\n  - bindAddress: 127.0.0.1:0\n"
#define POOL "    backendPool:\n"
#define TIERS "      tiers:\n"
#define TARGET "        - targets: [{hosts: [127.0.0.1], port: %u}]\n"

/* Asks the diagnostics for a path; the answer, head and all, stands in buf. */
static const char *
fetch(const struct run *run, const char *path, char *buf, size_t size)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = 0;
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%.90s/diag", run->dir);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_gt(dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path), 0);
	while (len + 1 < size && (n = read(fd, buf + len, size - len - 1)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fd);
	return buf;
}

/* A port that swallows what is sent to it: its listen queue is full and never emptied. */
static uint16_t
open_black_hole(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	uint16_t port;

	(void)stream_listen(&port, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(port);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	return port;
}

/* A port on which nobody listens, and nobody else will while the test runs. */
static uint16_t
dead_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	return ntohs(in.sin_port);
}

#define STREAM_BYTES (16U << 20)

START_TEST(a_reader_that_stalls_loses_no_byte)
{
	struct run run;
	uint16_t port;
	char byte;
	int fd, listen_fd = stream_listen(&port, 16), server;

	/* The stall is several times as long as what is allowed to a peer that acknowledges nothing;
	 * this one acknowledges, and just does not read. */
	run_iaido(&run, 1, HEAD "    tcp: {userTimeout: 500ms}\n" POOL TIERS TARGET, port);
	fd = peer_connect(run_port(&run, 0));
	server = accept(listen_fd, NULL, NULL);
	(void)stream_send_beside(server, 1, STREAM_BYTES);
	close(server);
	poll(NULL, 0, 3000);
	stream_read(fd, 1, 0, STREAM_BYTES);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
}
END_TEST

START_TEST(without_probing_a_dead_backend_attracts_nobody)
{
	struct run run;
	struct peer a = { 0 };
	int fd;

	peer_start(&a, 'a');
	run_iaido(&run, 1,
		HEAD POOL "      latencyBucket: -1ms\n" TIERS
			  "        - dialFailureTimeout: 200ms\n"
			  "          targets:\n"
			  "            - {hosts: [127.0.0.1], port: %u}\n"
			  "            - {hosts: [127.0.0.1], port: %u}\n",
		dead_port(), a.port);
	/* The living one has a connection, the dead one none: still nobody is sent there. */
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(without_probing_waiters_go_on_when_the_failure_is_over)
{
	struct run run;
	struct peer a = { 0 };
	int fd;

	peer_start(&a, 'a');
	run_iaido(&run, 1,
		HEAD "    rebalanceDuration: 1h\n" POOL "      latencyBucket: -1ms\n" TIERS
		     "        - dialFailureTimeout: 300ms\n"
		     "          targets: [{hosts: [127.0.0.1], port: %u}]\n",
		a.port);
	peer_stop(&a);
	fd = peer_connect(run_port(&run, 0));
	run_wait_log(&run, "event=backend.failed", 1);
	peer_start(&a, 'a');
	ck_assert_int_eq(peer_greeting(fd), 'a');
	close(fd);
	/* The backend was born with a copy of the client's socket: it is still open. */
	ck_assert_int_eq(run_stop(&run, SIGQUIT), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_host_name_binds_its_own_addresses_only)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct run run;
	struct peer a = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	peer_start(&a, 'a');
	run_iaido(&run, 1,
		"workers: 1\nfrontends:\n  - bindAddress: localhost:0\n" POOL TIERS TARGET, a.port);
	in.sin_port = htons(run_port(&run, 0));
	inet_pton(AF_INET, "127.0.0.2", &in.sin_addr);
	ck_assert_int_lt(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(a_bad_name_takes_nothing_from_its_neighbours)
{
	struct run run;
	struct peer a = { 0 };

	peer_start(&a, 'a');
	run_iaido(&run, 1,
		"resolver: {servers: ['127.0.0.1:%u'], timeout: 100ms}\n" HEAD POOL TIERS
		"        - targets:\n"
		"            - {hosts: [nosuch.invalid, 127.0.0.1, nor.this.invalid], port: %u}\n",
		dead_port(), a.port);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	run_wait_log(&run, "nosuch.invalid", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(black_holes_hold_up_nobody_else)
{
	struct run run;
	struct peer a = { 0 };
	char buf[16384];
	uint16_t holes[5];

	peer_start(&a, 'a');
	for (int i = 0; i < 5; i++)
		holes[i] = open_black_hole();
	run_init(&run);
	run_write_conf(&run,
		"diagAddr: unix:%s/diag\n" HEAD POOL TIERS "        - dialTimeout: 1h\n"
		"          targets:\n"
		"            - {hosts: [127.0.0.1], port: %u}\n"
		"            - {hosts: [127.0.0.1], port: %u}\n"
		"            - {hosts: [127.0.0.1], port: %u}\n"
		"            - {hosts: [127.0.0.1], port: %u}\n"
		"            - {hosts: [127.0.0.1], port: %u}\n"
		"  - bindAddress: 127.0.0.1:0\n" POOL TIERS TARGET,
		run.dir, holes[0], holes[1], holes[2], holes[3], holes[4], a.port);
	run_start(&run, NULL);
	ck_assert_int_eq(peer_ask(run_port(&run, 1)), 'a');
	ck_assert_ptr_nonnull(strstr(fetch(&run, "/statusz", buf, sizeof(buf)), "200 OK"));
	/* Nor does a reload wait for them. */
	run_wait_log(&run, "event=master.ready", 1);
	kill(run.pid, SIGHUP);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 1)), 'a');
	ck_assert_uint_eq(run_count_log(&run, "event=backend.failed"), 0);
	ck_assert_int_eq(run_stop(&run, SIGQUIT), 0);
	peer_stop(&a);
}
END_TEST

struct descriptors {
	pid_t pid;
	size_t count;
};

static bool
has_no_more(void *arg)
{
	const struct descriptors *d = arg;

	return family_count_fds(d->pid) <= d->count;
}

START_TEST(descriptors_end_with_their_sessions)
{
	struct descriptors d = { 0 };
	struct run run;
	struct peer a = { 0 };

	peer_start(&a, 'a');
	run_iaido(&run, 1, HEAD POOL TIERS TARGET, a.port);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert_uint_eq(family_children(run.pid, &d.pid, 1), 1);
	d.count = family_count_fds(d.pid);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	ck_assert(run_wait_until(has_no_more, &d));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(the_next_client_after_a_reload_goes_where_the_file_says)
{
	struct run run;
	struct peer a = { 0 }, b = { 0 };

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_iaido(&run, 1, HEAD POOL TIERS TARGET, a.port);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	run_write_conf(&run, HEAD POOL TIERS TARGET, b.port);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'b');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

START_TEST(a_hangup_reloads_though_the_file_looks_the_same)
{
	static const char *const only_on_hangup[] = { "--reloadPeriod", "0", NULL };
	struct timespec times[2];
	struct stat before;
	struct run run;
	struct peer a = { 0 }, b = { 0 };
	char old_port[8], new_port[8], text[4096], *at;
	ssize_t len;
	int fd;

	/* Two ports of one length, so that the size stays, too. */
	peer_start(&a, 'a');
	peer_start(&b, 'b');
	ck_assert(a.port >= 10000 && b.port >= 10000);
	run_init(&run);
	run_write_conf(&run, HEAD POOL TIERS TARGET, a.port);
	run_start(&run, only_on_hangup);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	run_wait_log(&run, "event=master.ready", 1);
	snprintf(old_port, sizeof(old_port), "%u", a.port);
	snprintf(new_port, sizeof(new_port), "%u", b.port);
	fd = open(run.conf_path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &before), 0);
	len = read(fd, text, sizeof(text) - 1);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	at = strstr(text, old_port);
	ck_assert_ptr_nonnull(at);
	memcpy(at, new_port, 5);
	ck_assert_int_eq(pwrite(fd, text, (size_t)len, 0), len);
	times[0] = before.st_atim;
	times[1] = before.st_mtim;
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
	kill(run.pid, SIGHUP);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'b');
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

START_TEST(a_key_that_leaves_the_file_has_its_default_again)
{
	struct run run;
	struct peer a = { 0 };
	char buf[16384];

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, "gracePeriod: 77s\ndiagAddr: unix:%s/diag\n" HEAD POOL TIERS TARGET,
		run.dir, a.port);
	run_start(&run, NULL);
	(void)run_port(&run, 0);
	run_wait_log(&run, "event=master.ready", 1);
	ck_assert_ptr_nonnull(
		strstr(fetch(&run, "/configz", buf, sizeof(buf)), "gracePeriod: 1m17s\n"));
	run_write_conf(&run, "diagAddr: unix:%s/diag\n" HEAD POOL TIERS TARGET, run.dir, a.port);
	run_wait_log(&run, "event=reload.done", 1);
	ck_assert_ptr_nonnull(
		strstr(fetch(&run, "/configz", buf, sizeof(buf)), "gracePeriod: 5s\n"));
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(times_follow_a_reload_also_for_connections_that_are_open)
{
	struct run run;
	struct peer a = { 0 };
	char byte;
	int fd;

	peer_start(&a, 'a');
	run_iaido(&run, 1, HEAD POOL TIERS TARGET, a.port);
	fd = peer_connect(run_port(&run, 0));
	ck_assert_int_eq(peer_greeting(fd), 'a');
	run_write_conf(&run, HEAD "    idleDuration: 300ms\n" POOL TIERS TARGET, a.port);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(frontends_on_any_port_are_not_one)
{
	struct run run;
	struct peer a = { 0 }, b = { 0 };

	peer_start(&a, 'a');
	peer_start(&b, 'b');
	run_iaido(&run, 2,
		HEAD POOL TIERS TARGET "  - bindAddress: 127.0.0.1:0\n" POOL TIERS TARGET, a.port,
		b.port);
	run_wait_log(&run, "event=master.ready", 1);
	/* Nor do they change places when the file is read again. */
	for (unsigned int reloads = 0; reloads < 2; reloads++) {
		run_wait_log(&run, "event=reload.done", reloads);
		for (int i = 0; i < 10; i++) {
			ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
			ck_assert_int_eq(peer_ask(run_port(&run, 1)), 'b');
		}
		kill(run.pid, SIGHUP);
	}
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
	peer_stop(&b);
}
END_TEST

struct load {
	const struct peer *peer;
	uint32_t open;
};

static bool
has_so_many(void *arg)
{
	const struct load *l = arg;

	return atomic_load(&l->peer->counts->open) <= l->open;
}

#define LIMITED \
	HEAD POOL "      maintenanceTime: 100ms\n" TIERS "        - maxBackendConnections: %d\n" \
		  "          targets: [{hosts: [127.0.0.1], port: %u}]\n"

START_TEST(a_lowered_limit_cuts_the_excess_and_no_more)
{
	struct run run;
	struct peer a = { 0 };
	struct load five = { .peer = &a, .open = 35 };
	int fds[40];

	peer_start(&a, 'a');
	run_iaido(&run, 1, LIMITED, 41, a.port);
	for (int i = 0; i < 40; i++) {
		fds[i] = peer_connect(run_port(&run, 0));
		ck_assert_int_eq(peer_greeting(fds[i]), 'a');
	}
	run_write_conf(&run, LIMITED, 35, a.port);
	ck_assert(run_wait_until(has_so_many, &five));
	/* Many maintenance times later it is still these five. */
	poll(NULL, 0, 1000);
	ck_assert_uint_eq(atomic_load(&a.counts->open), 35);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	ck_assert_int_eq(run_stop(&run, SIGTERM), 0);
	peer_stop(&a);
}
END_TEST

START_TEST(readiness_follows_the_backends_only_when_asked_to)
{
	struct run run;
	struct peer a = { 0 };
	char buf[4096];

	peer_start(&a, 'a');
	run_init(&run);
	run_write_conf(&run, "diagAddr: unix:%s/diag\n" HEAD POOL TIERS TARGET, run.dir, a.port);
	run_start(&run, NULL);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	run_wait_log(&run, "event=master.ready", 1);
	peer_stop(&a);
	(void)peer_connect(run_port(&run, 0));
	run_wait_log(&run, "event=backend.failed", 1);
	ck_assert_ptr_nonnull(strstr(fetch(&run, "/healthz", buf, sizeof(buf)), " 200 "));
	ck_assert_ptr_nonnull(strstr(fetch(&run, "/readyz", buf, sizeof(buf)), " 200 "));
	ck_assert_ptr_nonnull(
		strstr(fetch(&run, "/readyz?backends=any", buf, sizeof(buf)), " 503 "));
	ck_assert_int_eq(run_stop(&run, SIGQUIT), 0);
	/* The socket is gone with its program. */
	snprintf(buf, sizeof(buf), "%s/diag", run.dir);
	ck_assert_int_lt(access(buf, F_OK), 0);
}
END_TEST

START_TEST(the_log_names_a_frontend_by_its_real_address)
{
	char text[64];
	struct run run;
	struct peer a = { 0 };

	peer_start(&a, 'a');
	run_iaido(&run, 1, HEAD POOL TIERS TARGET, a.port);
	ck_assert_int_eq(peer_ask(run_port(&run, 0)), 'a');
	peer_stop(&a);
	(void)peer_connect(run_port(&run, 0));
	snprintf(text, sizeof(text), "event=backend.failed frontend=127.0.0.1:%u ",
		run_port(&run, 0));
	run_wait_log(&run, text, 1);
	ck_assert_int_eq(run_stop(&run, SIGQUIT), 0);
}
END_TEST

RUN_MAIN("lessons", a_reader_that_stalls_loses_no_byte,
	without_probing_a_dead_backend_attracts_nobody,
	without_probing_waiters_go_on_when_the_failure_is_over,
	a_host_name_binds_its_own_addresses_only, a_bad_name_takes_nothing_from_its_neighbours,
	black_holes_hold_up_nobody_else, descriptors_end_with_their_sessions,
	the_next_client_after_a_reload_goes_where_the_file_says,
	a_hangup_reloads_though_the_file_looks_the_same,
	a_key_that_leaves_the_file_has_its_default_again,
	times_follow_a_reload_also_for_connections_that_are_open, frontends_on_any_port_are_not_one,
	a_lowered_limit_cuts_the_excess_and_no_more,
	readiness_follows_the_backends_only_when_asked_to,
	the_log_names_a_frontend_by_its_real_address)
