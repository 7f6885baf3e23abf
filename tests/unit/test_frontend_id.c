/* Frontend ids: stable, remembered, and over an upgrade. */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "iaido/scoreboard.h"
#include "iaido/wire.h"
#include "master/frontend_id.h"

static uint32_t
find(struct frontend_ids *f, const char *key, const uint32_t *busy, size_t busy_count)
{
	uint32_t id = UINT32_MAX;

	ck_assert_int_eq(frontend_ids_find(f, key, busy, busy_count, &id), 0);
	return id;
}

START_TEST(an_address_keeps_its_id)
{
	struct frontend_ids f = { 0 };
	uint32_t a = find(&f, "127.0.0.1:1", NULL, 0), b = find(&f, "127.0.0.1:2", NULL, 0);

	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(find(&f, "127.0.0.1:1", NULL, 0), a);
	ck_assert_str_eq(frontend_ids_name(&f, a), "?");
	ck_assert_int_eq(frontend_ids_set_name(&f, a, "127.0.0.1:8080"), 0);
	ck_assert_str_eq(frontend_ids_name(&f, a), "127.0.0.1:8080");
	ck_assert_str_eq(frontend_ids_name(&f, 999), "?");
	frontend_ids_fini(&f);
}
END_TEST

START_TEST(used_up_ids_are_taken_from_those_not_busy)
{
	struct frontend_ids f = { 0 };
	const uint32_t busy[] = { 0, 1, 2 };
	uint32_t id;
	char key[32];

	for (uint32_t i = 0; i < SCOREBOARD_FRONTENDS; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		ck_assert_uint_eq(find(&f, key, NULL, 0), i);
	}
	ck_assert_uint_eq(find(&f, "one more", busy, 3), 3);
	ck_assert_uint_eq(find(&f, "key-2", busy, 3), 2);
	{
		static uint32_t all[SCOREBOARD_FRONTENDS];

		for (uint32_t i = 0; i < SCOREBOARD_FRONTENDS; i++)
			all[i] = i;
		ck_assert_int_eq(
			frontend_ids_find(&f, "too many", all, SCOREBOARD_FRONTENDS, &id), -ENOSPC);
	}
	frontend_ids_fini(&f);
}
END_TEST

START_TEST(a_record_says_the_same_and_a_truncated_one_is_refused)
{
	struct frontend_ids f = { 0 }, g = { 0 };
	struct wire_writer w;
	struct wire_reader r;

	(void)find(&f, "a", NULL, 0);
	(void)find(&f, "b", NULL, 0);
	ck_assert_int_eq(frontend_ids_set_name(&f, 1, "name of b"), 0);
	wire_writer_init(&w);
	frontend_ids_save(&f, &w);
	wire_reader_init(&r, w.data, w.len);
	ck_assert_int_eq(frontend_ids_load(&g, &r), 0);
	ck_assert_int_eq(wire_end(&r), 0);
	ck_assert_uint_eq(find(&g, "b", NULL, 0), 1);
	ck_assert_str_eq(frontend_ids_name(&g, 1), "name of b");
	ck_assert_str_eq(frontend_ids_name(&g, 0), "?");
	frontend_ids_fini(&g);
	for (size_t len = 0; len < w.len; len++) {
		wire_reader_init(&r, w.data, len);
		ck_assert_int_eq(frontend_ids_load(&g, &r), -EBADMSG);
		frontend_ids_fini(&g);
	}
	wire_writer_fini(&w);
	frontend_ids_fini(&f);
}
END_TEST

UNIT_MAIN("frontend_id", an_address_keeps_its_id, used_up_ids_are_taken_from_those_not_busy,
	a_record_says_the_same_and_a_truncated_one_is_refused)
