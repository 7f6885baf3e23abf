/* The worker alone, on a stage: dialling, hedging, waiting for a place, shedding, draining. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "stage.h"
#include "unit.h"

START_TEST(a_refusing_backend_is_left_for_the_next_one)
{
	struct stage s;
	int client, backend;

	stage_open(&s, 2);
	close(s.backend_fds[0]);
	s.backend_fds[0] = -1;
	client = stage_connect(&s);
	backend = stage_accept(&s, 1);
	ck_assert(atomic_load(&s.board.words[10]) & PLACE_FAILED);
	stage_wait_active(&s, 10, 0);
	stage_wait_active(&s, 11, 1);
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

/* A full listen queue swallows SYNs just as a region that is cut off does. */
static void
fill_queue(struct stage *s, unsigned int backend, int *fds, int count)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	ck_assert_int_eq(listen(s->backend_fds[backend], 0), 0);
	in.sin_port = htons(s->backend_ports[backend]);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], (struct sockaddr *)&in, sizeof(in));
	}
}

START_TEST(a_silent_backend_is_hedged_and_found_out)
{
	struct stage s;
	int client, backend, fill_fds[4];
	int64_t start_ns;

	stage_open(&s, 2);
	fill_queue(&s, 0, fill_fds, 4);
	start_ns = clock_now_ns();
	client = stage_connect(&s);
	backend = stage_accept(&s, 1);
	ck_assert_int_ge(clock_now_ns() - start_ns, 250 * NSEC_PER_MSEC);
	/* The overtaken dial runs on without its client, holding its place, as a suspect. */
	ck_assert_uint_eq(PLACE_SUSPECTS(atomic_load(&s.board.words[10])), 1);
	ck_assert_uint_eq(PLACE_ACTIVE(atomic_load(&s.board.words[10])), 1);
	/* The next client does not go there. */
	int second = stage_connect(&s), second_backend = stage_accept(&s, 1);
	stage_wait_active(&s, 10, 0);
	ck_assert(atomic_load(&s.board.words[10]) & PLACE_FAILED);
	ck_assert_uint_eq(PLACE_SUSPECTS(atomic_load(&s.board.words[10])), 0);
	for (int i = 0; i < 4; i++)
		close(fill_fds[i]);
	close(client);
	close(backend);
	close(second);
	close(second_backend);
	stage_close(&s);
}
END_TEST

static uint32_t
places_taken(struct stage *s)
{
	uint32_t active = 0;

	for (uint32_t cell = 10; cell < 14; cell++)
		active += PLACE_ACTIVE(atomic_load(&s->board.words[cell]));
	return active;
}

