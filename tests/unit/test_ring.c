/* io_uring: its receives and sends say what recv() and send() would. Nothing is tested where the kernel has
 * none, or none for us. */
#include "config.h"

#include "worker/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define SLOTS 16
#define SIZE 4096

static struct ring *ring;
static int pairs[SLOTS][2];
static uint8_t buffers[SLOTS][SIZE];
static struct transfer transfers[SLOTS];

/* False: there is no ring. The sockets block: a ring does not wait for them all the same. */
static bool
set_up(void)
{
	ring = ring_open(SLOTS);
	if (ring == NULL)
		return false;
	for (int i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
		transfers[i] =
			(struct transfer){ .fd = pairs[i][0], .data = buffers[i], .len = SIZE };
	}
	return true;
}

static void
tear_down(void)
{
	for (int i = 0; i < SLOTS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	ring_close(ring);
}

static void
expect(int slot, ssize_t result)
{
	ck_assert_msg(transfers[slot].result == result, "%d: %zd", slot, transfers[slot].result);
}

START_TEST(bytes_go_to_their_places_round_after_round)
{
	char bytes[SIZE];

	if (!set_up())
		return;
	for (unsigned round = 0; round < 100; round++) {
		unsigned count = 1 + round % SLOTS;

		for (unsigned i = 0; i < count; i++) {
			memset(bytes, (int)(round + i), SIZE);
			ck_assert_int_eq(send(pairs[i][1], bytes, 10 + i, 0), 10 + i);
		}
		ck_assert_uint_eq(ring_receive(ring, transfers, count), count);
		for (unsigned i = 0; i < count; i++) {
			expect((int)i, 10 + (ssize_t)i);
			ck_assert_uint_eq(buffers[i][9 + i], (uint8_t)(round + i));
			transfers[i].len = 10 + i;
		}
		ck_assert_uint_eq(ring_send(ring, transfers, count), count);
		for (unsigned i = 0; i < count; i++) {
			expect((int)i, 10 + (ssize_t)i);
			transfers[i].len = SIZE;
			ck_assert_int_eq(recv(pairs[i][1], bytes, SIZE, 0), 10 + i);
			ck_assert_uint_eq((uint8_t)bytes[9 + i], (uint8_t)(round + i));
		}
	}
	tear_down();
}
END_TEST

START_TEST(one_that_fails_stops_no_other)
{
	if (!set_up())
		return;
	close(pairs[1][1]); /* an end */
	close(pairs[2][0]); /* no socket at all */
	ck_assert_int_eq(send(pairs[3][1], "abc", 3, 0), 3);
	ck_assert_int_eq(send(pairs[SLOTS - 1][1], "last", 4, 0), 4);
	ck_assert_uint_eq(ring_receive(ring, transfers, SLOTS), SLOTS);
	expect(0, -EAGAIN);
	expect(1, 0);
	expect(2, -EBADF);
	expect(3, 3);
	expect(SLOTS - 1, 4);
	ck_assert_uint_eq(ring_send(ring, transfers, SLOTS), SLOTS);
	expect(0, SIZE);
	expect(1, -EPIPE); /* and no signal */
	expect(2, -EBADF);
	expect(SLOTS - 1, SIZE);
	tear_down();
}
END_TEST

START_TEST(a_receiver_that_is_full_is_not_waited_for)
{
	ssize_t sent = 0, taken = 0, n;

	if (!set_up())
		return;
	do {
		ck_assert_uint_eq(ring_send(ring, transfers, 2), 2);
		sent += transfers[0].result > 0 ? transfers[0].result : 0;
	} while (transfers[0].result > 0);
	expect(0, -EAGAIN);
	while ((n = recv(pairs[0][1], buffers[1], SIZE, MSG_DONTWAIT)) > 0)
		taken += n;
	ck_assert_int_eq(taken, sent);
	tear_down();
}
END_TEST

UNIT_MAIN("ring", bytes_go_to_their_places_round_after_round, one_that_fails_stops_no_other,
	a_receiver_that_is_full_is_not_waited_for)
