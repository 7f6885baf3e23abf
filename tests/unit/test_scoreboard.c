/* The scoreboard: exact limits over several processes, and what is left when one of them is killed
 * at any moment. */
#define _GNU_SOURCE
#include "config.h"

#include "iaido/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/rng.h"
#include "unit.h"

#define WORKERS 4
#define CELLS 5

static struct scoreboard board;
static struct share shares[WORKERS];
static struct share dead_total;
static struct share *all_shares[WORKERS];

static void
setup(void)
{
	ck_assert_int_eq(scoreboard_create(&board), 0);
	ck_assert_int_eq(share_create(&dead_total), 0);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(share_create(&shares[i]), 0);
		all_shares[i] = &shares[i];
	}
}

static void
teardown(void)
{
	scoreboard_close(&board);
	share_close(&dead_total);
	for (int i = 0; i < WORKERS; i++)
		share_close(&shares[i]);
}

/* Anonymous memory that forked children see too. */
static void *
shared_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static uint32_t
active_of(uint32_t cell)
{
	return PLACE_ACTIVE(board.words[cell]);
}

static uint64_t
bytes_used(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(a_place_is_taken_up_to_the_limit_and_given_back)
{
	setup();
	ck_assert(place_reserve(&board, &shares[0], 3, 2));
	ck_assert(place_reserve(&board, &shares[1], 3, 2));
	ck_assert(!place_reserve(&board, &shares[0], 3, 2));
	ck_assert_uint_eq(active_of(3), 2);
	ck_assert_uint_eq(shares[0].cells[3].active, 1);
	place_release(&board, &shares[0], 3);
	ck_assert_uint_eq(active_of(3), 1);
	ck_assert_uint_eq(shares[0].cells[3].active, 0);
	ck_assert(place_reserve(&board, &shares[0], 3, 2));
	ck_assert(!place_reserve(&board, &shares[0], 4, 0));
	ck_assert(place_reserve(&board, &shares[0], 4, NO_LIMIT));
	teardown();
}
END_TEST

START_TEST(a_failed_backend_gives_no_place_until_it_is_back)
{
	setup();
	ck_assert(place_reserve(&board, &shares[0], 1, NO_LIMIT));
	ck_assert(place_fail(&board, 1, ECONNREFUSED, 1000));
	ck_assert(!place_fail(&board, 1, ETIMEDOUT, 2000));
	ck_assert_int_eq(board.cells[1].failed_at_ns, 2000);
	ck_assert_int_eq(board.cells[1].last_error, ETIMEDOUT);
	ck_assert(!place_reserve(&board, &shares[0], 1, NO_LIMIT));
	place_release(&board, &shares[0], 1);
	ck_assert_uint_eq(board.words[1], PLACE_FAILED);
	place_restore(&board, 1);
	ck_assert_uint_eq(board.words[1], 0);
	ck_assert(place_reserve(&board, &shares[0], 1, NO_LIMIT));
	place_reset(&board, 1);
	ck_assert_uint_eq(board.words[1], 0);
	ck_assert_int_eq(board.cells[1].last_error, 0);
	teardown();
}
END_TEST

START_TEST(suspects_are_counted_and_never_run_into_the_failed_flag)
{
	setup();
	for (int i = 0; i < 70000; i++)
		place_suspect_add(&board, &shares[0], 0);
	ck_assert_uint_eq(PLACE_SUSPECTS(board.words[0]), 0xffff);
	ck_assert(!(board.words[0] & PLACE_FAILED));
	ck_assert_uint_eq(shares[0].cells[0].suspects, 70000);
	for (int i = 0; i < 70000; i++)
		place_suspect_remove(&board, &shares[0], 0);
	ck_assert_uint_eq(board.words[0], 0);
	ck_assert_uint_eq(shares[0].cells[0].suspects, 0);
	teardown();
}
END_TEST

START_TEST(no_count_goes_below_zero)
{
	setup();
	place_fail(&board, 0, EIO, 1);
	place_release(&board, &shares[0], 0);
	place_suspect_remove(&board, &shares[0], 0);
	frontend_release(&board, &shares[0], 0);
	ck_assert_uint_eq(board.words[0], PLACE_FAILED);
	ck_assert_uint_eq(board.frontends[0].active, 0);
	ck_assert_uint_eq(shares[0].cells[0].active, 0);
	ck_assert_uint_eq(shares[0].cells[0].suspects, 0);
	ck_assert_uint_eq(shares[0].frontends[0].active, 0);
	teardown();
}
END_TEST

START_TEST(only_the_excess_goes)
{
	int gone = 0;

	setup();
	for (int i = 0; i < 10; i++)
		ck_assert(place_reserve(&board, &shares[i % WORKERS], 0, NO_LIMIT));
	for (int i = 0; i < 10; i++)
		gone += place_release_excess(&board, &shares[i % WORKERS], 0, 7);
	ck_assert_int_eq(gone, 3);
	ck_assert_uint_eq(active_of(0), 7);
	ck_assert_uint_eq(shares[0].cells[0].active + shares[1].cells[0].active +
			shares[2].cells[0].active + shares[3].cells[0].active,
		7);
	teardown();
}
END_TEST

START_TEST(a_frontend_has_a_limit_of_its_own)
{
	setup();
	ck_assert(frontend_reserve(&board, &shares[0], 9, 1));
	ck_assert(!frontend_reserve(&board, &shares[1], 9, 1));
	frontend_release(&board, &shares[0], 9);
	ck_assert(frontend_reserve(&board, &shares[1], 9, 1));
	teardown();
}
END_TEST

START_TEST(a_promotion_is_taken_once)
{
	setup();
	board.cells[2].promotions = 2;
	ck_assert(promotion_take(&board, 2));
	ck_assert(promotion_take(&board, 2));
	ck_assert(!promotion_take(&board, 2));
	ck_assert_uint_eq(board.cells[2].promotions, 0);
	teardown();
}
END_TEST

/* A child that takes and gives back, and counts by itself how many are inside. */
static void
churn_exactly(int worker, _Atomic uint32_t *inside, _Atomic uint32_t *too_many, uint32_t limit)
{
	struct rng rng;

	rng_seed_from(&rng, (uint64_t)worker + 1);
	for (int i = 0; i < 40000; i++) {
		uint32_t cell = (uint32_t)rng_below(&rng, CELLS);

		if (!place_reserve(&board, &shares[worker], cell, limit))
			continue;
		if (atomic_fetch_add(&inside[cell], 1) >= limit)
			atomic_fetch_add(too_many, 1);
		if (rng_below(&rng, 16) == 0)
			sched_yield();
		atomic_fetch_sub(&inside[cell], 1);
		if (rng_below(&rng, 2) == 0)
			place_release(&board, &shares[worker], cell);
		else if (!place_release_excess(&board, &shares[worker], cell, 0))
			atomic_fetch_add(too_many, 1);
	}
}

START_TEST(limits_hold_exactly_over_processes)
{
	_Atomic uint32_t *inside = shared_alloc(4096);
	_Atomic uint32_t *too_many = &inside[CELLS];
	pid_t pids[WORKERS];

	setup();
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0) {
			churn_exactly(i, inside, too_many, 2);
			_exit(0);
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(*too_many, 0);
	for (uint32_t cell = 0; cell < CELLS; cell++) {
		ck_assert_uint_eq(board.words[cell], 0);
		for (int i = 0; i < WORKERS; i++)
			ck_assert_uint_eq(shares[i].cells[cell].active, 0);
	}
	teardown();
}
END_TEST

/* A child that does all that a worker does to the board, until it is killed. */
static void NORETURN
churn_for_ever(struct share *s, _Atomic uint64_t *turns, uint64_t seed)
{
	uint32_t held[CELLS] = { 0 };
	struct rng rng;

	rng_seed_from(&rng, seed);
	for (;;) {
		uint32_t cell = (uint32_t)rng_below(&rng, CELLS);

		atomic_fetch_add(turns, 1);
		if (held[cell] > 0 && rng_below(&rng, 2)) {
			place_suspect_remove(&board, s, cell);
			frontend_release(&board, s, cell);
			place_release(&board, s, cell);
			held[cell]--;
			continue;
		}
		if (!place_reserve(&board, s, cell, 20))
			continue;
		if (!frontend_reserve(&board, s, cell, NO_LIMIT)) {
			place_release(&board, s, cell);
			continue;
		}
		place_suspect_add(&board, s, cell);
		SHARE_ADD(s->cells[cell].total, 1);
		SHARE_ADD(s->frontends[cell].total, 1);
		held[cell]++;
	}
}

START_TEST(a_worker_killed_at_any_moment_leaves_nothing_behind)
{
	_Atomic uint64_t *turns = shared_alloc(4096);
	struct audit audit = { 0 };
	struct rng rng;
	uint64_t total = 0;

	setup();
	rng_seed_from(&rng, 99);
	/* Another one lives on and keeps what it has. */
	for (int i = 0; i < 3; i++)
		ck_assert(place_reserve(&board, &shares[1], 1, NO_LIMIT));
	ck_assert(frontend_reserve(&board, &shares[1], 1, NO_LIMIT));
	for (uint64_t round = 0; round < 150; round++) {
		uint64_t turn_of_death = atomic_load(turns) + 1 + rng_below(&rng, 3000);
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			churn_for_ever(&shares[0], turns, round);
		while (atomic_load(turns) < turn_of_death)
			sched_yield();
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		for (uint32_t cell = 0; cell < CELLS; cell++)
			total += shares[0].cells[cell].total;
		share_give_back(&board, &shares[0], &dead_total);
		scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit);
		scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit);
		for (uint32_t cell = 0; cell < CELLS; cell++) {
			ck_assert_uint_eq(board.words[cell], cell == 1 ? 3 : 0);
			ck_assert_uint_eq(board.frontends[cell].active, cell == 1 ? 1 : 0);
		}
	}
	for (uint32_t cell = 0; cell < CELLS; cell++)
		total -= dead_total.cells[cell].total;
	ck_assert_uint_eq(total, 0);
	audit_fini(&audit);
	teardown();
}
END_TEST

