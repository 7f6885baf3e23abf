/* What many connections bring in one turn of a worker, where messages are received together and sent
 * together: each byte and each end has to come out where it belongs. */
#define _GNU_SOURCE
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iaido/clock.h"
#include "iaido/macros.h"
#include "iaido/rng.h"
#include "pair.h"
#include "stage.h"
#include "worker/ring.h"

/* More than two batches. */
#define PAIRS 40
/* The stage's first backend. */
#define CELL 10

static struct stage stage;
static struct pair pairs[PAIRS];
static uint64_t resets[2], ends; /* that were made until now, by side */

/* From nothing to a few segments. */
static uint64_t
some(const struct pair *p)
{
	return 1 + (uint64_t)p->number * 97 % 3000;
}

/* No single read brings it. */
static uint64_t
much(const struct pair *p)
{
	return 200000 + (uint64_t)p->number * 7919 % 300000;
}

/* ---- what a pair does while the worker is held ---- */

static void
client_asks(struct pair *p)
{
	pair_say(p, PAIR_CLIENT, some(p));
}

static void
backend_tells(struct pair *p)
{
	pair_say(p, PAIR_BACKEND, some(p));
}

static void
both_speak(struct pair *p)
{
	pair_say(p, PAIR_CLIENT, some(p));
	pair_say(p, PAIR_BACKEND, some(p) / 2 + 1);
}

static void
both_speak_and_end(struct pair *p)
{
	both_speak(p);
	pair_end(p, PAIR_BACKEND);
	pair_end(p, PAIR_CLIENT);
}

static void
client_asks_and_ends(struct pair *p)
{
	client_asks(p);
	pair_end(p, PAIR_CLIENT);
}

static void
backend_tells_and_ends(struct pair *p)
{
	backend_tells(p);
	pair_end(p, PAIR_BACKEND);
}

static void
client_ends(struct pair *p)
{
	pair_end(p, PAIR_CLIENT);
}

static void
backend_ends(struct pair *p)
{
	pair_end(p, PAIR_BACKEND);
}

static void
client_asks_and_resets(struct pair *p)
{
	client_asks(p);
	pair_reset(p, PAIR_CLIENT);
}

static void
backend_tells_and_resets(struct pair *p)
{
	backend_tells(p);
	pair_reset(p, PAIR_BACKEND);
}

static void
client_resets(struct pair *p)
{
	pair_reset(p, PAIR_CLIENT);
}

static void
backend_resets(struct pair *p)
{
	pair_reset(p, PAIR_BACKEND);
}

static void
client_ends_and_resets(struct pair *p)
{
	pair_end(p, PAIR_CLIENT);
	pair_reset(p, PAIR_CLIENT);
}

static void
backend_speaks_to_who_ended_and_resets(struct pair *p)
{
	client_asks_and_ends(p);
	backend_tells_and_resets(p);
}

static void
client_speaks_to_who_resets(struct pair *p)
{
	client_asks(p);
	backend_tells_and_resets(p);
}

static void
backend_speaks_to_who_resets(struct pair *p)
{
	backend_tells(p);
	client_asks_and_resets(p);
}

static void
client_is_urgent(struct pair *p)
{
	client_asks(p);
	pair_say_urgent(p, PAIR_CLIENT);
	client_asks(p);
}

static void
backend_is_urgent_at_once(struct pair *p)
{
	pair_say_urgent(p, PAIR_BACKEND);
	backend_tells(p);
}

static void
client_is_urgent_and_ends(struct pair *p)
{
	client_asks(p);
	pair_say_urgent(p, PAIR_CLIENT);
	pair_end(p, PAIR_CLIENT);
}

static void
client_streams(struct pair *p)
{
	pair_say(p, PAIR_CLIENT, much(p));
}

static void
backend_streams_and_ends(struct pair *p)
{
	pair_say(p, PAIR_BACKEND, much(p));
	pair_end(p, PAIR_BACKEND);
}

static void
both_stream(struct pair *p)
{
	pair_say(p, PAIR_CLIENT, much(p));
	pair_say(p, PAIR_BACKEND, much(p));
}

/* The first so many are over as soon as the worker has looked at them. */
#define QUICK_ACTS 11

