/* The worker alone, on a stage: what it relays arrives, and ends on one side become ends on the other. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
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

UNIT_MAIN("relay", a_large_stream_passes_both_ways_unchanged,
	half_close_by_the_client_is_passed_on_and_the_rest_arrives,
	half_close_by_the_backend_is_passed_on_and_the_rest_arrives,
	a_reset_by_the_client_is_passed_on_after_what_came_before_it,
	a_reset_by_the_backend_is_passed_on_after_what_came_before_it,
	a_reset_right_behind_data_is_not_missed,
	a_slow_reader_stops_the_sender_and_memory_stays_bounded,
	single_bytes_and_urgent_ones_arrive, a_worker_that_is_killed_cuts_a_young_stream_by_reset,
	a_worker_that_is_killed_cuts_streams_by_reset)
