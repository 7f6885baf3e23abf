/* The worker alone, on a stage: relaying, dialling, hedging, shedding, draining. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/rng.h"
#include "stage.h"
#include "unit.h"

#define MIB ((size_t)1 << 20)

struct stream {
	int fd;
	size_t len;
	uint64_t seed;
	bool shutdown_after;
	size_t got;
	bool same;
	int error;
};

/* The nth byte of a stream of that seed. */
static void
fill(struct rng *r, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = rng_next(r);

		memcpy(data + i, &v, 8);
	}
}

static void *
send_stream(void *arg)
{
	struct stream *s = arg;
	uint8_t *data = malloc(65536);
	struct rng r;

	rng_seed_from(&r, s->seed);
	for (size_t left = s->len; left > 0;) {
		size_t len = left < 65536 ? left : 65536, at = 0;

		fill(&r, data, len);
		while (at < len) {
			ssize_t n = send(s->fd, data + at, len - at, MSG_NOSIGNAL);

			if (n <= 0) {
				s->error = errno;
				free(data);
				return NULL;
			}
			at += (size_t)n;
		}
		left -= len;
	}
	if (s->shutdown_after)
		shutdown(s->fd, SHUT_WR);
	free(data);
	return NULL;
}

/* Reads to the end (or an error) and compares with what the seed gives. */
static void *
receive_stream(void *arg)
{
	struct stream *s = arg;
	uint8_t *data = malloc(65536), *want = malloc(65536);
	struct rng r;
	size_t have = 0;
	ssize_t n;

	rng_seed_from(&r, s->seed);
	s->same = true;
	while ((n = recv(s->fd, data + have, 65536 - have, 0)) > 0) {
		have += (size_t)n;
		s->got += (size_t)n;
		if (have < 65536)
			continue;
		fill(&r, want, 65536);
		s->same = s->same && memcmp(data, want, 65536) == 0;
		have = 0;
	}
	s->error = n < 0 ? errno : 0;
	fill(&r, want, (have + 7) / 8 * 8);
	s->same = s->same && memcmp(data, want, have) == 0;
	free(data);
	free(want);
	return NULL;
}

START_TEST(a_large_stream_passes_both_ways_unchanged)
{
	struct stage s;
	pthread_t threads[4];
	int client, backend;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	struct stream up = {
		.fd = client, .len = 64 * MIB + 17 * 8, .seed = 1, .shutdown_after = true
	};
	struct stream up_in = { .fd = backend, .seed = 1 };
	struct stream down = {
		.fd = backend, .len = 64 * MIB + 5 * 8, .seed = 2, .shutdown_after = true
	};
	struct stream down_in = { .fd = client, .seed = 2 };
	pthread_create(&threads[0], NULL, send_stream, &up);
	pthread_create(&threads[1], NULL, receive_stream, &up_in);
	pthread_create(&threads[2], NULL, send_stream, &down);
	pthread_create(&threads[3], NULL, receive_stream, &down_in);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(up_in.error, 0);
	ck_assert_uint_eq(up_in.got, up.len);
	ck_assert(up_in.same);
	ck_assert_int_eq(down_in.error, 0);
	ck_assert_uint_eq(down_in.got, down.len);
	ck_assert(down_in.same);
	close(client);
	close(backend);
	stage_wait_active(&s, 10, 0);
	ck_assert_uint_eq(SHARE_GET(s.share.cells[10].bytes_in), up.len);
	ck_assert_uint_eq(SHARE_GET(s.share.cells[10].bytes_out), down.len);
	stage_close(&s);
}
END_TEST

/* One side ends first; then the other sends 8 MiB. */
static void
half_close(int side)
{
	struct stage s;
	pthread_t thread;
	char byte;
	int ends[2];

	stage_open(&s, 1);
	ends[0] = stage_connect(&s);
	ends[1] = stage_accept(&s, 0);
	shutdown(ends[side], SHUT_WR);
	ck_assert_int_eq(recv(ends[!side], &byte, 1, 0), 0);
	struct stream rest = {
		.fd = ends[!side], .len = 8 * MIB, .seed = 3, .shutdown_after = true
	};
	struct stream in = { .fd = ends[side], .seed = 3 };
	pthread_create(&thread, NULL, send_stream, &rest);
	receive_stream(&in);
	pthread_join(thread, NULL);
	ck_assert_int_eq(in.error, 0);
	ck_assert_uint_eq(in.got, rest.len);
	ck_assert(in.same);
	stage_wait_ended(&s, side == 0 ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, ENDED_EOF, 1);
	close(ends[0]);
	close(ends[1]);
	stage_close(&s);
}