static void (*const acts[])(struct pair *) = { client_asks, backend_tells, both_speak,
	both_speak_and_end, client_asks_and_ends, backend_tells_and_ends, client_ends, backend_ends,
	client_is_urgent, backend_is_urgent_at_once, client_is_urgent_and_ends, client_streams,
	backend_streams_and_ends, both_stream, client_asks_and_resets, backend_tells_and_resets,
	client_resets, backend_resets, client_ends_and_resets,
	backend_speaks_to_who_ended_and_resets, client_speaks_to_who_resets,
	backend_speaks_to_who_resets };

/* ---- the stage ---- */

static void
set_up(unsigned backends)
{
	stage_open(&stage, backends);
	resets[PAIR_CLIENT] = resets[PAIR_BACKEND] = ends = 0;
}

static uint64_t
ended_by_fin(void)
{
	return stage_ended(&stage, ENDED_BY_CLIENT, ENDED_EOF) +
		stage_ended(&stage, ENDED_BY_BACKEND, ENDED_EOF);
}

/* Each connection has ended, and was counted as what it was. */
static void
check_counts(void)
{
	stage_wait_active(&stage, CELL, 0);
	stage_wait_ended(&stage, ENDED_BY_CLIENT, ENDED_RESET, resets[PAIR_CLIENT]);
	stage_wait_ended(&stage, ENDED_BY_BACKEND, ENDED_RESET, resets[PAIR_BACKEND]);
	ck_assert_uint_eq(ended_by_fin(), ends);
	for (int reason = 0; reason < ENDED_REASON_COUNT; reason++)
		ck_assert_uint_eq(stage_ended(&stage, ENDED_BY_IAIDO, reason), 0);
}

static void
tear_down(void)
{
	check_counts();
	stage_close(&stage);
}

static void
close_and_count(struct pair *p)
{
	if (p->reset_by >= 0)
		resets[p->reset_by]++;
	else
		ends++;
	pair_close(p);
}

/* Each has its say both ways once more, and ends cleanly if it has not ended yet. */
static void
end_all(struct pair *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (int side = 0; side < 2 && p[i].reset_by < 0; side++) {
			if (!p[i].line[side].fin_due)
				pair_say(&p[i], side, some(&p[i]));
			pair_end(&p[i], side);
		}
	}
	pairs_settle(p, count);
	for (unsigned i = 0; i < count; i++)
		close_and_count(&p[i]);
}

/* ---- tests ---- */

static bool
worker_has_ring(void)
{
	char path[64], to[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", stage.pid);
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		to[n > 0 ? n : 0] = '\0';
		found = found || strstr(to, "[io_uring]") != NULL;
	}
	closedir(d);
	return found;
}

/* The tests that follow say nothing of the ring unless the worker has it. */
START_TEST(a_worker_has_a_ring_where_there_is_one)
{
	struct ring *r = ring_open(16);
	bool wanted = r != NULL;

	if (!wanted)
		fprintf(stderr, "without io_uring, which is not to be had here\n");
	/* Before the worker could inherit it. */
	ring_close(r);
	set_up(1);
	ck_assert_int_eq(worker_has_ring(), wanted);
	tear_down();
}
END_TEST

START_TEST(messages_of_one_turn_reach_their_own_receivers)
{
	set_up(1);
	pairs_open(&stage, pairs, PAIRS);
	for (unsigned round = 0; round < 30; round++) {
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS; i++)
			pair_say(&pairs[i], (int)((round + i / (1 + round % 5)) % 2),
				1 + (i * 131 + round * 17) % 5000);
		stage_go_on(&stage);
		pairs_settle(pairs, PAIRS);
	}
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* Hears what is there after some turns: nothing else wakes the worker, but a look at quiet connections a
 * quarter of a second later, which would hide that something was left lying. */
static void
hear_without_waiting(struct pair *probe)
{
	for (int turn = 0; turn < 50 && !pairs_are_settled(pairs, PAIRS); turn++) {
		pairs_wait_turn(probe);
		for (unsigned i = 0; i < PAIRS; i++) {
			pair_hear(&pairs[i], PAIR_CLIENT);
			pair_hear(&pairs[i], PAIR_BACKEND);
		}
	}
	ck_assert(pairs_are_settled(pairs, PAIRS));
}

/* _i: which; past the last, all of them. */
START_TEST(nothing_is_left_for_a_later_event)
{
	static struct pair probe;

	set_up(1);
	pairs_open(&stage, &probe, 1);
	pairs_open(&stage, pairs, PAIRS);
	pairs_wait_turn(&probe);
	stage_hold(&stage);
	for (unsigned i = 0; i < PAIRS; i++)
		acts[_i < QUICK_ACTS ? (unsigned)_i : i % QUICK_ACTS](&pairs[i]);
	stage_go_on(&stage);
	hear_without_waiting(&probe);
	end_all(pairs, PAIRS);
	end_all(&probe, 1);
	tear_down();
}
END_TEST