START_TEST(giving_back_counts_connections_as_lost)
{
	setup();
	for (int i = 0; i < 4; i++) {
		ck_assert(place_reserve(&board, &shares[2], 7, NO_LIMIT));
		ck_assert(frontend_reserve(&board, &shares[2], 5, NO_LIMIT));
	}
	SHARE_ADD(shares[2].cells[7].bytes_in, 1234);
	SHARE_SET(shares[2].cells[7].last_dial_ns, 5);
	SHARE_SET(shares[2].cells[7].last_dial_us, 77);
	SHARE_ADD(shares[2].frontends[5].ended[ENDED_BY_CLIENT][ENDED_EOF], 10);
	SHARE_ADD(shares[2].frontends[5].dial_us[3], 11);
	share_give_back(&board, &shares[2], &dead_total);
	share_give_back(&board, &shares[2], &dead_total);
	ck_assert_uint_eq(board.words[7], 0);
	ck_assert_uint_eq(board.frontends[5].active, 0);
	ck_assert_uint_eq(dead_total.frontends[5].ended[ENDED_BY_IAIDO][ENDED_WORKER_LOST], 4);
	ck_assert_uint_eq(dead_total.frontends[5].ended[ENDED_BY_CLIENT][ENDED_EOF], 10);
	ck_assert_uint_eq(dead_total.frontends[5].dial_us[3], 11);
	ck_assert_uint_eq(dead_total.cells[7].bytes_in, 1234);
	ck_assert_uint_eq(dead_total.cells[7].last_dial_us, 77);
	teardown();
}
END_TEST

