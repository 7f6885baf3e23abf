/* The channel: whole messages, and no descriptor left open by one that is not. */
#define _GNU_SOURCE
#include "config.h"

#include "iaido/chan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "iaido/rng.h"
#include "unit.h"

static int fds[2];
static int descriptors;

static void
setup(void)
{
	ck_assert_int_eq(chan_pair(fds), 0);
	descriptors = count_descriptors();
}

static void
teardown(void)
{
	ck_assert_int_eq(count_descriptors(), descriptors);
	close(fds[0]);
	close(fds[1]);
}

/* What somebody sends who does not use chan_send(). */
static void
send_raw(const void *data, size_t len, const int *send_fds, size_t count)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (count > 0) {
		m.msg_control = control.data;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head = CMSG_FIRSTHDR(&m);
		assert(head);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), send_fds, count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fds[0], &m, 0), (ssize_t)len);
}

static int
receive(void)
{
	static struct chan_message m;
	int r = chan_receive(fds[1], &m);

	if (r != 1)
		ck_assert_int_eq(m.fd, -1);
	else if (m.fd >= 0)
		close(m.fd);
	return r;
}

/* {version, type, length} and a payload of so many bytes. */
static size_t
make_frame(uint8_t *frame, uint16_t version, uint32_t len)
{
	uint16_t type = 7;

	memcpy(frame, &version, 2);
	memcpy(frame + 2, &type, 2);
	memcpy(frame + 4, &len, 4);
	memset(frame + 8, 'x', len);
	return 8 + (size_t)len;
}

START_TEST(a_message_arrives_whole)
{
	struct chan_message m;

	setup();
	ck_assert_int_eq(chan_receive(fds[1], &m), -EAGAIN);
	ck_assert_int_eq(chan_send(fds[0], 3, "hello", 5, -1), 0);
	ck_assert_int_eq(chan_send(fds[0], 4, NULL, 0, -1), 0);
	ck_assert_int_eq(chan_receive(fds[1], &m), 1);
	ck_assert_uint_eq(m.type, 3);
	ck_assert_uint_eq(m.len, 5);
	ck_assert_int_eq(m.fd, -1);
	ck_assert_mem_eq(m.payload, "hello", 5);
	ck_assert_int_eq(chan_receive(fds[1], &m), 1);
	ck_assert_uint_eq(m.type, 4);
	ck_assert_uint_eq(m.len, 0);
	ck_assert_int_eq(chan_receive(fds[1], &m), -EAGAIN);
	teardown();
}
END_TEST

