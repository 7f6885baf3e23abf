/* /metrics: every family that is promised, each series once, values in base units. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "../../src/diag/metrics_view.h"
#include "../../src/diag/render.h"
#include "diag/scene.h"
#include "iaido/macros.h"
#include "iaido/text.h"
#include "unit.h"

static struct snapshot scene;
static struct text text;

static void
render(void)
{
	text_reset(&text);
	ck_assert_int_eq(render_metrics(&scene, &text), 0);
	ck_assert(!text.bad);
}

static void
drop(void)
{
	text_fini(&text);
	snapshot_fini(&scene);
}

static void
render_scene(void)
{
	text_init(&text);
	scene_fill(&scene);
	render();
}

/* How many lines begin with that. */
static unsigned
count_lines(const char *start)
{
	unsigned count = 0;
	const char *line = text.data;

	for (; *line; line = strchr(line, '\n') + 1)
		count += strncmp(line, start, strlen(start)) == 0;
	return count;
}

static void
check_line(const char *line)
{
	char whole[512];

	(void)snprintf(whole, sizeof(whole), "%s\n", line);
	ck_assert_msg(count_lines(whole) == 1, "%u times: %s", count_lines(whole), line);
}

START_TEST(every_promised_family_is_there_once)
{
	static const char *const families[] = { "iaido_build_info", "iaido_start_time_seconds",
		"iaido_config_last_reload_successful",
		"iaido_config_last_reload_success_timestamp_seconds", "iaido_config_reloads_total",
		"iaido_generation", "iaido_workers", "iaido_worker_restarts_total",
		"iaido_pipe_shortages_total", "iaido_frontend_accepting",
		"iaido_frontend_connections", "iaido_frontend_connections_total",
		"iaido_frontend_waiting", "iaido_frontend_accept_pauses_total",
		"iaido_frontend_queue_drops_total", "iaido_backend_up", "iaido_backend_tier",
		"iaido_backend_latency_seconds", "iaido_backend_connections",
		"iaido_backend_connections_max", "iaido_backend_connections_total",
		"iaido_backend_dials_total", "iaido_backend_dial_duration_seconds",
		"iaido_backend_probes_total", "iaido_connections_ended_total",
		"iaido_connection_duration_seconds", "iaido_received_bytes_total",
		"iaido_sent_bytes_total", "iaido_dns_lookups_total", "iaido_dns_answer_age_seconds",
		"iaido_backend_series_omitted" };
	char start[128];

	render_scene();
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		(void)snprintf(start, sizeof(start), "# HELP %s ", families[i]);
		ck_assert_msg(count_lines(start) == 1, "%s", families[i]);
		(void)snprintf(start, sizeof(start), "# TYPE %s ", families[i]);
		ck_assert_msg(count_lines(start) == 1, "%s", families[i]);
	}
	ck_assert_uint_eq(count_lines("# TYPE "), ARRAY_SIZE(families));
	drop();
}
END_TEST

START_TEST(values_are_in_base_units)
{
	render_scene();
	check_line("iaido_start_time_seconds 1767225600.000000000");
	check_line("iaido_config_last_reload_successful 0");
	check_line("iaido_config_reloads_total{result=\"failure\"} 1");
	check_line("iaido_pipe_shortages_total 4");
	check_line("iaido_workers{state=\"starting\"} 1");
	check_line("iaido_workers{state=\"ready\"} 1");
	check_line("iaido_workers{state=\"draining\"} 1");
	check_line("iaido_backend_latency_seconds{frontend=\"127.0.0.1:5432\","
		   "backend=\"10.0.0.1:5432\"} 0.000300500");
	check_line("iaido_backend_up{frontend=\"127.0.0.1:5432\",backend=\"10.0.0.2:5432\"} 0");
	check_line("iaido_backend_up{frontend=\"127.0.0.1:5432\",backend=\"10.0.0.1:5432\"} 1");
	check_line("iaido_backend_dials_total{frontend=\"127.0.0.1:5432\","
		   "backend=\"[2001:db8::4]:5432\",result=\"failure\"} 3");
	check_line("iaido_connections_ended_total{frontend=\"127.0.0.1:5432\",ended=\"client\","
		   "reason=\"eof\"} 1000");
	check_line("iaido_connections_ended_total{frontend=\"[::1]:80\",ended=\"iaido\","
		   "reason=\"worker-lost\"} 0");
	check_line("iaido_sent_bytes_total{frontend=\"127.0.0.1:5432\","
		   "backend=\"10.0.0.1:5432\"} 9007199254740993");
	check_line("iaido_dns_lookups_total{host=\"no\",result=\"error\"} 4");
	check_line("iaido_dns_answer_age_seconds{host=\"db1.example.net\"} 12.345000000");
	check_line("iaido_dns_answer_age_seconds{host=\"no\"} 60.000000000");
	check_line("iaido_backend_series_omitted 0");
	drop();
}
END_TEST