START_TEST(garbage_in_a_dead_share_takes_no_count_below_zero)
{
	struct audit audit = { 0 };

	setup();
	for (int i = 0; i < 5; i++)
		ck_assert(place_reserve(&board, &shares[1], 0, NO_LIMIT));
	place_fail(&board, 2, EIO, 1);
	dead_total.cells[0].bytes_in = 50;
	memset(shares[0].cells, 0xff, 4 * sizeof(struct share_cell));
	memset(shares[0].frontends, 0xff, 4 * sizeof(struct share_frontend));
	share_give_back(&board, &shares[0], &dead_total);
	ck_assert_uint_eq(PLACE_ACTIVE(board.words[0]), 0);
	ck_assert_uint_eq(board.words[2], PLACE_FAILED);
	ck_assert_uint_eq(dead_total.cells[0].bytes_in, 50);
	ck_assert_uint_eq(dead_total.frontends[0].ended[ENDED_BY_IAIDO][ENDED_WORKER_LOST], 0);
	/* The living one's next connection brings the truth to light. */
	ck_assert(place_reserve(&board, &shares[1], 0, NO_LIMIT));
	scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit);
	ck_assert_int_eq(scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit), 1);
	ck_assert_uint_eq(board.words[0], 6);
	audit_fini(&audit);
	teardown();
}
END_TEST

START_TEST(the_audit_acts_on_what_is_the_same_twice)
{
	struct audit audit = { 0 };

	setup();
	ck_assert(place_reserve(&board, &shares[0], 0, NO_LIMIT));
	board.words[0] += 4 + 2 * PLACE_SUSPECT_ONE;
	board.frontends[0].active = 3;
	ck_assert_int_eq(scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit), 0);
	board.words[0] += 1; /* still moving: not the same amount */
	board.frontends[0].active += 1;
	ck_assert_int_eq(scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit), 1);
	ck_assert_uint_eq(board.words[0], 6);
	ck_assert_int_eq(scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit), 2);
	ck_assert_uint_eq(board.words[0], 1);
	ck_assert_uint_eq(board.frontends[0].active, 0);
	ck_assert_int_eq(scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit), 0);
	/* A living worker that writes nonsense fills no backend up. */
	shares[1].cells[0].active = UINT32_MAX;
	for (int i = 0; i < 3; i++)
		scoreboard_audit(&board, all_shares, WORKERS, CELLS, CELLS, &audit);
	ck_assert_uint_eq(board.words[0], 1);
	audit_fini(&audit);
	teardown();
}
END_TEST

