/* `iaido --status`: the table fits, says what matters, and nothing from outside drives a terminal. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../src/diag/render.h"
#include "../../src/diag/table.h"
#include "diag/scene.h"
#include "diag/serve.h"
#include "iaido/diag.h"
#include "iaido/text.h"
#include "unit.h"

static struct snapshot scene;
static struct text status, table;

static void
render(const char *not_ready, bool colour)
{
	text_reset(&status);
	text_reset(&table);
	render_status(&scene, EMIT_JSON, &status);
	ck_assert_int_eq(table_render(&status, not_ready, colour, &table), 0);
	ck_assert(!table.bad);
}

static void
begin(void)
{
	scene_fill(&scene);
	text_init(&status);
	text_init(&table);
}

static void
end(void)
{
	snapshot_fini(&scene);
	text_fini(&status);
	text_fini(&table);
}

static void
check_lines(void)
{
	const char *line = table.data, *next;

	for (; *line; line = next) {
		next = strchr(line, '\n');
		ck_assert_ptr_nonnull(next);
		ck_assert_msg(next - line <= TABLE_COLUMNS, "%ld columns: %.*s",
			(long)(next - line), (int)(next - line), line);
		for (const char *c = line; c < next; c++)
			ck_assert_msg(*c >= 0x20 && *c < 0x7f, "byte %02x in %.*s",
				(unsigned char)*c, (int)(next - line), line);
		next++;
	}
}

START_TEST(it_says_what_matters)
{
	begin();
	render(NULL, false);
	check_lines();
	ck_assert_ptr_nonnull(strstr(table.data, "ready  iaido "));
	ck_assert_ptr_nonnull(strstr(table.data, "workers: 1 ready, 1 draining\n"));
	ck_assert_ptr_nonnull(strstr(table.data, "last reload FAILED "));
	ck_assert_ptr_nonnull(strstr(table.data, "[0].\"x\": unknown\n  key\n"));
	ck_assert_ptr_nonnull(strstr(table.data, "\n127.0.0.1:5432 "));
	ck_assert_ptr_nonnull(strstr(table.data, "\n  0    up       10.0.0.1:5432 "));
	ck_assert_ptr_nonnull(strstr(table.data, "   300us        1/10 "));
	ck_assert_ptr_nonnull(strstr(table.data, "\n  0    failed   10.0.0.2:5432 "));
	ck_assert_ptr_nonnull(strstr(table.data, "Connection refused\n"));
	ck_assert_ptr_nonnull(strstr(table.data, "not accepting\n"));
	ck_assert_ptr_nonnull(strstr(table.data, "no such name"));
	end();
}
END_TEST

START_TEST(it_says_why_it_is_not_ready)
{
	begin();
	render("workers are not ready yet\n", false);
	ck_assert_ptr_nonnull(strstr(table.data, "NOT READY  iaido "));
	ck_assert_ptr_nonnull(strstr(table.data, "\n  workers are not ready yet"));
	end();
}
END_TEST

START_TEST(colour_is_only_there_when_asked_for)
{
	begin();
	render(NULL, false);
	ck_assert_ptr_null(strchr(table.data, '\033'));
	render(NULL, true);
	ck_assert_ptr_nonnull(strstr(table.data, "\033[31;1mfailed  \033[0m"));
	end();
}
END_TEST

START_TEST(long_things_still_fit)
{
	struct snapshot_backend *b;
	char *long_text = malloc(3001);

	begin();
	memset(long_text, 'x', 3000);
	strcpy(long_text + 2990, "\033[2J\xc2\x9b\xff");
	b = &scene.frontends[0].backends[1];
	free(b->address);
	b->address = strdup("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
	b->active = b->max = UINT32_MAX;
	b->total = b->dials_failed = UINT64_MAX;
	b->latency_ns = INT64_MAX;
	b->last_change_wall_ns = 0;
	scene.frontends[0].bytes_in = UINT64_MAX;
	scene.frontends[0].total = UINT64_MAX;
	scene.uptime_ns = INT64_MAX;
	scene.generation = UINT32_MAX;
	free(scene.reload_error);
	scene.reload_error = strdup(long_text);
	free(scene.config_path);
	scene.config_path = strdup(long_text);
	free(scene.names[1].host);
	scene.names[1].host = strdup(long_text);
	render(long_text, false);
	check_lines();
	ck_assert_ptr_nonnull(strstr(table.data, " [2001:db8:..666]:65535"));
	free(long_text);
	end();
}
END_TEST

START_TEST(what_is_no_status_is_refused)
{
	static const char *const bad[] = { "", "{", "[]", "\"x\"", "{\"a\":1}", "not found\n",
		"{\"\xff\":", "{\"frontends\":[[1,{}],null,{\"backends\":7}]}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		text_init(&status);
		text_init(&table);
		text_add(&status, bad[i]);
		ck_assert_int_le(table_render(&status, NULL, false, &table), 0);
		if (i + 1 < ARRAY_SIZE(bad))
			ck_assert_int_eq(table_render(&status, NULL, false, &table), -EBADMSG);
		text_fini(&status);
		text_fini(&table);
	}
}
END_TEST

START_TEST(the_exit_status_tells_readiness)
{
	const struct status_options options = { .json = true };
	struct serve *s = serve_start(scene_fill);
	char address[32];

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", serve_port(s));
	ck_assert_int_eq(status_run(address, &options), 0);
	(void)snprintf(address, sizeof(address), ":%u", serve_port(s));
	ck_assert_int_eq(status_run(address, &options), 0);
	serve_stop(s);
	ck_assert_int_eq(status_run(address, &options), 1);
	ck_assert_int_eq(status_run("unix:/nonexistent/socket", &options), 1);
}
END_TEST

static void
fill_shutting_down(struct snapshot *s)
{
	scene_fill(s);
	s->shutting_down = true;
}

START_TEST(not_ready_is_an_exit_status_too)
{
	const struct status_options options = { 0 };
	struct serve *s = serve_start(fill_shutting_down);
	char address[32];

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", serve_port(s));
	ck_assert_int_eq(status_run(address, &options), 1);
	serve_stop(s);
}
END_TEST

UNIT_MAIN("diag_table", it_says_what_matters, it_says_why_it_is_not_ready,
	colour_is_only_there_when_asked_for, long_things_still_fit, what_is_no_status_is_refused,
	the_exit_status_tells_readiness, not_ready_is_an_exit_status_too)
