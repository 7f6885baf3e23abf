/* What has gone wrong in a relay before: an end that is no FIN, a half-close after a long silence,
 * urgent data, streams that keep a worker from everything else, a slot that nobody serves. One real
 * worker on a stage. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "stage.h"
#include "unit.h"

static struct stage stage;

/* A client and its backend, connected by the worker. */
static void
connect_pair(int *client, int *backend)
{
	char byte = 0;

	*client = stage_connect(&stage);
	ck_assert_int_eq(send(*client, "q", 1, 0), 1);
	*backend = stage_accept(&stage, 0);
	ck_assert_int_eq(recv(*backend, &byte, 1, 0), 1);
}

static void
close_with_reset(int fd)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
}

START_TEST(a_reset_met_by_a_send_is_not_passed_on_as_a_fin)
{
	stage_open(&stage, 1);
	for (int round = 0; round < 10; round++) {
		char bytes[64];
		int client, backend;

		connect_pair(&client, &backend);
		stage_hold(&stage);
		ck_assert_int_eq(send(backend, "partial", 7, 0), 7);
		close_with_reset(backend);
		ck_assert_int_eq(send(client, "more", 4, 0), 4);
		stage_go_on(&stage);
		ck_assert_int_eq(recv(client, bytes, 7, MSG_WAITALL), 7);
		ck_assert_int_eq(recv(client, bytes, sizeof(bytes), 0), -1);
		ck_assert_int_eq(errno, ECONNRESET);
		close(client);
	}
	stage_wait_ended(&stage, ENDED_BY_BACKEND, ENDED_RESET, 10);
	stage_close(&stage);
}
END_TEST

/* The socket was reset, though its reads say no more than that a FIN came before. */
static void
await_reset(int fd)
{
	struct pollfd p = { .fd = fd };
	socklen_t len = sizeof(int);
	int error = 0;

	ck_assert_int_eq(poll(&p, 1, STAGE_DEADLINE_MS), 1);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	ck_assert(error == ECONNRESET || error == EPIPE);
}

static void
reset_behind_a_fin(int side)
{
	int ends[2];
	char byte;

	/* Long after it, and so soon that both are seen as one. */
	for (int held = 0; held < 2; held++) {
		connect_pair(&ends[0], &ends[1]);
		if (held)
			stage_hold(&stage);
		ck_assert_int_eq(shutdown(ends[side], SHUT_WR), 0);
		if (!held)
			ck_assert_int_eq(recv(ends[!side], &byte, 1, 0), 0);
		close_with_reset(ends[side]);
		if (held)
			stage_go_on(&stage);
		await_reset(ends[!side]);
		close(ends[!side]);
	}
	stage_wait_ended(&stage, side == 0 ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, ENDED_RESET, 2);
}

START_TEST(a_reset_behind_a_fin_is_passed_on)
{
	stage_open(&stage, 1);
	reset_behind_a_fin(0);
	reset_behind_a_fin(1);
	stage_close(&stage);
}
END_TEST

/* Sends until nobody takes any more. */
static uint64_t
fill_up(int fd)
{
	static const char bytes[65536];
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t sent = 0;

	while (poll(&p, 1, 300) == 1) {
		ssize_t n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		ck_assert_int_gt(n, 0);
		sent += (uint64_t)n;
	}
	return sent;
}

/* Told by an event, or met by a send to the side that was reset. */
static void
reset_of_a_full_stream(int side, bool met_by_send)
{
	static char bytes[65536];
	uint64_t got = 0;
	int ends[2];
	ssize_t n;

	connect_pair(&ends[0], &ends[1]);
	ck_assert_uint_gt(fill_up(ends[side]), 0);
	if (met_by_send) {
		stage_hold(&stage);
		ck_assert_int_eq(send(ends[!side], "more", 4, 0), 4);
	}
	close_with_reset(ends[side]);
	if (met_by_send)
		stage_go_on(&stage);
	stage_wait_ended(&stage, side == 0 ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, ENDED_RESET,
		met_by_send ? 2 : 1);
	while ((n = recv(ends[!side], bytes, sizeof(bytes), 0)) > 0)
		got += (uint64_t)n;
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_uint_gt(got, 0);
	close(ends[!side]);
}

