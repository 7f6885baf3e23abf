/* Receives and sends on many sockets: what a ring leaves undone is done without it, once. The ring is one
 * of the test's own, which does as it is told. */
#include "config.h"

#include "worker/transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/ring.h"

#include "unit.h"

#define PAIRS 8

/* How many it takes, and what it says of each: 0 = does it. */
struct ring {
	unsigned takes;
	int says[PAIRS];
	unsigned calls;
};

static int pairs[PAIRS][2];
static uint8_t buffers[PAIRS][16];
static struct transfer transfers[PAIRS];

unsigned
ring_receive(struct ring *r, struct transfer *t, unsigned count)
{
	r->calls++;
	for (unsigned i = 0; i < count && i < r->takes; i++)
		t[i].result = r->says[i] != 0 ? r->says[i] : recv(t[i].fd, t[i].data, t[i].len, 0);
	return count < r->takes ? count : r->takes;
}

unsigned
ring_send(struct ring *r, struct transfer *t, unsigned count)
{
	r->calls++;
	for (unsigned i = 0; i < count && i < r->takes; i++)
		t[i].result = r->says[i] != 0 ? r->says[i] : send(t[i].fd, t[i].data, t[i].len, 0);
	return count < r->takes ? count : r->takes;
}

static void
set_up(void)
{
	for (int i = 0; i < PAIRS; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		transfers[i] = (struct transfer){
			.fd = pairs[i][0], .data = buffers[i], .len = sizeof(buffers[i])
		};
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < PAIRS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

static void
check_received(struct ring *r)
{
	set_up();
	for (int i = 0; i < PAIRS; i++)
		ck_assert_int_eq(send(pairs[i][1], "abcdefgh", (size_t)i + 1, 0), i + 1);
	transfer_receive(r, transfers, PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		ck_assert_int_eq(transfers[i].result, i + 1);
		ck_assert_int_eq(memcmp(buffers[i], "abcdefgh", (size_t)i + 1), 0);
	}
	tear_down();
}

static void
check_sent(struct ring *r)
{
	char bytes[32];

	set_up();
	for (int i = 0; i < PAIRS; i++) {
		memset(buffers[i], 'a' + i, sizeof(buffers[i]));
		transfers[i].len = (size_t)i + 1;
	}
	transfer_send(r, transfers, PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		ck_assert_int_eq(transfers[i].result, i + 1);
		/* Once, and no more. */
		ck_assert_int_eq(recv(pairs[i][1], bytes, sizeof(bytes), 0), i + 1);
		ck_assert_int_eq(bytes[i], 'a' + i);
		ck_assert_int_eq(recv(pairs[i][1], bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	}
	tear_down();
}

START_TEST(without_a_ring_each_is_a_call)
{
	check_received(NULL);
	check_sent(NULL);
}
END_TEST

START_TEST(what_a_ring_does_not_take_is_done_without_it)
{
	for (unsigned takes = 0; takes <= PAIRS; takes++) {
		struct ring r = { .takes = takes };

		check_received(&r);
		check_sent(&r);
		ck_assert_uint_eq(r.calls, 2);
	}
}
END_TEST

START_TEST(what_a_ring_took_and_did_not_do_is_done_without_it)
{
	struct ring r = { .takes = PAIRS, .says = { -EINTR, 0, -ENOMEM, 0, 0, -EINTR } };

	check_received(&r);
	check_sent(&r);
	r.takes = 3;
	check_received(&r);
	check_sent(&r);
}
END_TEST

START_TEST(what_a_ring_found_stands)
{
	struct ring r = { .takes = PAIRS, .says = { -EAGAIN, -ECONNRESET, -ETIMEDOUT } };

	set_up();
	for (int i = 0; i < PAIRS; i++)
		ck_assert_int_eq(send(pairs[i][1], "x", 1, 0), 1);
	transfer_receive(&r, transfers, PAIRS);
	ck_assert_int_eq(transfers[0].result, -EAGAIN);
	ck_assert_int_eq(transfers[1].result, -ECONNRESET);
	ck_assert_int_eq(transfers[2].result, -ETIMEDOUT);
	ck_assert_int_eq(transfers[3].result, 1);
	tear_down();
}
END_TEST

START_TEST(a_single_one_goes_without_a_ring)
{
	struct ring r = { .takes = PAIRS };

	set_up();
	transfer_receive(&r, transfers, 1);
	ck_assert_int_eq(transfers[0].result, -EAGAIN);
	close(pairs[0][1]);
	transfer_send(&r, transfers, 1);
	ck_assert_int_eq(transfers[0].result, -EPIPE);
	ck_assert_uint_eq(r.calls, 0);
	tear_down();
}
END_TEST

UNIT_MAIN("transfer", without_a_ring_each_is_a_call, what_a_ring_does_not_take_is_done_without_it,
	what_a_ring_took_and_did_not_do_is_done_without_it, what_a_ring_found_stands,
	a_single_one_goes_without_a_ring)