START_TEST(a_descriptor_comes_along_and_closes_on_exec)
{
	struct chan_message m;
	int pipe_fds[2];
	char c = 0;

	setup();
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(chan_send(fds[0], 3, "x", 1, pipe_fds[1]), 0);
	close(pipe_fds[1]);
	ck_assert_int_eq(chan_receive(fds[1], &m), 1);
	ck_assert_int_ge(m.fd, 0);
	ck_assert_int_ne(fcntl(m.fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(write(m.fd, "y", 1), 1);
	ck_assert_int_eq(read(pipe_fds[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	close(m.fd);
	close(pipe_fds[0]);
	teardown();
}
END_TEST

START_TEST(the_largest_message_fits_and_a_larger_one_is_not_sent)
{
	static uint8_t bytes[CHAN_MESSAGE_MAX + 1];
	struct chan_message m;

	setup();
	memset(bytes, 'z', sizeof(bytes));
	ck_assert_int_eq(chan_send(fds[0], 1, bytes, CHAN_MESSAGE_MAX, -1), 0);
	ck_assert_int_eq(chan_send(fds[0], 1, bytes, CHAN_MESSAGE_MAX + 1, -1), -EMSGSIZE);
	ck_assert_int_eq(chan_receive(fds[1], &m), 1);
	ck_assert_uint_eq(m.len, CHAN_MESSAGE_MAX);
	ck_assert_mem_eq(m.payload, bytes, m.len);
	teardown();
}
END_TEST

START_TEST(a_peer_that_is_gone_is_told_from_one_that_is_silent)
{
	struct chan_message m;
	int other[2];

	ck_assert_int_eq(chan_pair(other), 0);
	ck_assert_int_eq(chan_receive(other[0], &m), -EAGAIN);
	ck_assert_int_eq(chan_send(other[0], 1, NULL, 0, -1), 0); /* never read */
	close(other[1]);
	ck_assert_int_eq(chan_receive(other[0], &m), 0);
	ck_assert_int_eq(chan_receive(other[0], &m), 0);
	ck_assert_int_eq(chan_send(other[0], 1, NULL, 0, -1), -EPIPE);
	close(other[0]);
}
END_TEST

START_TEST(what_was_sent_before_the_end_is_received_first)
{
	struct chan_message m;
	int other[2];

	ck_assert_int_eq(chan_pair(other), 0);
	ck_assert_int_eq(chan_send(other[1], 9, NULL, 0, -1), 0);
	close(other[1]);
	ck_assert_int_eq(chan_receive(other[0], &m), 1);
	ck_assert_uint_eq(m.type, 9);
	ck_assert_int_eq(chan_receive(other[0], &m), 0);
	close(other[0]);
}
END_TEST

START_TEST(a_full_channel_says_so_and_loses_nothing)
{
	struct chan_message m;
	uint32_t sent = 0, received = 0;
	int r;

	setup();
	while ((r = chan_send(fds[0], 1, &sent, sizeof(sent), -1)) == 0)
		sent++;
	ck_assert_int_eq(r, -EAGAIN);
	while (chan_receive(fds[1], &m) == 1) {
		ck_assert_mem_eq(m.payload, &received, sizeof(received));
		received++;
	}
	ck_assert_uint_eq(received, sent);
	ck_assert_int_eq(chan_send(fds[0], 1, &sent, sizeof(sent), -1), 0);
	teardown();
}
END_TEST

START_TEST(a_frame_is_refused_at_every_other_length)
{
	uint8_t frame[8 + 32];
	size_t len = make_frame(frame, CHAN_VERSION, 20);

	setup();
	for (size_t cut = 1; cut < sizeof(frame); cut++) {
		int fd = fds[0];

		send_raw(frame, cut, &fd, cut % 2);
		ck_assert_int_eq(receive(), cut == len ? 1 : -EBADMSG);
	}
	teardown();
}
END_TEST

START_TEST(another_version_is_refused)
{
	uint8_t frame[8 + 4];
	size_t len;

	setup();
	for (uint32_t version = 0; version < 70000; version += version < 5 ? 1 : 4999) {
		len = make_frame(frame, (uint16_t)version, 4);
		send_raw(frame, len, &fds[1], 1);
		ck_assert_int_eq(receive(), (uint16_t)version == CHAN_VERSION ? 1 : -EBADMSG);
	}
	teardown();
}
END_TEST

START_TEST(a_message_too_large_for_the_buffer_is_refused)
{
	static uint8_t frame[8 + CHAN_MESSAGE_MAX + 100];

	setup();
	for (uint32_t over = 0; over <= 100; over += 25) {
		size_t len = make_frame(frame, CHAN_VERSION, CHAN_MESSAGE_MAX + over);

		send_raw(frame, len, &fds[1], 1);
		ck_assert_int_eq(receive(), over == 0 ? 1 : -EBADMSG);
	}
	teardown();
}
END_TEST

START_TEST(more_than_one_descriptor_is_refused_and_all_are_closed)
{
	uint8_t frame[8];
	size_t len = make_frame(frame, CHAN_VERSION, 0);
	int many[64];

	setup();
	for (size_t i = 0; i < 64; i++)
		many[i] = fds[i % 2];
	for (size_t count = 1; count <= 64; count++) {
		send_raw(frame, len, many, count);
		ck_assert_int_eq(receive(), count == 1 ? 1 : -EBADMSG);
		ck_assert_int_eq(count_descriptors(), descriptors);
	}
	teardown();
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	struct rng rng;

	setup();
	rng_seed_from(&rng, 12);
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[64];
		size_t len = 1 + rng_below(&rng, sizeof(bytes) - 1);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)rng_next(&rng);
		if (rng_below(&rng, 2))
			make_frame(bytes, CHAN_VERSION, (uint32_t)rng_below(&rng, 50));
		send_raw(bytes, len, fds, rng_below(&rng, 3));
		if (receive() == 0)
			ck_abort_msg("a message was taken for the end");
	}
	teardown();
}
END_TEST

UNIT_MAIN("chan", a_message_arrives_whole, a_descriptor_comes_along_and_closes_on_exec,
	the_largest_message_fits_and_a_larger_one_is_not_sent,
	a_peer_that_is_gone_is_told_from_one_that_is_silent,
	what_was_sent_before_the_end_is_received_first, a_full_channel_says_so_and_loses_nothing,
	a_frame_is_refused_at_every_other_length, another_version_is_refused,
	a_message_too_large_for_the_buffer_is_refused,
	more_than_one_descriptor_is_refused_and_all_are_closed, random_bytes_do_no_harm)
