/* Receives and sends on many sockets at once, by the kernel: each gets its own result, one after the other
 * and through a ring. The program counts as skipped (77) when the ring's half could not be run, with the
 * reason on stderr. */
#define _GNU_SOURCE
#include "config.h"

#include "worker/transfer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "descriptors.h"
#include "iaido/macros.h"
#include "worker/ring.h"

#define CAPACITY 16
#define MESSAGE_MAX 300
#define ROUNDS 1000
#define MUCH (4 << 20) /* more than any socket takes here */
/* An odd number of results, so that each of them comes to each place. */
#define KINDS 5

static struct ring *ring; /* NULL = one after the other */
static int ours[CAPACITY], theirs[CAPACITY];
static uint8_t in[CAPACITY][MESSAGE_MAX], out[CAPACITY][MESSAGE_MAX];
static struct transfer transfers[CAPACITY];
static uint8_t much[MUCH], back[MUCH];

/* ---- the kernel's part, which may refuse some ---- */

static unsigned asked; /* how often the ring's kernel was asked for something */
static int take_at_most = -1; /* of what it is asked for; -1 = all */
static int refusal; /* or nothing, for this reason; 0 = none */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Stands before the C library's. */
long
__wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = va_arg(list, long);
	va_end(list);
#ifdef SYS_io_uring_enter
	if (number == SYS_io_uring_enter) {
		asked++;
		if (refusal != 0) {
			errno = refusal;
			return -1;
		}
		if (take_at_most >= 0 && (int)a[1] > take_at_most)
			a[1] = a[2] = take_at_most;
	}
#endif
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- sockets ---- */

static uint8_t
pattern(unsigned round, unsigned socket, size_t at)
{
	return (uint8_t)(round * 31 + socket * 17 + at * 7 + (at >> 8));
}