/* _i: which. */
START_TEST(all_of_one_turn_do_the_same)
{
	set_up(1);
	pairs_open(&stage, pairs, PAIRS);
	/* Once as the first thing that the worker sees of them, once later. */
	for (int round = 0; round < 2; round++) {
		unsigned half = PAIRS / 2;

		stage_hold(&stage);
		for (unsigned i = 0; i < half; i++)
			acts[_i](&pairs[round * half + i]);
		stage_go_on(&stage);
		pairs_settle(pairs, PAIRS);
	}
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* _i: a shift, so that others stand beside each other. */
START_TEST(all_of_one_turn_do_something_else)
{
	set_up(1);
	for (unsigned round = 0; round < 4; round++) {
		pairs_open(&stage, pairs, PAIRS);
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS; i++)
			acts[(i * (unsigned)(1 + 2 * _i) + round) % ARRAY_SIZE(acts)](&pairs[i]);
		stage_go_on(&stage);
		pairs_settle(pairs, PAIRS);
		end_all(pairs, PAIRS);
	}
	tear_down();
}
END_TEST

/* First all of one side speak, then all of the other are gone: so that for some of them the first is read,
 * and sent on, before the worker knows of the second. */
START_TEST(a_receiver_that_was_reset_has_its_last_words)
{
	set_up(1);
	for (int side = 0; side < 2; side++) {
		pairs_open(&stage, pairs, PAIRS);
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS; i++)
			pair_say(&pairs[i], side, some(&pairs[i]));
		for (unsigned i = 0; i < PAIRS; i++) {
			pair_say(&pairs[i], !side, some(&pairs[i]) + 1);
			pair_reset(&pairs[i], !side);
		}
		stage_go_on(&stage);
		pairs_settle(pairs, PAIRS);
		end_all(pairs, PAIRS);
	}
	tear_down();
}
END_TEST

