/* The typed messages: there and back, and what is refused. */
#include "config.h"

#include "iaido/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "iaido/log.h"
#include "iaido/rng.h"
#include "iaido/scoreboard.h"
#include "unit.h"

static int fds[2];

static void
setup(void)
{
	ck_assert_int_eq(chan_pair(fds), 0);
}

static void
teardown(void)
{
	close(fds[0]);
	close(fds[1]);
}

static struct msg
receive(enum msg_sender sender, enum msg_type type)
{
	struct chan_message in;
	struct msg m;

	ck_assert_int_eq(chan_receive(fds[1], &in), 1);
	ck_assert_uint_eq(in.type, type);
	ck_assert_int_eq(msg_decode(&in, sender, &m), 0);
	ck_assert_int_eq(m.type, type);
	return m;
}

START_TEST(what_the_master_says_arrives)
{
	struct msg m;

	setup();
	ck_assert_int_eq(
		msg_send_table(fds[0], &(struct msg_table){ UINT64_MAX - 5 }, STDERR_FILENO), 0);
	m = receive(MSG_FROM_MASTER, MSG_TABLE);
	ck_assert_uint_eq(m.table.number, UINT64_MAX - 5);
	ck_assert_int_ge(m.fd, 0);
	close(m.fd);
	ck_assert_int_eq(
		msg_send_log(fds[0], &(struct msg_log){ LOG_LEVEL_WARN, LOG_FORMAT_JSON, true },
			STDERR_FILENO),
		0);
	m = receive(MSG_FROM_MASTER, MSG_LOG);
	ck_assert_uint_eq(m.log.level, LOG_LEVEL_WARN);
	ck_assert_uint_eq(m.log.format, LOG_FORMAT_JSON);
	ck_assert(m.log.syslog);
	ck_assert_int_ge(m.fd, 0);
	close(m.fd);
	ck_assert_int_eq(msg_send_drain(fds[0], &(struct msg_drain){ true, false, INT64_MAX }), 0);
	m = receive(MSG_FROM_MASTER, MSG_DRAIN);
	ck_assert(m.drain.whole_process);
	ck_assert(!m.drain.keep_accepting);
	ck_assert_int_eq(m.drain.left_ns, INT64_MAX);
	ck_assert_int_eq(m.fd, -1);
	ck_assert_int_eq(msg_send_stop(fds[0]), 0);
	(void)receive(MSG_FROM_MASTER, MSG_STOP);
	teardown();
}
END_TEST

START_TEST(what_a_worker_says_arrives)
{
	struct msg m;

	setup();
	ck_assert_int_eq(msg_send_ready(fds[0]), 0);
	(void)receive(MSG_FROM_WORKER, MSG_READY);
	ck_assert_int_eq(msg_send_applied(fds[0], &(struct msg_applied){ 42 }), 0);
	m = receive(MSG_FROM_WORKER, MSG_APPLIED);
	ck_assert_uint_eq(m.applied.number, 42);
	ck_assert_int_eq(msg_send_dial_failed(fds[0],
				 &(struct msg_dial_failed){ SCOREBOARD_CELLS - 1, ECONNREFUSED }),
		0);
	m = receive(MSG_FROM_WORKER, MSG_DIAL_FAILED);
	ck_assert_uint_eq(m.dial_failed.cell, SCOREBOARD_CELLS - 1);
	ck_assert_int_eq(m.dial_failed.error, ECONNREFUSED);
	ck_assert_int_eq(msg_send_drained(fds[0]), 0);
	(void)receive(MSG_FROM_WORKER, MSG_DRAINED);
	teardown();
}
END_TEST

static const struct {
	enum msg_type type;
	enum msg_sender sender;
	size_t size;
	bool has_fd;
} types[] = {
	{ MSG_TABLE, MSG_FROM_MASTER, 8, true },
	{ MSG_LOG, MSG_FROM_MASTER, 3, true },
	{ MSG_DRAIN, MSG_FROM_MASTER, 10, false },
	{ MSG_STOP, MSG_FROM_MASTER, 0, false },
	{ MSG_READY, MSG_FROM_WORKER, 0, false },
	{ MSG_APPLIED, MSG_FROM_WORKER, 8, false },
	{ MSG_DIAL_FAILED, MSG_FROM_WORKER, 8, false },
	{ MSG_DRAINED, MSG_FROM_WORKER, 0, false },
};

