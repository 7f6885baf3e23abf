/* The routing table's reader: what was written comes back, and nothing else gets in. */
#define _GNU_SOURCE
#include "config.h"

#include "iaido/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iaido/rng.h"
#include "iaido/wire.h"
#include "sample_table.h"
#include "unit.h"

/* All kinds of backends, and a removed frontend. */
static struct route_table *
rich_table(void)
{
	struct route_table *t = sample_table(3, 4);
	struct table_frontend *f = &t->frontends[1];

	f->backends[1].rank = 1;
	f->backends[1].tier = 1;
	f->backends[1].limit = 32;
	f->backends[2].use = BACKEND_GONE;
	f->backends[2].drain = true;
	f->backends[3].use = BACKEND_DISABLED;
	f->backends[3].rank = 1;
	f->backends[3].addr = (struct addr){ .in6 = { .sin6_family = AF_INET6, .sin6_port = 5 } };
	f->idle_ns = f->half_close_ns = -1;
	f->shed_failed = true;
	t->frontends[2].removed = true;
	t->frontends[2].backends[0].use = BACKEND_REMOVED;
	for (int i = 1; i < 4; i++)
		t->frontends[2].backends[i].use = BACKEND_REMOVED;
	return t;
}

static struct wire_writer
encoded(const struct route_table *t)
{
	struct wire_writer w;

	wire_writer_init(&w);
	table_encode(t, &w);
	ck_assert(!w.bad);
	return w;
}

static int
decode(const void *data, size_t len, struct route_table **out)
{
	struct wire_reader r;

	*out = NULL;
	wire_reader_init(&r, data, len);
	return table_decode(&r, out);
}

/* Everything a worker relies on. */
static void
check_promises(const struct route_table *t)
{
	uint8_t *seen = sample_alloc(SCOREBOARD_CELLS, 1);

	for (uint32_t i = 0; i < t->frontend_count; i++) {
		const struct table_frontend *f = &t->frontends[i];

		ck_assert_uint_lt(f->id, SCOREBOARD_FRONTENDS);
		ck_assert(i == 0 || t->frontends[i - 1].id < f->id);
		ck_assert_ptr_nonnull(f->name);
		ck_assert(f->maintenance_ns >= 0 && f->wait_ns >= 0 && f->hedge_ns >= 0);
		for (uint32_t k = 0; k < f->backend_count; k++) {
			const struct table_backend *b = &f->backends[k];

			ck_assert_uint_lt(b->cell, SCOREBOARD_CELLS);
			ck_assert_uint_eq(seen[b->cell], 0);
			seen[b->cell] = 1;
			ck_assert_uint_lt(b->tier, f->tier_count);
			ck_assert_uint_lt(b->rank, f->backend_count);
			ck_assert_uint_le(b->use, BACKEND_REMOVED);
			ck_assert(b->addr.sa.sa_family == AF_INET ||
				b->addr.sa.sa_family == AF_INET6);
			if (k > 0 && b->use == BACKEND_ENABLED) {
				ck_assert_uint_eq(f->backends[k - 1].use, BACKEND_ENABLED);
				ck_assert_uint_le(f->backends[k - 1].rank, b->rank);
			}
		}
	}
	free(seen);
}

START_TEST(what_was_written_comes_back)
{
	struct route_table *t = rich_table(), *back;
	struct wire_writer w = encoded(t), again;
	const struct table_backend *b;

	ck_assert_int_eq(decode(w.data, w.len, &back), 0);
	ck_assert_uint_eq(back->number, 7);
	ck_assert(back->log_connections);
	ck_assert_uint_eq(back->frontend_count, 3);
	b = &back->frontends[1].backends[1];
	ck_assert_uint_eq(b->limit, 32);
	ck_assert_uint_eq(b->rank, 1);
	ck_assert(addr_equal(&b->addr, &t->frontends[1].backends[1].addr));
	ck_assert_str_eq(back->frontends[1].name, "127.0.0.1:1002");
	ck_assert(back->frontends[2].removed);
	check_promises(back);
	again = encoded(back);
	ck_assert_uint_eq(again.len, w.len);
	ck_assert_mem_eq(again.data, w.data, w.len);
	wire_writer_fini(&w);
	wire_writer_fini(&again);
	table_free(back);
	table_free(t);
}
END_TEST