START_TEST(what_nobody_uses_takes_no_memory)
{
	struct audit audit = { 0 };

	setup();
	ck_assert(place_reserve(&board, &shares[0], 0, NO_LIMIT));
	ck_assert(place_reserve(&board, &shares[0], 60000, NO_LIMIT));
	scoreboard_audit(
		&board, all_shares, WORKERS, SCOREBOARD_CELLS, SCOREBOARD_FRONTENDS, &audit);
	share_give_back(&board, &shares[0], &dead_total);
	ck_assert_uint_eq(active_of(60000), 0);
	ck_assert_uint_le(bytes_used(shares[0].fd), 32768);
	ck_assert_uint_le(bytes_used(shares[1].fd), 32768);
	ck_assert_uint_le(bytes_used(dead_total.fd), 32768);
	audit_fini(&audit);
	teardown();
}
END_TEST

START_TEST(a_map_is_attached_only_when_it_is_one_of_ours)
{
	struct scoreboard other;
	struct share share;
	struct stat st;
	int fd;

	setup();
	board.words[5] = 42;
	ck_assert_int_eq(scoreboard_attach(dup(board.fd), &other), 0);
	ck_assert_uint_eq(other.words[5], 42);
	scoreboard_close(&other);
	ck_assert_int_eq(other.fd, -1);
	ck_assert_int_eq(share_attach(dup(shares[0].fd), &share), 0);
	share_close(&share);

	ck_assert_int_eq(scoreboard_attach(shares[0].fd, &other), -EPROTO);
	ck_assert_int_eq(share_attach(board.fd, &share), -EPROTO);
	ck_assert_int_lt(scoreboard_attach(-1, &other), 0);
	ck_assert_int_eq(fstat(board.fd, &st), 0);
	fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(fd, st.st_size), 0);
	ck_assert_int_eq(scoreboard_attach(fd, &other), -EPROTO);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	ck_assert_int_eq(scoreboard_attach(fd, &other), -EPROTO); /* no magic */
	close(fd);
	shares[0].head->major++;
	ck_assert_int_eq(share_attach(shares[0].fd, &share), -EPROTO);
	((uint32_t *)board.map)[2]++; /* its major version */
	ck_assert_int_eq(scoreboard_attach(board.fd, &other), -EPROTO);
	teardown();
}
END_TEST

START_TEST(nobody_can_resize_a_map)
{
	setup();
	ck_assert_int_eq(ftruncate(board.fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(shares[0].fd, 1 << 30), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fcntl(board.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_ne(fcntl(board.fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(shares[0].fd, F_GETFD) & FD_CLOEXEC, 0);
	teardown();
}
END_TEST

START_TEST(a_value_is_in_the_bucket_that_bounds_it)
{
	static const uint64_t bounds[] = { 10, 20, 30 };

	ck_assert_uint_eq(histogram_bucket(bounds, 3, 0), 0);
	ck_assert_uint_eq(histogram_bucket(bounds, 3, 10), 0);
	ck_assert_uint_eq(histogram_bucket(bounds, 3, 11), 1);
	ck_assert_uint_eq(histogram_bucket(bounds, 3, 30), 2);
	ck_assert_uint_eq(histogram_bucket(bounds, 3, 31), 3);
	ck_assert_uint_eq(histogram_bucket(bounds, 3, UINT64_MAX), 3);
	for (unsigned i = 1; i < DIAL_BUCKETS - 1; i++)
		ck_assert_uint_lt(dial_bucket_us[i - 1], dial_bucket_us[i]);
	for (unsigned i = 1; i < DURATION_BUCKETS - 1; i++)
		ck_assert_uint_lt(duration_bucket_us[i - 1], duration_bucket_us[i]);
}
END_TEST

UNIT_MAIN("scoreboard", a_place_is_taken_up_to_the_limit_and_given_back,
	a_failed_backend_gives_no_place_until_it_is_back,
	suspects_are_counted_and_never_run_into_the_failed_flag, no_count_goes_below_zero,
	only_the_excess_goes, a_frontend_has_a_limit_of_its_own, a_promotion_is_taken_once,
	limits_hold_exactly_over_processes, a_worker_killed_at_any_moment_leaves_nothing_behind,
	giving_back_counts_connections_as_lost, garbage_in_a_dead_share_takes_no_count_below_zero,
	the_audit_acts_on_what_is_the_same_twice, what_nobody_uses_takes_no_memory,
	a_map_is_attached_only_when_it_is_one_of_ours, nobody_can_resize_a_map,
	a_value_is_in_the_bucket_that_bounds_it)