/* Decodes a message of zeros made by hand; a descriptor that came has to be closed if refused. */
static int
decode(uint16_t type, size_t len, bool with_fd, enum msg_sender sender)
{
	struct chan_message in = { .type = type, .len = len, .fd = with_fd ? dup(2) : -1 };
	struct msg m;
	int r = msg_decode(&in, sender, &m);

	if (r < 0)
		ck_assert_int_eq(r, -EBADMSG);
	else if (m.fd >= 0)
		close(m.fd);
	return r;
}

START_TEST(only_the_right_size_sender_and_descriptor_will_do)
{
	int before = count_descriptors();

	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (size_t len = 0; len < 40; len++)
			for (int fd = 0; fd < 2; fd++)
				for (int sender = 0; sender < 2; sender++) {
					bool right = len == types[t].size &&
						fd == types[t].has_fd &&
						sender == (int)types[t].sender;

					ck_assert_int_eq(decode((uint16_t)types[t].type, len, fd,
								 (enum msg_sender)sender),
						right ? 0 : -EBADMSG);
				}
	ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

START_TEST(unknown_types_are_refused)
{
	int before = count_descriptors();

	for (unsigned type = 0; type < 70000; type++) {
		bool known = false;

		for (size_t t = 0; t < ARRAY_SIZE(types); t++)
			known |= (uint16_t)type == types[t].type;
		if (!known &&
			(decode((uint16_t)type, 0, false, MSG_FROM_MASTER) == 0 ||
				decode((uint16_t)type, 8, true, MSG_FROM_WORKER) == 0))
			ck_abort_msg("type %u was taken", type);
	}
	ck_assert_int_eq(count_descriptors(), before);
	ck_assert_str_eq(msg_name((enum msg_type)99), "unknown");
	ck_assert_str_eq(msg_name(MSG_DIAL_FAILED), "dial-failed");
}
END_TEST

/* A decoded message is one that its receiver can act upon without a second thought. */
static void
check_values(const struct msg *m)
{
	if (m->type == MSG_LOG) {
		ck_assert_uint_le(m->log.level, LOG_LEVEL_ERROR);
		ck_assert_uint_le(m->log.format, LOG_FORMAT_JSON);
	}
	if (m->type == MSG_DRAIN)
		ck_assert_int_ge(m->drain.left_ns, 0);
	if (m->type == MSG_DIAL_FAILED) {
		ck_assert_uint_lt(m->dial_failed.cell, SCOREBOARD_CELLS);
		ck_assert_int_ge(m->dial_failed.error, 0);
	}
}

START_TEST(random_payloads_are_refused_or_in_bounds)
{
	struct rng rng;
	int before = count_descriptors();

	rng_seed_from(&rng, 21);
	for (int i = 0; i < 50000; i++) {
		size_t t = rng_below(&rng, ARRAY_SIZE(types));
		struct chan_message in = { .type = (uint16_t)types[t].type, .len = types[t].size };
		struct msg m;

		in.fd = types[t].has_fd ? dup(2) : -1;
		for (size_t k = 0; k < in.len; k++)
			in.payload[k] = (uint8_t)rng_below(&rng, rng_below(&rng, 3) ? 3 : 256);
		if (msg_decode(&in, types[t].sender, &m) < 0)
			continue;
		check_values(&m);
		if (m.fd >= 0)
			close(m.fd);
	}
	ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

START_TEST(values_out_of_bounds_are_refused)
{
	struct chan_message in = { .type = MSG_DIAL_FAILED, .len = 8, .fd = -1 };
	struct msg m;

	in.payload[2] = 1; /* cell 65536 */
	ck_assert_int_eq(msg_decode(&in, MSG_FROM_WORKER, &m), -EBADMSG);
	in.payload[2] = 0;
	ck_assert_int_eq(msg_decode(&in, MSG_FROM_WORKER, &m), 0);
	in.payload[7] = 0x80; /* a negative errno */
	ck_assert_int_eq(msg_decode(&in, MSG_FROM_WORKER, &m), -EBADMSG);
	in = (struct chan_message){ .type = MSG_DRAIN, .len = 10, .fd = -1 };
	in.payload[9] = 0x80; /* a negative duration */
	ck_assert_int_eq(msg_decode(&in, MSG_FROM_MASTER, &m), -EBADMSG);
	in.payload[9] = 0;
	in.payload[0] = 2; /* no bool */
	ck_assert_int_eq(msg_decode(&in, MSG_FROM_MASTER, &m), -EBADMSG);
}
END_TEST

UNIT_MAIN("msg", what_the_master_says_arrives, what_a_worker_says_arrives,
	only_the_right_size_sender_and_descriptor_will_do, unknown_types_are_refused,
	random_payloads_are_refused_or_in_bounds, values_out_of_bounds_are_refused)