START_TEST(an_empty_table_is_a_table)
{
	struct route_table *t = sample_table(0, 0), *back;
	struct wire_writer w = encoded(t);

	ck_assert_int_eq(decode(w.data, w.len, &back), 0);
	ck_assert_uint_eq(back->frontend_count, 0);
	ck_assert_ptr_null(table_find_frontend(back, 0));
	wire_writer_fini(&w);
	table_free(back);
	table_free(t);
}
END_TEST

START_TEST(a_truncated_table_is_refused)
{
	struct route_table *t = rich_table(), *back;
	struct wire_writer w = encoded(t);
	uint8_t *exact;

	for (size_t len = 0; len < w.len; len++) {
		/* In memory of its own, so that reading past its end is seen. */
		exact = sample_alloc(1, len + 1);
		memcpy(exact, w.data, len);
		ck_assert_int_eq(decode(exact, len, &back), -EBADMSG);
		ck_assert_ptr_null(back);
		free(exact);
	}
	wire_put_u8(&w, 0);
	ck_assert_int_eq(decode(w.data, w.len, &back), -EBADMSG);
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

START_TEST(flipped_bits_are_refused_or_do_no_harm)
{
	struct route_table *t = rich_table(), *back;
	struct wire_writer w = encoded(t);
	struct rng rng;

	rng_seed_from(&rng, 4);
	for (int i = 0; i < 8000; i++) {
		uint64_t flips = 1 + rng_below(&rng, 3);
		size_t at[3];
		uint8_t bit[3];

		for (uint64_t k = 0; k < flips; k++) {
			at[k] = rng_below(&rng, w.len);
			bit[k] = (uint8_t)(1u << rng_below(&rng, 8));
			w.data[at[k]] ^= bit[k];
		}
		if (decode(w.data, w.len, &back) == 0)
			check_promises(back);
		table_free(back);
		for (uint64_t k = 0; k < flips; k++)
			w.data[at[k]] ^= bit[k];
	}
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

START_TEST(garbage_is_refused)
{
	struct route_table *t = sample_table(1, 1), *back;
	struct wire_writer w = encoded(t);
	struct rng rng;

	rng_seed_from(&rng, 5);
	for (int i = 0; i < 8000; i++) {
		uint8_t bytes[300];
		size_t len = rng_below(&rng, sizeof(bytes));
		size_t head = i % 2 ? 17 : 0; /* half of them with a true head */

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(rng_below(&rng, 3) ? rng_next(&rng) : 0);
		memcpy(bytes, w.data, head);
		if (decode(bytes, len, &back) == 0)
			check_promises(back);
		table_free(back);
	}
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

/* Each breaks one promise of a table that is otherwise right. */
static const char *
break_promise(struct route_table *t, int which)
{
	struct table_frontend *f = &t->frontends[0];
	struct table_backend *b = f->backends;

	switch (which) {
	case 0:
		t->frontends[1].id = f->id;
		return "an id twice";
	case 1:
		f->id = 3;
		return "ids not sorted";
	case 2:
		t->frontends[2].id = SCOREBOARD_FRONTENDS;
		return "an id that the scoreboard does not have";
	case 3:
		b[0].cell = SCOREBOARD_CELLS;
		return "a cell that the scoreboard does not have";
	case 4:
		b[1].cell = b[0].cell;
		return "a cell twice";
	case 5:
		t->frontends[1].backends[0].cell = b[0].cell;
		return "a cell in two frontends";
	case 6:
		b[0].tier = 2;
		return "a tier that is not there";
	case 7:
		b[3].rank = 4;
		return "a rank past the number of backends";
	case 8:
		b[0].rank = 1;
		return "ranks not ascending";
	case 9:
		b[0].use = BACKEND_GONE;
		return "an enabled one after another";
	case 10:
		b[3].use = BACKEND_REMOVED + 1;
		return "an unknown use";
	case 11:
		b[3].latency_ns = -1;
		return "a negative latency";
	case 12:
		f->maintenance_ns = -5;
		return "a negative duration";
	case 13:
		f->tiers[1].dial_timeout_ns = -5;
		return "a negative dial timeout";
	default:
		return NULL;
	}
}

START_TEST(a_broken_promise_is_refused)
{
	const char *what = "";

	for (int i = 0; what; i++) {
		struct route_table *t = sample_table(3, 4), *back;
		struct wire_writer w;

		what = break_promise(t, i);
		w = encoded(t);
		ck_assert_msg(decode(w.data, w.len, &back) == (what ? -EBADMSG : 0), "%s", what);
		wire_writer_fini(&w);
		table_free(back);
		table_free(t);
	}
}
END_TEST

START_TEST(counts_that_promise_more_than_follows_allocate_nothing)
{
	struct route_table *t = sample_table(1, 1), *back;
	struct wire_writer w = encoded(t);

	/* The frontends' count stands after magic, version, number and a bool. */
	memset(w.data + 17, 0xff, 4);
	ck_assert_int_eq(decode(w.data, w.len, &back), -EBADMSG);
	/* The slots' count stands before the two slots at the end. */
	memset(w.data + 17, 0, 4);
	w.data[17] = 1;
	memset(w.data + w.len - 12, 0xff, 4);
	ck_assert_int_eq(decode(w.data, w.len, &back), -EBADMSG);
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

START_TEST(another_version_is_refused)
{
	struct route_table *t = sample_table(1, 1), *back;
	struct wire_writer w = encoded(t);

	w.data[4]++;
	ck_assert_int_eq(decode(w.data, w.len, &back), -EBADMSG);
	w.data[4]--;
	w.data[0]++;
	ck_assert_int_eq(decode(w.data, w.len, &back), -EBADMSG);
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

START_TEST(a_table_travels_in_a_sealed_memfd)
{
	struct route_table *t = rich_table(), *back = NULL;
	int fd = table_to_memfd(t);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_lt(write(fd, "x", 1), 0);
	ck_assert_int_eq(table_from_memfd(fd, &back), 0);
	check_promises(back);
	ck_assert_uint_eq(back->frontend_count, 3);
	close(fd);
	table_free(back);
	table_free(t);
}
END_TEST

START_TEST(a_memfd_that_could_change_is_refused)
{
	static const int seals[] = { 0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_GROW,
		F_SEAL_GROW | F_SEAL_SHRINK };
	struct route_table *t = rich_table(), *back = NULL;
	struct wire_writer w = encoded(t);
	int fds[2];

	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		ck_assert_int_eq(write(fd, w.data, w.len), (ssize_t)w.len);
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		ck_assert_int_eq(table_from_memfd(fd, &back), -EBADMSG);
		close(fd);
	}
	fds[0] = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	ck_assert_int_eq(table_from_memfd(fds[0], &back), -EBADMSG); /* empty */
	close(fds[0]);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(table_from_memfd(fds[0], &back), -EBADMSG);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(table_from_memfd(-1, &back), -EBADMSG);
	ck_assert_ptr_null(back);
	wire_writer_fini(&w);
	table_free(t);
}
END_TEST

START_TEST(a_frontend_is_found_by_its_id)
{
	struct route_table *t = sample_table(5, 1);

	for (uint32_t id = 0; id < 12; id++) {
		const struct table_frontend *f = table_find_frontend(t, id);

		if (id % 2 == 0 && id < 10)
			ck_assert_uint_eq(f->id, id);
		else
			ck_assert_ptr_null(f);
	}
	table_free(t);
	table_free(NULL);
}
END_TEST

UNIT_MAIN("table", what_was_written_comes_back, an_empty_table_is_a_table,
	a_truncated_table_is_refused, flipped_bits_are_refused_or_do_no_harm, garbage_is_refused,
	a_broken_promise_is_refused, counts_that_promise_more_than_follows_allocate_nothing,
	another_version_is_refused, a_table_travels_in_a_sealed_memfd,
	a_memfd_that_could_change_is_refused, a_frontend_is_found_by_its_id)