START_TEST(a_reset_does_not_wait_for_a_receiver_that_does_not_read)
{
	stage_open(&stage, 1);
	for (int side = 0; side < 2; side++) {
		reset_of_a_full_stream(side, false);
		reset_of_a_full_stream(side, true);
	}
	stage_close(&stage);
}
END_TEST

/* A receiver that begins to read in time gets all that was sent, also what the worker had not read yet. */
START_TEST(what_came_before_a_reset_is_delivered_to_a_receiver_that_was_slow)
{
	static char bytes[65536];
	uint64_t sent, got = 0;
	int client, backend, unacked = 1;
	ssize_t n;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	sent = fill_up(backend);
	/* What its kernel still has is lost by the reset: so that is taken first. */
	while (unacked > 0) {
		n = recv(client, bytes, sizeof(bytes), 0);
		ck_assert_int_gt(n, 0);
		got += (uint64_t)n;
		ck_assert_int_eq(ioctl(backend, SIOCOUTQ, &unacked), 0);
	}
	close_with_reset(backend);
	while ((n = recv(client, bytes, sizeof(bytes), 0)) > 0)
		got += (uint64_t)n;
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_uint_eq(got, sent);
	close(client);
	stage_close(&stage);
}
END_TEST

/* What is known of the socket of a dial that failed must not be taken for true of the next one. */
START_TEST(a_reset_reaches_the_backend_that_was_dialled_second)
{
	int client, backend;
	char bytes[8];

	stage_open(&stage, 2);
	close(stage.backend_fds[0]);
	stage.backend_fds[0] = -1;
	client = stage_connect(&stage);
	ck_assert_int_eq(send(client, "part", 4, 0), 4);
	backend = stage_accept(&stage, 1);
	ck_assert_int_eq(recv(backend, bytes, 4, MSG_WAITALL), 4);
	close_with_reset(client);
	ck_assert_int_eq(recv(backend, bytes, sizeof(bytes), 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	close(backend);
	stage_close(&stage);
}
END_TEST

START_TEST(the_half_closed_time_begins_with_the_fin)
{
	int client, backend;
	struct pollfd none;
	char bytes[8];

	stage_open(&stage, 1);
	stage.frontend.half_close_ns = 2 * NSEC_PER_SEC;
	stage_push(&stage);
	connect_pair(&client, &backend);
	/* Longer without a byte than it may be half-closed: nothing is to be seen meanwhile. */
	none = (struct pollfd){ .fd = backend, .events = POLLIN };
	ck_assert_int_eq(poll(&none, 1, 2500), 0);
	ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
	ck_assert_int_eq(recv(backend, bytes, sizeof(bytes), 0), 0);
	none = (struct pollfd){ .fd = client, .events = POLLIN };
	ck_assert_int_eq(poll(&none, 1, 500), 0);
	ck_assert_int_eq(send(backend, "answer", 6, 0), 6);
	ck_assert_int_eq(recv(client, bytes, 6, MSG_WAITALL), 6);
	/* And then it ends. */
	ck_assert_int_le(recv(client, bytes, sizeof(bytes), 0), 0);
	stage_wait_ended(&stage, ENDED_BY_IAIDO, ENDED_HALF_CLOSED, 1);
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

/* Bytes come, then the time is over, all while the worker is held: it reads before it looks how long the
 * connection has been quiet. */
START_TEST(what_came_before_the_idle_time_was_over_keeps_the_connection)
{
	int client, backend;
	struct pollfd none;
	char bytes[8];

	stage_open(&stage, 1);
	stage.frontend.idle_ns = 2 * NSEC_PER_SEC;
	stage_push(&stage);
	connect_pair(&client, &backend);
	stage_hold(&stage);
	ck_assert_int_eq(send(client, "in time", 7, 0), 7);
	none = (struct pollfd){ .fd = backend, .events = POLLIN };
	ck_assert_int_eq(poll(&none, 1, 2100), 0);
	stage_go_on(&stage);
	ck_assert_int_eq(recv(backend, bytes, 7, MSG_WAITALL), 7);
	/* From then on it is idle. */
	ck_assert_int_eq(recv(client, bytes, sizeof(bytes), 0), 0);
	stage_wait_ended(&stage, ENDED_BY_IAIDO, ENDED_IDLE, 1);
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

static void
check_urgent(int from, int to)
{
	static const int on = 1;
	char bytes[16] = { 0 };

	ck_assert_int_eq(setsockopt(to, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	ck_assert_int_eq(send(from, "ab", 2, 0), 2);
	ck_assert_int_eq(recv(to, bytes, 2, MSG_WAITALL), 2);
	ck_assert_int_eq(send(from, "cd", 2, 0), 2);
	ck_assert_int_eq(send(from, "U", 1, MSG_OOB), 1);
	ck_assert_int_eq(send(from, "ef", 2, 0), 2);
	ck_assert_int_eq(recv(to, bytes, 5, MSG_WAITALL), 5);
	ck_assert_str_eq(bytes, "cdUef");
}

START_TEST(urgent_data_is_delivered_in_the_stream_both_ways)
{
	int client, backend;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	check_urgent(client, backend);
	check_urgent(backend, client);
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

/* More than one copy brings, so that it is spliced from there. */
#define STREAM_BYTES 100000

static void
check_urgent_before_fin(int from, int to)
{
	static char sent[STREAM_BYTES], got[STREAM_BYTES];
	static const int on = 1;
	char last[8] = { 0 };

	memset(sent, 's', sizeof(sent));
	ck_assert_int_eq(setsockopt(to, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	stage_hold(&stage);
	ck_assert_int_eq(send(from, sent, sizeof(sent), 0), STREAM_BYTES);
	ck_assert_int_eq(send(from, "U", 1, MSG_OOB), 1);
	ck_assert_int_eq(send(from, "end", 3, 0), 3);
	ck_assert_int_eq(shutdown(from, SHUT_WR), 0);
	stage_go_on(&stage);
	ck_assert_int_eq(recv(to, got, sizeof(got), MSG_WAITALL), STREAM_BYTES);
	ck_assert_mem_eq(got, sent, sizeof(got));
	ck_assert_int_eq(recv(to, last, 4, MSG_WAITALL), 4);
	ck_assert_str_eq(last, "Uend");
	ck_assert_int_eq(recv(to, last, 1, 0), 0);
}

START_TEST(a_stream_does_not_end_at_an_urgent_byte)
{
	int client, backend;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	/* The first bytes are past: an urgent one does not come with them. */
	ck_assert_int_eq(send(backend, "a", 1, 0), 1);
	ck_assert_int_eq(recv(client, &(char){ 0 }, 1, 0), 1);
	check_urgent_before_fin(client, backend);
	check_urgent_before_fin(backend, client);
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

START_TEST(the_first_byte_of_a_backend_may_be_urgent)
{
	static const int on = 1;
	int client, backend;
	char bytes[8] = { 0 };

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	ck_assert_int_eq(send(backend, "U", 1, MSG_OOB), 1);
	ck_assert_int_eq(recv(client, bytes, 1, 0), 1);
	ck_assert_int_eq(send(backend, "ab", 2, 0), 2);
	ck_assert_int_eq(recv(client, bytes + 1, 2, MSG_WAITALL), 2);
	ck_assert_str_eq(bytes, "Uab");
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

/* What is sought is one urgent byte between the worker's wait and its first read, and the other right after
 * that read: in so many turns it happens. */
START_TEST(urgent_bytes_early_in_an_answer_all_arrive)
{
	static const int on = 1;
	int client, backend;

	stage_open(&stage, 1);
	for (int turn = 0; turn < 200; turn++) {
		char bytes[16] = { 0 };

		connect_pair(&client, &backend);
		ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
		ck_assert_int_eq(setsockopt(backend, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
		ck_assert_int_eq(send(backend, "abc", 3, 0), 3);
		ck_assert_int_eq(send(backend, "U", 1, MSG_OOB), 1);
		ck_assert_int_eq(send(backend, "de", 2, 0), 2);
		ck_assert_int_eq(send(backend, "V", 1, MSG_OOB), 1);
		ck_assert_int_eq(send(backend, "fgh", 3, 0), 3);
		ck_assert_int_eq(shutdown(backend, SHUT_WR), 0);
		ck_assert_int_eq(recv(client, bytes, sizeof(bytes), MSG_WAITALL), 10);
		ck_assert_str_eq(bytes, "abcUdeVfgh");
		close(client);
		close(backend);
	}
	stage_close(&stage);
}
END_TEST

/* A copy of the worker's descriptor, or -1. */
static int
borrow(int pidfd, int number)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
}

static bool
has_option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &len) == 0 && value != 0;
}

/* How many of the worker's sockets to the backend have both options; -1 = cannot be seen here. */
static int
count_lasting(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, stage.pid, 0), count = 0;

	if (pidfd < 0)
		return -1;
	for (int number = 0; number < 64 && count >= 0; number++) {
		struct sockaddr_in peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = borrow(pidfd, number);

		if (fd < 0) {
			count = errno == EBADF ? count : -1;
			continue;
		}
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
			ntohs(peer.sin_port) == stage.backend_ports[0] &&
			has_option(fd, IPPROTO_TCP, TCP_NODELAY) &&
			has_option(fd, SOL_SOCKET, SO_KEEPALIVE))
			count++;
		close(fd);
	}
	close(pidfd);
	return count;
}

START_TEST(a_connection_that_lasts_has_its_options_to_the_backend_too)
{
	int64_t deadline_ns = clock_now_ns() + 10 * NSEC_PER_SEC;
	int client, backend, count;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	while ((count = count_lasting()) == 0) {
		ck_assert_int_lt(clock_now_ns(), deadline_ns);
		ck_assert_int_eq(poll(NULL, 0, 20), 0);
	}
	if (count < 0)
		fprintf(stderr, "not looked at: a process's descriptors cannot be had here\n");
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

/* A byte each 40 ms until the worker ends the connection. Returns how: 0 by a FIN, or the error. Says how
 * long the longest silence was. */
static int
trickle(int from, int to, int64_t *silence_ns)
{
	int64_t sent_ns = clock_now_ns(), now_ns;
	char byte = 0;
	ssize_t n;

	*silence_ns = 0;
	for (;;) {
		(void)send(from, "s", 1, MSG_NOSIGNAL); /* fails where it has just ended */
		n = recv(to, &byte, 1, 0);
		if (n != 1)
			return n < 0 ? errno : 0;
		ck_assert_int_eq(poll(NULL, 0, 40), 0);
		now_ns = clock_now_ns();
		if (now_ns - sent_ns > *silence_ns)
			*silence_ns = now_ns - sent_ns;
		sent_ns = now_ns;
	}
}

/* An end that comes in the middle of a stream, be it a slow one, must not look like the stream's own. */
START_TEST(a_connection_that_is_too_old_and_busy_ends_by_a_reset)
{
	int client, backend, end;
	int64_t silence_ns;

	stage_open(&stage, 1);
	stage.frontend.max_age_ns = NSEC_PER_SEC;
	stage_push(&stage);
	for (int round = 0; round < 3; round++) {
		connect_pair(&client, &backend);
		end = trickle(backend, client, &silence_ns);
		/* On a machine that is busy with other things there was a pause after all. */
		ck_assert(end == ECONNRESET || silence_ns > 90 * NSEC_PER_MSEC);
		close(client);
		close(backend);
	}
	stage_wait_ended(&stage, ENDED_BY_IAIDO, ENDED_AGE, 3);
	stage_close(&stage);
}
END_TEST

/* Children that pump bytes in at one end and out at the other as fast as they can. */
static void
start_pump(int fd, bool writes, pid_t *pid)
{
	static char bytes[1 << 18];
	struct timeval never = { 0 };

	*pid = fork();
	ck_assert_int_ge(*pid, 0);
	if (*pid > 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	while ((writes ? send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL)
		       : recv(fd, bytes, sizeof(bytes), 0)) > 0)
		;
	_exit(0);
}

static void
check_urgent_beside_traffic(int from, int to)
{
	pid_t reader, writer;

	start_pump(from, false, &reader);
	start_pump(to, true, &writer);
	check_urgent(from, to);
	check_urgent_before_fin(from, to);
	kill(writer, SIGKILL);
	kill(reader, SIGKILL);
	waitpid(writer, NULL, 0);
	waitpid(reader, NULL, 0);
	close(from);
	close(to);
}

/* What stands behind an urgent byte must not wait for a pause in the other direction. */
START_TEST(urgent_data_is_delivered_beside_traffic)
{
	int client, backend;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	check_urgent_beside_traffic(client, backend);
	connect_pair(&client, &backend);
	check_urgent_beside_traffic(backend, client);
	stage_close(&stage);
}
END_TEST

#define STREAMS 8

START_TEST(streams_that_never_run_dry_let_others_have_their_turn)
{
	int client, backend, fds[2 * STREAMS];
	pid_t pids[2 * STREAMS];
	char byte = 0;

	stage_open(&stage, 1);
	connect_pair(&client, &backend);
	for (int i = 0; i < 2 * STREAMS; i += 2) {
		connect_pair(&fds[i], &fds[i + 1]);
		start_pump(fds[i], false, &pids[i]);
		start_pump(fds[i + 1], true, &pids[i + 1]);
	}
	/* Each of these is a whole round trip; one used to take seconds. */
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(send(client, "p", 1, 0), 1);
		ck_assert_int_eq(recv(backend, &byte, 1, 0), 1);
		ck_assert_int_eq(send(backend, "p", 1, 0), 1);
		ck_assert_int_eq(recv(client, &byte, 1, 0), 1);
	}
	for (int i = 0; i < 2 * STREAMS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		close(fds[i]);
	}
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

START_TEST(a_slot_that_comes_during_a_drain_that_accepts_is_served)
{
	struct msg_drain drain = { .whole_process = true, .keep_accepting = true };
	int client, backend, second, second_backend;
	uint32_t own;

	stage_open(&stage, 1);
	connect_pair(&client, &backend); /* something is open: it goes on accepting */
	own = stage.frontend.slot_owners[0];
	stage.frontend.slot_owners[0] = own + 1;
	stage_push(&stage);
	drain.left_ns = 30 * NSEC_PER_SEC;
	stage_drain(&stage, &drain);
	stage.frontend.slot_owners[0] = own;
	stage_push(&stage);
	connect_pair(&second, &second_backend);
	close(second);
	close(second_backend);
	close(client);
	close(backend);
	stage_close(&stage);
}
END_TEST

UNIT_MAIN("relay_faults", a_reset_met_by_a_send_is_not_passed_on_as_a_fin,
	a_reset_behind_a_fin_is_passed_on, a_reset_does_not_wait_for_a_receiver_that_does_not_read,
	what_came_before_a_reset_is_delivered_to_a_receiver_that_was_slow,
	a_reset_reaches_the_backend_that_was_dialled_second,
	the_half_closed_time_begins_with_the_fin,
	what_came_before_the_idle_time_was_over_keeps_the_connection,
	urgent_data_is_delivered_in_the_stream_both_ways, a_stream_does_not_end_at_an_urgent_byte,
	the_first_byte_of_a_backend_may_be_urgent, urgent_bytes_early_in_an_answer_all_arrive,
	urgent_data_is_delivered_beside_traffic,
	a_connection_that_lasts_has_its_options_to_the_backend_too,
	a_connection_that_is_too_old_and_busy_ends_by_a_reset,
	streams_that_never_run_dry_let_others_have_their_turn,
	a_slot_that_comes_during_a_drain_that_accepts_is_served)