static void
set_up(int with_ring)
{
	ring = NULL;
	if (with_ring)
		ck_assert_ptr_nonnull(ring = ring_open(CAPACITY));
	/* They block: no call may wait all the same. */
	for (int i = 0; i < CAPACITY; i++) {
		int fds[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ours[i] = fds[0];
		theirs[i] = fds[1];
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < CAPACITY; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	ring_close(ring);
}

/* In place of the two ends that stand there. */
static void
make_tcp(int i)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	close(ours[i]);
	close(theirs[i]);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_ge(theirs[i] = socket(AF_INET, SOCK_STREAM, 0), 0);
	ck_assert_int_eq(connect(theirs[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_ge(ours[i] = accept(listener, NULL, NULL), 0);
	close(listener);
}

static void
reset_theirs(int i)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	ck_assert_int_eq(
		setsockopt(theirs[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(theirs[i]);
	theirs[i] = -1;
}

/* A number that is nobody's. */
static void
close_ours(int i)
{
	close(ours[i]);
	ours[i] = -1;
	transfers[i].fd = 1 << 19;
}

static size_t
length(unsigned round, unsigned i)
{
	return 1 + (round * 7 + i * 13) % (MESSAGE_MAX - 1);
}

static void
they_say(unsigned round, unsigned i)
{
	size_t len = length(round, i);

	for (size_t at = 0; at < len; at++)
		out[i][at] = pattern(round, i, at);
	ck_assert_int_eq(send(theirs[i], out[i], len, 0), (ssize_t)len);
}

/* What is asked for, with nothing of the last round left in it. */
static void
ask_to_receive(unsigned count)
{
	memset(in, 0, sizeof(in));
	for (unsigned i = 0; i < count; i++)
		transfers[i] = (struct transfer){
			.fd = ours[i], .data = in[i], .len = MESSAGE_MAX, .result = 4711
		};
}

static void
ask_to_send(unsigned round, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		transfers[i] = (struct transfer){
			.fd = ours[i], .data = out[i], .len = length(round, i), .result = 4711
		};
		for (size_t at = 0; at < MESSAGE_MAX; at++)
			out[i][at] = pattern(round, i, at);
	}
}

/* Those bytes, and nothing behind them. */
static void
check_bytes(const uint8_t *got, unsigned round, unsigned i)
{
	uint8_t expected[MESSAGE_MAX] = { 0 };

	for (size_t at = 0; at < length(round, i); at++)
		expected[at] = pattern(round, i, at);
	ck_assert_mem_eq(got, expected, sizeof(expected));
}

static void
check_received(unsigned round, unsigned i)
{
	ck_assert_int_eq(transfers[i].result, (ssize_t)length(round, i));
	check_bytes(in[i], round, i);
}

static void
check_sent(unsigned round, unsigned i)
{
	uint8_t got[MESSAGE_MAX] = { 0 };
	ssize_t len = (ssize_t)length(round, i);

	ck_assert_int_eq(transfers[i].result, len);
	ck_assert_int_eq(recv(theirs[i], got, sizeof(got), MSG_DONTWAIT), len);
	check_bytes(got, round, i);
}

static void
receive_round(unsigned round, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		they_say(round, i);
	ask_to_receive(count);
	transfer_receive(ring, transfers, count);
	for (unsigned i = 0; i < count; i++)
		check_received(round, i);
}

static void
send_round(unsigned round, unsigned count)
{
	ask_to_send(round, count);
	transfer_send(ring, transfers, count);
	for (unsigned i = 0; i < count; i++)
		check_sent(round, i);
}

/* ---- tests; _i: with a ring ---- */

START_TEST(each_socket_gets_its_own_bytes)
{
	set_up(_i);
	for (unsigned count = 0; count <= CAPACITY; count++) {
		receive_round(count, count);
		send_round(count, count);
	}
	tear_down();
}
END_TEST

START_TEST(it_goes_on_for_more_rounds_than_there_are_entries)
{
	set_up(_i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		receive_round(round, 1 + round * 5 % CAPACITY);
		send_round(round, 1 + round * 11 % CAPACITY);
	}
	tear_down();
}
END_TEST

static void
prepare_receive(int kind, int i)
{
	switch (kind) {
	case 0:
		they_say(3, (unsigned)i);
		break;
	case 1: /* nothing to read */
		break;
	case 2: /* the end, behind some bytes that are read first */
		ck_assert_int_eq(shutdown(theirs[i], SHUT_WR), 0);
		break;
	case 3:
		reset_theirs(i);
		break;
	default:
		close_ours(i);
		break;
	}
}

START_TEST(each_receive_has_its_own_result)
{
	static const ssize_t results[KINDS] = { 0, -EAGAIN, 0, -ECONNRESET, -EBADF };

	for (int first = 0; first < KINDS; first++) {
		set_up(_i);
		for (int i = 0; i < CAPACITY; i++)
			make_tcp(i);
		ask_to_receive(CAPACITY);
		for (int i = 0; i < CAPACITY; i++)
			prepare_receive((first + i) % KINDS, i);
		transfer_receive(ring, transfers, CAPACITY);
		for (int i = 0; i < CAPACITY; i++) {
			if ((first + i) % KINDS == 0)
				check_received(3, (unsigned)i);
			else
				ck_assert_int_eq(transfers[i].result, results[(first + i) % KINDS]);
		}
		tear_down();
	}
}
END_TEST

/* A transfer that finds nothing is over: it does not take what comes later. */
START_TEST(nothing_is_left_under_way)
{
	set_up(_i);
	ask_to_receive(CAPACITY);
	transfer_receive(ring, transfers, CAPACITY);
	for (unsigned i = 0; i < CAPACITY; i++) {
		ck_assert_int_eq(transfers[i].result, -EAGAIN);
		they_say(1, i);
		ck_assert_uint_eq(in[i][0], 0);
	}
	ask_to_receive(CAPACITY);
	transfer_receive(ring, transfers, CAPACITY);
	for (unsigned i = 0; i < CAPACITY; i++)
		check_received(1, i);
	tear_down();
}
END_TEST

START_TEST(one_by_itself_has_any_result)
{
	static const ssize_t results[KINDS] = { 0, -EAGAIN, 0, -ECONNRESET, -EBADF };

	for (int kind = 0; kind < KINDS; kind++) {
		set_up(_i);
		make_tcp(0);
		ask_to_receive(1);
		prepare_receive(kind, 0);
		transfer_receive(ring, transfers, 1);
		if (kind == 0)
			check_received(3, 0);
		else
			ck_assert_int_eq(transfers[0].result, results[kind]);
		tear_down();
	}
}
END_TEST

static void
fill_up(int fd)
{
	while (send(fd, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

static void
prepare_send(int kind, int i)
{
	static const int little = 8192;

	switch (kind) {
	case 0:
		break;
	case 1: /* full */
		fill_up(ours[i]);
		break;
	case 2: /* takes a part */
		make_tcp(i);
		ck_assert_int_eq(
			setsockopt(ours[i], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
		transfers[i] =
			(struct transfer){ .fd = ours[i], .data = much, .len = sizeof(much) };
		break;
	case 3: /* nobody listens any more */
		close(theirs[i]);
		theirs[i] = -1;
		break;
	default:
		close_ours(i);
		break;
	}
}

/* What it says was taken arrives, and nothing else. */
static void
check_part(int i)
{
	ssize_t taken = transfers[i].result;

	ck_assert_int_gt(taken, 0);
	ck_assert_int_lt(taken, MUCH);
	ck_assert_int_eq(recv(theirs[i], back, (size_t)taken, MSG_WAITALL), taken);
	ck_assert_mem_eq(back, much, (size_t)taken);
	ck_assert_int_eq(recv(theirs[i], back, 1, MSG_DONTWAIT), -1);
}

/* A SIGPIPE would end this process. */
START_TEST(each_send_has_its_own_result)
{
	static const ssize_t results[KINDS] = { 0, -EAGAIN, 0, -EPIPE, -EBADF };

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_DFL), SIG_ERR);
	for (size_t at = 0; at < sizeof(much); at++)
		much[at] = pattern(9, 0, at);
	for (int first = 0; first < KINDS; first++) {
		set_up(_i);
		ask_to_send(5, CAPACITY);
		for (int i = 0; i < CAPACITY; i++)
			prepare_send((first + i) % KINDS, i);
		transfer_send(ring, transfers, CAPACITY);
		for (int i = 0; i < CAPACITY; i++) {
			int kind = (first + i) % KINDS;

			if (kind == 0)
				check_sent(5, (unsigned)i);
			else if (kind == 2)
				check_part(i);
			else
				ck_assert_int_eq(transfers[i].result, results[kind]);
		}
		tear_down();
	}
}
END_TEST

START_TEST(no_descriptor_is_left_open)
{
	int before = count_descriptors();

	for (int i = 0; i < 10; i++) {
		set_up(_i);
		ck_assert_int_eq(count_descriptors(), before + 2 * CAPACITY + (_i ? 1 : 0));
		receive_round(1, CAPACITY);
		tear_down();
		ck_assert_int_eq(count_descriptors(), before);
	}
	ring_close(NULL);
}
END_TEST

/* ---- of the ring only ---- */

START_TEST(many_are_one_system_call_and_a_single_one_is_none)
{
	set_up(1);
	asked = 0;
	receive_round(1, CAPACITY);
	ck_assert_uint_eq(asked, 1);
	send_round(1, 2);
	ck_assert_uint_eq(asked, 2);
	receive_round(2, 1);
	send_round(2, 1);
	ck_assert_uint_eq(asked, 2);
	tear_down();
}
END_TEST

/* Each count of those that the kernel takes, with rounds behind it that find nothing of it left. */
START_TEST(what_the_kernel_does_not_take_is_done_one_by_one)
{
	set_up(1);
	for (unsigned round = 0; round < 8 * CAPACITY; round++) {
		take_at_most = (int)(round % CAPACITY);
		receive_round(round, CAPACITY);
		send_round(round, CAPACITY - round % 3);
		take_at_most = -1;
		receive_round(round + 1, 2 + round % 5);
		send_round(round + 1, 3 + round % 7);
	}
	tear_down();
}
END_TEST

START_TEST(without_the_kernels_consent_each_is_done_by_itself)
{
	static const int reasons[] = { EAGAIN, EBUSY, EINTR, ENOMEM };

	set_up(1);
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		refusal = reasons[i];
		receive_round(i, CAPACITY - i);
		send_round(i, CAPACITY - i);
		refusal = 0;
		receive_round(i + 1, 2 + i);
		send_round(i + 1, 3 + i);
	}
	tear_down();
}
END_TEST

/* Unlike a shortage, a filter does not pass. */
START_TEST(a_kernel_that_forbids_it_is_not_asked_again)
{
	static const int reasons[] = { EPERM, EACCES, ENOSYS };

	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		set_up(1);
		asked = 0;
		refusal = reasons[i];
		receive_round(i, CAPACITY);
		refusal = 0;
		send_round(i, CAPACITY);
		receive_round(i + 1, CAPACITY);
		ck_assert_uint_eq(asked, 1);
		tear_down();
	}
}
END_TEST

/* ---- which can be run ---- */

/* Why a ring cannot be had here; 0 = one can. */
static int
why_no_ring(void)
{
	struct ring *r = ring_open(CAPACITY);
	int reason = r == NULL ? errno : 0;

	ring_close(r);
	return reason;
}

/* That is no fault of ring_open(): the kernel is older, lacks it, or keeps it from us. */
static bool
is_kernels(int reason)
{
	struct utsname u;

	return reason == ENOSYS || reason == EPERM || reason == EACCES ||
		(reason == EINVAL && uname(&u) == 0 && strtol(u.release, NULL, 10) < 6);
}

static void
add_tests(Suite *suite, int with_ring)
{
	const TTest *const both[] = { each_socket_gets_its_own_bytes,
		it_goes_on_for_more_rounds_than_there_are_entries, each_receive_has_its_own_result,
		nothing_is_left_under_way, one_by_itself_has_any_result,
		each_send_has_its_own_result, no_descriptor_is_left_open };
	const TTest *const rings[] = { many_are_one_system_call_and_a_single_one_is_none,
		what_the_kernel_does_not_take_is_done_one_by_one,
		without_the_kernels_consent_each_is_done_by_itself,
		a_kernel_that_forbids_it_is_not_asked_again };
	TCase *tcase = tcase_create(with_ring ? "by a ring" : "one by one");

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++)
		tcase_add_loop_test(tcase, both[i], with_ring, with_ring + 1);
	for (size_t i = 0; with_ring && i < ARRAY_SIZE(rings); i++)
		tcase_add_test(tcase, rings[i]);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("transfer_sockets");
	int reason = why_no_ring(), failed;
	SRunner *runner;

	add_tests(suite, 0);
	if (!is_kernels(reason))
		add_tests(suite, 1);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed != 0)
		return EXIT_FAILURE;
	if (!is_kernels(reason))
		return EXIT_SUCCESS;
	fprintf(stderr, "not run: all that wants io_uring, which is not to be had here: %s\n",
		strerror(reason));
	return 77;
}