/* Its FIN has come; what is sent to it then is answered by a reset. */
START_TEST(a_receiver_that_was_closed_has_its_last_words)
{
	set_up(1);
	pairs_open(&stage, pairs, PAIRS);
	stage_hold(&stage);
	for (unsigned i = 0; i < PAIRS; i++)
		pair_say(&pairs[i], PAIR_CLIENT, some(&pairs[i]));
	for (unsigned i = 0; i < PAIRS; i++) {
		backend_tells_and_ends(&pairs[i]);
		close(pairs[i].fd[PAIR_BACKEND]);
		pairs[i].fd[PAIR_BACKEND] = -1;
		pairs[i].reset_by = PAIR_BACKEND;
		pairs[i].whole = true;
	}
	stage_go_on(&stage);
	pairs_settle(pairs, PAIRS);
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* The worker's sockets to the clients take little. */
static void
narrow_clients(void)
{
	static const int little = 8192;

	ck_assert_int_eq(
		setsockopt(stage.listen_fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
}

/* One turn after the other brings what may just fit, or in part, or not at all; some hear a little at the
 * moment when more comes, so that what waits and what is new are to be sent in the same turn. */
START_TEST(nothing_is_lost_on_the_way_to_who_does_not_listen)
{
	struct rng rng;

	rng_seed_from(&rng, (uint64_t)_i);
	set_up(1);
	narrow_clients();
	pairs_open(&stage, pairs, PAIRS);
	for (unsigned round = 0; round < 40; round++) {
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS - 1; i++) {
			struct pair *p = &pairs[i];

			p->line[PAIR_BACKEND].deaf = rng_below(&rng, 8) != 0;
			pair_hear(p, PAIR_CLIENT);
			p->line[PAIR_BACKEND].deaf = true;
			pair_say(p, PAIR_BACKEND,
				1 + rng_below(&rng, rng_below(&rng, 2) ? 60000 : 3000));
			if (rng_below(&rng, 4) == 0)
				pair_say(p, PAIR_CLIENT, some(p));
		}
		stage_go_on(&stage);
		pairs_wait_turn(&pairs[PAIRS - 1]);
	}
	for (unsigned i = 0; i < PAIRS - 1; i++)
		pairs[i].line[PAIR_BACKEND].deaf = false;
	pairs_settle(pairs, PAIRS);
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* Who goes makes room for who comes: descriptors and memory are used again at once. */
START_TEST(connections_come_and_go_in_one_turn)
{
	static struct pair fresh[PAIRS];

	set_up(1);
	pairs_open(&stage, pairs, PAIRS);
	for (int round = 0; round < 5; round++) {
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS; i++) {
			if (i % 4 == 0)
				backend_tells_and_resets(&pairs[i]);
			else if (i % 4 == 1)
				client_asks_and_resets(&pairs[i]);
			else if (i % 4 == 2)
				both_speak_and_end(&pairs[i]);
			else
				both_speak(&pairs[i]);
			pair_connect(&stage, &fresh[i]);
			pair_greet(&fresh[i]);
			pair_say(&fresh[i], PAIR_CLIENT, some(&fresh[i]));
			if (i % 3 == 0)
				pair_end(&fresh[i], PAIR_CLIENT);
		}
		stage_go_on(&stage);
		pairs_accept(&stage, 0, fresh, PAIRS);
		pairs_settle(fresh, PAIRS);
		end_all(pairs, PAIRS);
		memcpy(pairs, fresh, sizeof(pairs));
	}
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* All that the worker finds at a client that has a backend now is: nothing yet. */
START_TEST(who_is_connected_and_silent_goes_on)
{
	static struct pair probe;

	set_up(1);
	pairs_open(&stage, &probe, 1);
	for (int round = 0; round < 5; round++) {
		stage_hold(&stage);
		for (unsigned i = 0; i < PAIRS; i++)
			pair_connect(&stage, &pairs[i]);
		stage_go_on(&stage);
		stage_wait_active(&stage, CELL, PAIRS + 1);
		pairs_wait_turn(&probe);
		for (unsigned i = 0; i < PAIRS; i++)
			pair_greet(&pairs[i]);
		pairs_accept(&stage, 0, pairs, PAIRS);
		end_all(pairs, PAIRS);
		stage_wait_active(&stage, CELL, 1);
	}
	end_all(&probe, 1);
	tear_down();
}
END_TEST

/* Clients that have left before they are accepted: with a word, and without. */
START_TEST(who_is_gone_before_it_is_accepted_disturbs_nobody)
{
	static struct pair gone;

	set_up(1);
	pairs_open(&stage, pairs, PAIRS / 2);
	stage_hold(&stage);
	for (unsigned i = 0; i < PAIRS / 2; i++) {
		both_speak(&pairs[i]);
		pair_connect(&stage, &gone);
		gone.number = 0;
		if (i % 2 == 0)
			pair_greet(&gone);
		pair_reset(&gone, PAIR_CLIENT);
		close_and_count(&gone);
		pair_connect(&stage, &pairs[PAIRS / 2 + i]);
		pair_greet(&pairs[PAIRS / 2 + i]);
	}
	stage_go_on(&stage);
	pairs_accept(&stage, 0, &pairs[PAIRS / 2], PAIRS / 2);
	pairs_settle(pairs, PAIRS);
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

/* The second half of them, among the first half's messages. Returns whether all was in time: one that was
 * connected for a second is not dialled again. */
static bool
reset_second_half_at_once(void)
{
	const unsigned half = PAIRS / 2;
	int64_t begun_ns = clock_now_ns();

	for (unsigned i = half; i < PAIRS; i++) {
		pair_connect(&stage, &pairs[i]);
		pairs[i].fd[PAIR_BACKEND] = stage_accept(&stage, 0);
	}
	/* Connected for the worker too. */
	pairs_wait_turn(&pairs[0]);
	stage_hold(&stage);
	for (unsigned i = half; i < PAIRS; i++) {
		acts[i % 6](&pairs[i - half]);
		pair_reset(&pairs[i], PAIR_BACKEND);
		pairs[i].reset_by = -1; /* the client is not to know */
	}
	stage_go_on(&stage);
	pairs_wait_turn(&pairs[0]);
	return clock_now_ns() - begun_ns < NSEC_PER_SEC;
}

START_TEST(who_is_reset_at_once_goes_elsewhere_beside_others)
{
	const unsigned half = PAIRS / 2;

	set_up(2);
	stage.frontend.hedge_ns = 60 * NSEC_PER_SEC;
	stage_push(&stage);
	for (int round = 0; round < 3; round++) {
		pairs_open(&stage, pairs, half);
		if (!reset_second_half_at_once()) {
			fprintf(stderr, "not looked at: this machine is too slow just now\n");
			stage_close(&stage);
			return;
		}
		for (unsigned i = half; i < PAIRS; i++)
			pair_greet(&pairs[i]);
		pairs_accept(&stage, 1, &pairs[half], half);
		end_all(pairs, PAIRS);
		stage_wait_active(&stage, CELL + 1, 0);
	}
	tear_down();
}
END_TEST

/* ---- soak ---- */

#define SOAK_STEPS 3000

struct soak {
	struct rng rng;
	bool holds; /* now and then */
	bool held;
};

static void
soak_hold(struct soak *s, bool hold)
{
	if (hold && !s->held)
		stage_hold(&stage);
	else if (!hold && s->held)
		stage_go_on(&stage);
	s->held = hold;
}

/* Another takes its place. */
static void
soak_replace(struct soak *s, struct pair *p)
{
	soak_hold(s, false);
	p->line[PAIR_CLIENT].deaf = p->line[PAIR_BACKEND].deaf = false;
	pairs_settle(p, 1);
	close_and_count(p);
	pairs_open(&stage, p, 1);
}

static void
soak_say(struct soak *s, struct pair *p, int side)
{
	static const uint64_t most[] = { 10, 1500, 1500, 1500, 20000, 64000, 70000, 400000 };
	struct line *l = &p->line[side];
	uint64_t limit = most[rng_below(&s->rng, ARRAY_SIZE(most))];

	if (l->fin_due)
		return;
	if (limit == 10 && l->heard == l->due && l->said > 0)
		pair_say_urgent(p, side);
	pair_say(p, side, 1 + rng_below(&s->rng, limit));
}

static void
soak_step(struct soak *s)
{
	struct pair *p = &pairs[rng_below(&s->rng, PAIRS)];
	int side = (int)rng_below(&s->rng, 2);
	uint64_t draw = rng_below(&s->rng, 100);

	if (pair_is_over(p)) {
		if (draw < 30)
			soak_replace(s, p);
	} else if (draw < 60) {
		soak_say(s, p, side);
	} else if (draw < 68) {
		p->line[!side].deaf = !p->line[!side].deaf;
	} else if (draw < 84) {
		pair_hear(p, side);
	} else if (draw < 90) {
		pair_end(p, side);
	} else if (draw < 92) {
		pair_reset(p, side);
	} else if (s->holds) {
		soak_hold(s, draw < 97);
	}
}

/* _i: the seed; the odd ones hold the worker. */
START_TEST(whatever_happens_each_byte_and_each_end_arrives)
{
	struct soak s = { .holds = _i % 2 };

	rng_seed_from(&s.rng, (uint64_t)_i);
	set_up(1);
	pairs_open(&stage, pairs, PAIRS);
	for (unsigned step = 0; step < SOAK_STEPS; step++)
		soak_step(&s);
	soak_hold(&s, false);
	for (unsigned i = 0; i < PAIRS; i++)
		pairs[i].line[PAIR_CLIENT].deaf = pairs[i].line[PAIR_BACKEND].deaf = false;
	pairs_settle(pairs, PAIRS);
	end_all(pairs, PAIRS);
	tear_down();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 180);
	tcase_add_test(tcase, a_worker_has_a_ring_where_there_is_one);
	tcase_add_test(tcase, messages_of_one_turn_reach_their_own_receivers);
	tcase_add_loop_test(tcase, nothing_is_left_for_a_later_event, 0, QUICK_ACTS + 1);
	tcase_add_loop_test(tcase, all_of_one_turn_do_the_same, 0, ARRAY_SIZE(acts));
	tcase_add_loop_test(tcase, all_of_one_turn_do_something_else, 0, 6);
	tcase_add_test(tcase, a_receiver_that_was_reset_has_its_last_words);
	tcase_add_test(tcase, a_receiver_that_was_closed_has_its_last_words);
	tcase_add_loop_test(tcase, nothing_is_lost_on_the_way_to_who_does_not_listen, 0, 4);
	tcase_add_test(tcase, connections_come_and_go_in_one_turn);
	tcase_add_test(tcase, who_is_connected_and_silent_goes_on);
	tcase_add_test(tcase, who_is_gone_before_it_is_accepted_disturbs_nobody);
	tcase_add_test(tcase, who_is_reset_at_once_goes_elsewhere_beside_others);
	tcase_add_loop_test(tcase, whatever_happens_each_byte_and_each_end_arrives, 0, 8);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