START_TEST(a_client_has_two_dials_at_most_and_moves_on_fast)
{
	struct stage s;
	int client, backend, fill_fds[3][4];
	int64_t start_ns;
	uint32_t most = 0;

	stage_open(&s, 4);
	for (unsigned int i = 0; i < 4; i++)
		s.frontend.backends[i].latency_ns = NSEC_PER_MSEC;
	stage_push(&s);
	for (unsigned int i = 0; i < 3; i++)
		fill_queue(&s, i, fill_fds[i], 4);
	start_ns = clock_now_ns();
	client = stage_connect(&s);
	while (PLACE_ACTIVE(atomic_load(&s.board.words[13])) == 0) {
		uint32_t active = places_taken(&s);

		/* The sum may have been read while one place was exchanged for another. */
		for (int looks = 0; active > 2 && looks < 3; looks++)
			active = places_taken(&s);
		most = active > most ? active : most;
		ck_assert_int_lt(clock_now_ns() - start_ns, 20 * NSEC_PER_SEC);
		sched_yield();
	}
	ck_assert_uint_le(most, 2);
	backend = stage_accept(&s, 3);
	/* All three are suspect, also the one whose dial was given up. */
	for (uint32_t cell = 10; cell < 13; cell++)
		ck_assert_uint_eq(PLACE_SUSPECTS(atomic_load(&s.board.words[cell])), 1);
	for (int i = 0; i < 12; i++)
		close(fill_fds[i / 4][i % 4]);
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

START_TEST(clients_wait_in_the_queue_while_all_places_are_taken)
{
	struct stage s;
	struct pollfd p;
	int first, second, backend;

	stage_open(&s, 1);
	s.frontend.backends[0].limit = 1;
	stage_push(&s);
	first = stage_connect(&s);
	backend = stage_accept(&s, 0);
	second = stage_connect(&s);
	ck_assert_int_eq(send(second, "hello", 5, 0), 5);
	p = (struct pollfd){ .fd = s.backend_fds[0], .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	ck_assert_uint_eq(SHARE_GET(s.share.frontends[3].active), 1);
	close(first);
	close(backend);
	backend = stage_accept(&s, 0);
	char buf[5];
	ck_assert_int_eq(recv(backend, buf, 5, MSG_WAITALL), 5);
	close(second);
	close(backend);
	stage_close(&s);
}
END_TEST

/* Both of what the worker sees at once: the place is free before it is asked for. */
START_TEST(who_has_gone_leaves_a_place_to_who_comes_in_the_same_turn)
{
	struct stage s;
	int client, backend;
	char byte;

	stage_open(&s, 2);
	s.frontend.backends[0].limit = 1;
	stage_push(&s);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	for (int round = 0; round < 10; round++) {
		/* It is done with accepting: what follows is another turn. */
		ck_assert_int_eq(send(client, "q", 1, 0), 1);
		ck_assert_int_eq(recv(backend, &byte, 1, 0), 1);
		stage_hold(&s);
		close(client);
		close(backend);
		client = stage_connect(&s);
		stage_go_on(&s);
		backend = stage_accept(&s, 0);
	}
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

/* However many of them wait before one that is still there. */
START_TEST(no_backend_is_dialled_for_clients_that_left_the_queue)
{
	struct stage s;
	int first, gone[5], last, backend;
	struct pollfd p;
	char byte;

	stage_open(&s, 1);
	s.frontend.backends[0].limit = 1;
	stage_push(&s);
	first = stage_connect(&s);
	backend = stage_accept(&s, 0);
	for (int i = 0; i < 5; i++)
		gone[i] = stage_connect(&s);
	last = stage_connect(&s);
	ck_assert_int_eq(send(last, "x", 1, 0), 1);
	for (int i = 0; i < 5; i++)
		close(gone[i]);
	close(first);
	close(backend);
	backend = stage_accept(&s, 0);
	ck_assert_int_eq(recv(backend, &byte, 1, 0), 1);
	p = (struct pollfd){ .fd = s.backend_fds[0], .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	ck_assert_uint_eq(SHARE_GET(s.share.frontends[3].total), 2);
	close(last);
	close(backend);
	stage_close(&s);
}
END_TEST

START_TEST(without_a_backend_that_answers_the_client_is_reset_in_time)
{
	struct stage s;
	char byte;
	int client;

	stage_open(&s, 1);
	s.frontend.wait_ns = 200 * NSEC_PER_MSEC;
	stage_push(&s);
	close(s.backend_fds[0]);
	s.backend_fds[0] = -1;
	client = stage_connect(&s);
	ck_assert_int_lt(recv(client, &byte, 1, 0), 0);
	ck_assert_int_eq(errno, ECONNRESET);
	stage_wait_ended(&s, ENDED_BY_IAIDO, ENDED_DIAL_FAILED, 1);
	close(client);
	stage_close(&s);
}
END_TEST

START_TEST(idle_connections_are_closed_by_fin)
{
	struct stage s;
	char byte;
	int client, backend;

	stage_open(&s, 1);
	s.frontend.idle_ns = 300 * NSEC_PER_MSEC;
	stage_push(&s);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
	ck_assert_int_eq(recv(backend, &byte, 1, 0), 0);
	stage_wait_ended(&s, ENDED_BY_IAIDO, ENDED_IDLE, 1);
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

START_TEST(a_lowered_limit_closes_only_the_excess_and_idle_ones_first)
{
	struct stage s;
	int clients[6], backends[6], closed = 0;
	char byte;

	stage_open(&s, 1);
	s.frontend.maintenance_ns = 200 * NSEC_PER_MSEC;
	stage_push(&s);
	for (int i = 0; i < 6; i++) {
		clients[i] = stage_connect(&s);
		backends[i] = stage_accept(&s, 0);
	}
	s.frontend.backends[0].limit = 4;
	stage_push(&s);
	/* The first two talk all the time. */
	for (int turn = 0; turn < 150; turn++) {
		struct timespec pause = { 0, 20000000 };

		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(send(clients[i], "x", 1, 0), 1);
			ck_assert_int_eq(recv(backends[i], &byte, 1, 0), 1);
		}
		nanosleep(&pause, NULL);
	}
	stage_wait_ended(&s, ENDED_BY_IAIDO, ENDED_OVERLOAD, 2);
	for (int i = 2; i < 6; i++) {
		if (recv(clients[i], &byte, 1, MSG_DONTWAIT) == 0)
			closed++;
		else
			ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_int_eq(closed, 2);
	ck_assert_uint_eq(PLACE_ACTIVE(atomic_load(&s.board.words[10])), 4);
	for (int i = 0; i < 6; i++) {
		close(clients[i]);
		close(backends[i]);
	}
	stage_close(&s);
}
END_TEST

START_TEST(a_drain_closes_idle_connections_and_the_worker_leaves)
{
	struct stage s;
	struct msg_drain drain = { .whole_process = true, .left_ns = 2 * NSEC_PER_SEC };
	int clients[5], backends[5];
	char byte;

	stage_open(&s, 1);
	for (int i = 0; i < 5; i++) {
		clients[i] = stage_connect(&s);
		backends[i] = stage_accept(&s, 0);
	}
	stage_drain(&s, &drain);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(recv(clients[i], &byte, 1, 0), 0);
	ck_assert_int_eq(stage_wait_exit(&s), 0);
	ck_assert_uint_eq(stage_ended(&s, ENDED_BY_IAIDO, ENDED_DRAIN), 5);
	for (int i = 0; i < 5; i++) {
		close(clients[i]);
		close(backends[i]);
	}
	stage_close(&s);
}
END_TEST

START_TEST(without_its_master_a_worker_finishes_and_leaves)
{
	struct stage s;
	int client, backend;
	char byte;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	close(s.chan_fd);
	s.chan_fd = -1;
	ck_assert_int_eq(send(client, "x", 1, 0), 1);
	ck_assert_int_eq(recv(backend, &byte, 1, 0), 1);
	close(client);
	ck_assert_int_eq(recv(backend, &byte, 1, 0), 0);
	close(backend);
	ck_assert_int_eq(stage_wait_exit(&s), 0);
	stage_close(&s);
}
END_TEST

UNIT_MAIN("worker", a_refusing_backend_is_left_for_the_next_one,
	a_silent_backend_is_hedged_and_found_out, a_client_has_two_dials_at_most_and_moves_on_fast,
	clients_wait_in_the_queue_while_all_places_are_taken,
	who_has_gone_leaves_a_place_to_who_comes_in_the_same_turn,
	no_backend_is_dialled_for_clients_that_left_the_queue,
	without_a_backend_that_answers_the_client_is_reset_in_time,
	idle_connections_are_closed_by_fin,
	a_lowered_limit_closes_only_the_excess_and_idle_ones_first,
	a_drain_closes_idle_connections_and_the_worker_leaves,
	without_its_master_a_worker_finishes_and_leaves)