START_TEST(half_close_by_the_client_is_passed_on_and_the_rest_arrives)
{
	half_close(0);
}
END_TEST

START_TEST(half_close_by_the_backend_is_passed_on_and_the_rest_arrives)
{
	half_close(1);
}
END_TEST

static void
close_by_reset(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static uint64_t
bytes_read(struct stage *s, int side)
{
	struct share_cell *cell = &s->share.cells[10];

	return side == 0 ? SHARE_GET(cell->bytes_in) : SHARE_GET(cell->bytes_out);
}

/* One side resets after 4 MiB, all of which are to arrive before the reset. */
static void
reset_after_data(int side)
{
	struct stage s;
	pthread_t thread;
	int ends[2];

	stage_open(&s, 1);
	ends[0] = stage_connect(&s);
	ends[1] = stage_accept(&s, 0);
	struct stream out = { .fd = ends[side], .len = 4 * MIB, .seed = 4 };
	struct stream in = { .fd = ends[!side], .seed = 4 };
	pthread_create(&thread, NULL, receive_stream, &in);
	send_stream(&out);
	/* A reset discards what its sender's kernel still has to send. */
	while (bytes_read(&s, side) < out.len)
		sched_yield();
	close_by_reset(ends[side]);
	pthread_join(thread, NULL);
	ck_assert_int_eq(in.error, ECONNRESET);
	ck_assert_uint_eq(in.got, out.len);
	ck_assert(in.same);
	stage_wait_ended(&s, side == 0 ? ENDED_BY_CLIENT : ENDED_BY_BACKEND, ENDED_RESET, 1);
	close(ends[!side]);
	stage_close(&s);
}

START_TEST(a_reset_by_the_client_is_passed_on_after_what_came_before_it)
{
	reset_after_data(0);
}
END_TEST

START_TEST(a_reset_by_the_backend_is_passed_on_after_what_came_before_it)
{
	reset_after_data(1);
}
END_TEST

START_TEST(a_reset_right_behind_data_is_not_missed)
{
	struct stage s;
	char buf[16];
	int client, backend;

	stage_open(&s, 1);
	for (int i = 0; i < 50; i++) {
		client = stage_connect(&s);
		backend = stage_accept(&s, 0);
		ck_assert_int_eq(send(client, "x", 1, 0), 1);
		ck_assert_int_eq(recv(backend, buf, 1, 0), 1);
		ck_assert_int_eq(send(backend, "last", 4, 0), 4);
		close_by_reset(backend);
		ssize_t n, got = 0;
		while ((n = recv(client, buf, sizeof(buf), 0)) > 0)
			got += n;
		ck_assert_int_lt(n, 0);
		ck_assert_int_eq(errno, ECONNRESET);
		ck_assert_int_le(got, 4);
		close(client);
	}
	stage_close(&s);
}
END_TEST

static size_t
resident_kib(pid_t pid)
{
	char path[64], line[256];
	size_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %zu", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

START_TEST(a_slow_reader_stops_the_sender_and_memory_stays_bounded)
{
	struct stage s;
	pthread_t thread;
	int client, backend;
	size_t before;
	uint64_t seen, last = 0;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	before = resident_kib(s.pid);
	struct stream out = { .fd = backend, .len = 64 * MIB, .seed = 5, .shutdown_after = true };
	struct stream in = { .fd = client, .seed = 5 };
	pthread_create(&thread, NULL, send_stream, &out);
	/* Nobody reads: the relay stops taking once all buffers are full. */
	for (int same = 0; same < 50;) {
		struct timespec pause = { 0, 10000000 };

		seen = SHARE_GET(s.share.cells[10].bytes_out);
		same = seen == last && seen > 0 ? same + 1 : 0;
		last = seen;
		nanosleep(&pause, NULL);
	}
	ck_assert_uint_lt(last, out.len);
	ck_assert_uint_lt(resident_kib(s.pid), before + 4096);
	receive_stream(&in);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(in.got, out.len);
	ck_assert(in.same);
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

START_TEST(single_bytes_and_urgent_ones_arrive)
{
	struct stage s;
	char buf[64];
	int client, backend;
	size_t got = 0;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	for (int i = 0; i < 1000; i++) {
		char byte = (char)i, back;

		ck_assert_int_eq(send(client, &byte, 1, 0), 1);
		ck_assert_int_eq(recv(backend, &back, 1, 0), 1);
		ck_assert_int_eq(back, byte);
	}
	ck_assert_int_eq(send(client, "abc", 3, 0), 3);
	ck_assert_int_eq(send(client, "!", 1, MSG_OOB), 1);
	ck_assert_int_eq(send(client, "def", 3, 0), 3);
	while (got < 7) {
		ssize_t n = recv(backend, buf + got, sizeof(buf) - got, 0);

		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	ck_assert_mem_eq(buf, "abc!def", 7);
	close(client);
	close(backend);
	stage_close(&s);
}
END_TEST

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

/* Both ends of a connection whose worker is killed. */
static void
check_cut_by_reset(struct stage *s, int client, int backend)
{
	char byte;

	ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
	ck_assert_int_eq(stage_wait_exit(s), 128 + SIGKILL);
	ck_assert_int_lt(recv(client, &byte, 1, 0), 0);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_lt(recv(backend, &byte, 1, 0), 0);
	ck_assert_int_eq(errno, ECONNRESET);
	close(client);
	close(backend);
}

START_TEST(a_worker_that_is_killed_cuts_a_young_stream_by_reset)
{
	static char sent[1 << 18], got[1 << 18];
	struct stage s;
	int client, backend;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	for (int i = 0; i < 4; i++) {
		/* It finds more than it takes at a time. */
		ck_assert_int_eq(kill(s.pid, SIGSTOP), 0);
		ck_assert_int_eq(waitpid(s.pid, NULL, WUNTRACED), s.pid);
		ck_assert_int_eq(send(backend, sent, sizeof(sent), 0), sizeof(sent));
		ck_assert_int_eq(kill(s.pid, SIGCONT), 0);
		ck_assert_int_eq(recv(client, got, sizeof(got), MSG_WAITALL), sizeof(got));
	}
	check_cut_by_reset(&s, client, backend);
	stage_close(&s);
}
END_TEST

START_TEST(a_worker_that_is_killed_cuts_streams_by_reset)
{
	struct stage s;
	int64_t start_ns;
	int client, backend;
	char byte;

	stage_open(&s, 1);
	client = stage_connect(&s);
	backend = stage_accept(&s, 0);
	/* It takes a second until a connection is worth the system calls. */
	start_ns = clock_now_ns();
	while (clock_now_ns() - start_ns < 2 * NSEC_PER_SEC) {
		struct timespec pause = { 0, 50000000 };

		ck_assert_int_eq(send(backend, "x", 1, 0), 1);
		ck_assert_int_eq(recv(client, &byte, 1, 0), 1);
		nanosleep(&pause, NULL);
	}
	check_cut_by_reset(&s, client, backend);
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

UNIT_MAIN("worker", a_large_stream_passes_both_ways_unchanged,
	half_close_by_the_client_is_passed_on_and_the_rest_arrives,
	half_close_by_the_backend_is_passed_on_and_the_rest_arrives,
	a_reset_by_the_client_is_passed_on_after_what_came_before_it,
	a_reset_by_the_backend_is_passed_on_after_what_came_before_it,
	a_reset_right_behind_data_is_not_missed,
	a_slow_reader_stops_the_sender_and_memory_stays_bounded,
	single_bytes_and_urgent_ones_arrive, a_refusing_backend_is_left_for_the_next_one,
	a_silent_backend_is_hedged_and_found_out, a_client_has_two_dials_at_most_and_moves_on_fast,
	a_worker_that_is_killed_cuts_streams_by_reset,
	a_worker_that_is_killed_cuts_a_young_stream_by_reset,
	clients_wait_in_the_queue_while_all_places_are_taken,
	who_has_gone_leaves_a_place_to_who_comes_in_the_same_turn,
	no_backend_is_dialled_for_clients_that_left_the_queue,
	without_a_backend_that_answers_the_client_is_reset_in_time,
	idle_connections_are_closed_by_fin,
	a_lowered_limit_closes_only_the_excess_and_idle_ones_first,
	a_drain_closes_idle_connections_and_the_worker_leaves,
	without_its_master_a_worker_finishes_and_leaves)