START_TEST(histograms_add_up)
{
	char line[160];
	unsigned sum = 0;

	render_scene();
	for (unsigned i = 0; i < DIAL_BUCKETS; i++) {
		sum += i;
		if (i + 1 < DIAL_BUCKETS)
			(void)snprintf(line, sizeof(line),
				"iaido_backend_dial_duration_seconds_bucket{frontend=\"127.0.0.1:"
				"5432\","
				"le=\"%.9g\"} %u",
				(double)dial_bucket_us[i] / 1e6, sum);
		else
			(void)snprintf(line, sizeof(line),
				"iaido_backend_dial_duration_seconds_bucket{frontend=\"127.0.0.1:"
				"5432\","
				"le=\"+Inf\"} %u",
				sum);
		check_line(line);
	}
	(void)snprintf(line, sizeof(line),
		"iaido_backend_dial_duration_seconds_count{frontend=\"127.0.0.1:5432\"} %u", sum);
	check_line(line);
	check_line("iaido_backend_dial_duration_seconds_sum{frontend=\"127.0.0.1:5432\"} 2.500000");
	check_line("iaido_connection_duration_seconds_sum{frontend=\"127.0.0.1:5432\"} 1.500000");
	drop();
}
END_TEST

START_TEST(labels_cannot_break_out)
{
	render_scene();
	free(scene.names[0].host);
	scene.names[0].host = strdup("a\"b\\c\nd\xff\xc3\xa9");
	render();
	check_line("iaido_dns_lookups_total{host=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\","
		   "result=\"success\"} 5");
	drop();
}
END_TEST

/* A backend that came back while its former self still drains, and a frontend likewise. */
START_TEST(a_series_is_there_once)
{
	struct snapshot_frontend *f;

	render_scene();
	f = scene.frontends;
	free(f[0].backends[3].address);
	f[0].backends[3].address = strdup("10.0.0.1:5432");
	free(f[1].bind_address);
	f[1].bind_address = strdup(f[0].bind_address);
	f[1].total = 6;
	render();
	check_line("iaido_backend_connections{frontend=\"127.0.0.1:5432\","
		   "backend=\"10.0.0.1:5432\"} 5");
	check_line("iaido_backend_up{frontend=\"127.0.0.1:5432\",backend=\"10.0.0.1:5432\"} 1");
	check_line("iaido_frontend_connections_total{frontend=\"127.0.0.1:5432\"} 1240");
	ck_assert_uint_eq(count_lines("iaido_frontend_connections_total{"), 1);
	drop();
}
END_TEST

START_TEST(backends_that_are_gone_keep_their_series)
{
	render_scene();
	check_line("iaido_backend_connections_total{frontend=\"127.0.0.1:5432\","
		   "backend=\"10.0.0.5:5432\"} 104");
	check_line("iaido_backend_up{frontend=\"127.0.0.1:5432\",backend=\"10.0.0.5:5432\"} 0");
	drop();
}
END_TEST

START_TEST(too_many_backends_have_no_series)
{
	text_init(&text);
	scene_fill_many(&scene, METRICS_BACKENDS_MAX);
	render();
	ck_assert_uint_eq(count_lines("iaido_backend_up{"), METRICS_BACKENDS_MAX);
	check_line("iaido_backend_series_omitted 0");
	snapshot_fini(&scene);
	scene_fill_many(&scene, METRICS_BACKENDS_MAX + 1);
	scene.frontends[0].bytes_in = 77;
	render();
	ck_assert_uint_eq(count_lines("iaido_backend_up{"), 0);
	check_line("iaido_backend_series_omitted 1001");
	check_line("iaido_received_bytes_total{frontend=\"127.0.0.1:5432\"} 77");
	/* One of them is gone: the others fit again. */
	scene.frontends[0].backends[500].state = BACKEND_STATE_GONE;
	render();
	ck_assert_uint_eq(count_lines("iaido_backend_up{"), METRICS_BACKENDS_MAX);
	check_line("iaido_backend_series_omitted 1");
	drop();
}
END_TEST

UNIT_MAIN("diag_metrics", every_promised_family_is_there_once, values_are_in_base_units,
	histograms_add_up, labels_cannot_break_out, a_series_is_there_once,
	backends_that_are_gone_keep_their_series, too_many_backends_have_no_series)
