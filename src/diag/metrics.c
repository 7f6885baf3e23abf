/* /metrics: Prometheus' text format, version 0.0.4. Families come one after another, each series once,
 * all from the start. What grows with the number of backends is left out past a limit. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/clock.h"
#include "iaido/macros.h"
#include "metrics_view.h"
#include "iaido/snapshot.h"
#include "iaido/text.h"
#include "render.h"

/* A family with one value per frontend or per backend. */
struct frontend_family {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(const struct snapshot_frontend *f);
};

struct backend_family {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(const struct snapshot_backend *b);
	bool is_ns; /* the value is, and is written in seconds */
};

static void
add_family(struct text *out, const char *name, const char *type, const char *help)
{
	text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Labels stand first in the braces or behind a comma, as the caller says in `lead`. */
static void
add_label(struct text *out, const char *lead, const char *name, const char *value)
{
	static const char plain[] = "0123456789.:abcdefghijklmnopqrstuvwxyz-[]_/";
	size_t len = strlen(value), n;

	text_add(out, lead);
	text_add(out, name);
	text_add(out, "=\"");
	for (; len > 0; value += n, len -= n) {
		n = strspn(value, plain);
		if (n > 0) {
			text_add_bytes(out, value, n);
			continue;
		}
		n = text_utf8_len(value, len);
		if (n == 0) {
			n = 1;
			text_add(out, "\xef\xbf\xbd"); /* the replacement character */
		} else if (*value == '\n') {
			text_add(out, "\\n");
		} else {
			if (*value == '"' || *value == '\\')
				text_add(out, "\\");
			text_add_bytes(out, value, n);
		}
	}
	text_add(out, "\"");
}

static void
add_value(struct text *out, uint64_t value)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	*--at = '\n';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	*--at = ' ';
	text_add(out, at);
}

/* Exact to the nanosecond, without what printf makes of large doubles. */
static void
add_seconds(struct text *out, int64_t ns)
{
	uint64_t u = ns < 0 ? 0 : (uint64_t)ns;

	text_addf(out, " %" PRIu64 ".%09u\n", u / NSEC_PER_SEC, (unsigned)(u % NSEC_PER_SEC));
}

static void
add_single(struct text *out, const char *name, const char *type, const char *help, uint64_t value)
{
	add_family(out, name, type, help);
	text_add(out, name);
	add_value(out, value);
}

static void
add_single_time(struct text *out, const char *name, const char *help, int64_t wall_ns)
{
	add_family(out, name, "gauge", help);
	text_add(out, name);
	add_seconds(out, wall_ns);
}

static void
add_workers(const struct snapshot *s, struct text *out)
{
	static const struct {
		enum worker_state state;
		const char *name;
	} states[] = { { WORKER_STARTING, "starting" }, { WORKER_READY, "ready" },
		{ WORKER_DRAINING, "draining" } };

	add_family(out, "iaido_workers", "gauge", "Worker processes by state.");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		uint64_t count = 0;

		for (size_t j = 0; j < s->worker_count; j++)
			count += s->workers[j].state == states[i].state;
		add_label(out, "iaido_workers{", "state", states[i].name);
		text_add(out, "}");
		add_value(out, count);
	}
	add_single(out, "iaido_worker_restarts_total", "counter",
		"Workers that ended unexpectedly and were replaced.", s->worker_restarts);
	add_single(out, "iaido_pipe_shortages_total", "counter",
		"Times that a worker got no pipe for a stream; it asks once a second at most.",
		s->pipe_shortages);
}

static void
add_process(const struct snapshot *s, struct text *out)
{
	add_family(
		out, "iaido_build_info", "gauge", "The version that runs, as a label; always 1.");
	add_label(out, "iaido_build_info{", "version", s->version);
	text_add(out, "}");
	add_value(out, 1);
	add_single_time(out, "iaido_start_time_seconds", "When the master started, in Unix time.",
		s->started_wall_ns);
	add_single(out, "iaido_config_last_reload_successful", "gauge",
		"Whether the last reload was taken; 1 before any.", s->reload_ok);
	add_single_time(out, "iaido_config_last_reload_success_timestamp_seconds",
		"When the configuration that is used was loaded, in Unix time.",
		s->reload_success_wall_ns);
	add_family(out, "iaido_config_reloads_total", "counter",
		"Reloads since the start, by result.");
	text_add(out, "iaido_config_reloads_total{result=\"success\"}");
	add_value(out, s->reloads_ok);
	text_add(out, "iaido_config_reloads_total{result=\"failure\"}");
	add_value(out, s->reloads_failed);
	add_single(out, "iaido_generation", "gauge", "Number of the current generation of workers.",
		s->generation);
	add_workers(s, out);
}

static uint64_t
frontend_accepting(const struct snapshot_frontend *f)
{
	return f->accepting;
}

static uint64_t
frontend_active(const struct snapshot_frontend *f)
{
	return f->active;
}

static uint64_t
frontend_total(const struct snapshot_frontend *f)
{
	return f->total;
}

static uint64_t
frontend_waiting(const struct snapshot_frontend *f)
{
	return f->waiting;
}

static uint64_t
frontend_pauses(const struct snapshot_frontend *f)
{
	return f->accept_pauses;
}

static uint64_t
frontend_drops(const struct snapshot_frontend *f)
{
	return f->queue_drops;
}

static const struct frontend_family frontend_families[] = {
	{ "iaido_frontend_accepting", "gauge", "Whether connections are accepted now.",
		frontend_accepting },
	{ "iaido_frontend_connections", "gauge", "Open client connections.", frontend_active },
	{ "iaido_frontend_connections_total", "counter", "Client connections accepted.",
		frontend_total },
	{ "iaido_frontend_waiting", "gauge",
		"Clients in the listen queue or accepted, not yet connected to a backend.",
		frontend_waiting },
	{ "iaido_frontend_accept_pauses_total", "counter",
		"Times that accepting paused for want of descriptors or memory.", frontend_pauses },
	{ "iaido_frontend_queue_drops_total", "counter",
		"Requests to connect that the kernel dropped, mostly as the listen queue was full.",
		frontend_drops },
};

static void
add_frontends(const struct metrics_view *v, struct text *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(frontend_families); i++) {
		const struct frontend_family *family = &frontend_families[i];

		add_family(out, family->name, family->type, family->help);
		for (size_t j = 0; j < v->frontend_count; j++) {
			text_add(out, family->name);
			add_label(out, "{", "frontend", v->frontends[j].bind_address);
			text_add(out, "}");
			add_value(out, family->value(&v->frontends[j]));
		}
	}
}

static void
add_ended(const struct metrics_view *v, struct text *out)
{
	static const char name[] = "iaido_connections_ended_total";

	add_family(out, name, "counter", "Connections that ended, by who ended them and why.");
	for (size_t i = 0; i < v->frontend_count; i++) {
		const struct snapshot_frontend *f = &v->frontends[i];

		for (unsigned by = 0; by < ENDED_BY_COUNT; by++) {
			for (unsigned why = 0; why < ENDED_REASON_COUNT; why++) {
				text_add(out, name);
				add_label(out, "{", "frontend", f->bind_address);
				add_label(out, ",", "ended", ended_by_name((enum ended_by)by));
				add_label(out, ",", "reason",
					ended_reason_name((enum ended_reason)why));
				text_add(out, "}");
				add_value(out, f->ended[by][why]);
			}
		}
	}
}

/* One histogram of one frontend; counts[] are per bucket, Prometheus wants them summed up. */
static void
add_histogram(struct text *out, const char *name, const char *frontend, const uint64_t *bounds_us,
	const uint64_t *counts, unsigned bucket_count, uint64_t sum_us)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < bucket_count; i++) {
		count += counts[i];
		text_addf(out, "%s_bucket", name);
		add_label(out, "{", "frontend", frontend);
		if (i + 1 < bucket_count)
			text_addf(out, ",le=\"%.9g\"}", (double)bounds_us[i] / 1e6);
		else
			text_add(out, ",le=\"+Inf\"}");
		add_value(out, count);
	}
	text_addf(out, "%s_sum", name);
	add_label(out, "{", "frontend", frontend);
	text_addf(out, "} %" PRIu64 ".%06u\n", sum_us / 1000000, (unsigned)(sum_us % 1000000));
	text_addf(out, "%s_count", name);
	add_label(out, "{", "frontend", frontend);
	text_add(out, "}");
	add_value(out, count);
}

static void
add_histograms(const struct metrics_view *v, struct text *out)
{
	static const char dial[] = "iaido_backend_dial_duration_seconds";
	static const char duration[] = "iaido_connection_duration_seconds";

	add_family(out, dial, "histogram", "How long backends took to answer a dial.");
	for (size_t i = 0; i < v->frontend_count; i++)
		add_histogram(out, dial, v->frontends[i].bind_address, dial_bucket_us,
			v->frontends[i].dial_us, DIAL_BUCKETS, v->frontends[i].dial_us_sum);
	add_family(out, duration, "histogram", "How long connections lasted.");
	for (size_t i = 0; i < v->frontend_count; i++)
		add_histogram(out, duration, v->frontends[i].bind_address, duration_bucket_us,
			v->frontends[i].duration_us, DURATION_BUCKETS,
			v->frontends[i].duration_us_sum);
}

static uint64_t
backend_up(const struct snapshot_backend *b)
{
	return b->state == BACKEND_UP;
}

static uint64_t
backend_tier(const struct snapshot_backend *b)
{
	return b->tier;
}

static uint64_t
backend_latency(const struct snapshot_backend *b)
{
	return b->latency_ns > 0 ? (uint64_t)b->latency_ns : 0;
}

static uint64_t
backend_active(const struct snapshot_backend *b)
{
	return b->active;
}

static uint64_t
backend_max(const struct snapshot_backend *b)
{
	return b->max;
}

static uint64_t
backend_total(const struct snapshot_backend *b)
{
	return b->total;
}

static uint64_t
backend_bytes_in(const struct snapshot_backend *b)
{
	return b->bytes_in;
}

static uint64_t
backend_bytes_out(const struct snapshot_backend *b)
{
	return b->bytes_out;
}

static const struct backend_family backend_families[] = {
	{ "iaido_backend_up", "gauge", "Whether the backend is enabled and has not failed.",
		backend_up, false },
	{ "iaido_backend_tier", "gauge", "Rank of the backend: 0 is used first.", backend_tier,
		false },
	{ "iaido_backend_latency_seconds", "gauge",
		"Latency the backend is ranked by; 0 while it is not known.", backend_latency,
		true },
	{ "iaido_backend_connections", "gauge", "Open connections to the backend.", backend_active,
		false },
	{ "iaido_backend_connections_max", "gauge", "Most connections allowed; 0 is no limit.",
		backend_max, false },
	{ "iaido_backend_connections_total", "counter",
		"Connections that were relayed to the backend.", backend_total, false },
};

/* Made once, for its dozen series. */
static void
make_backend_labels(struct metrics_view *v)
{
	for (size_t i = 0; i < v->backend_count; i++) {
		struct metrics_backend *b = &v->backends[i];

		b->labels_at = v->labels.len;
		add_label(&v->labels, "{", "frontend", b->frontend);
		add_label(&v->labels, ",", "backend", b->sum.address);
		b->labels_len = v->labels.len - b->labels_at;
	}
}

static void
add_backend_labels(struct text *out, const struct metrics_view *v, const struct metrics_backend *b)
{
	if (!v->labels.bad)
		text_add_bytes(out, v->labels.data + b->labels_at, b->labels_len);
}

static void
add_backend_family(
	const struct metrics_view *v, const struct backend_family *family, struct text *out)
{
	add_family(out, family->name, family->type, family->help);
	for (size_t i = 0; i < v->backend_count; i++) {
		uint64_t value = family->value(&v->backends[i].sum);

		text_add(out, family->name);
		add_backend_labels(out, v, &v->backends[i]);
		text_add(out, "}");
		if (family->is_ns)
			add_seconds(out, (int64_t)value);
		else
			add_value(out, value);
	}
}

static void
add_results(const struct metrics_view *v, const char *name, const struct metrics_backend *b,
	uint64_t ok, uint64_t failed, struct text *out)
{
	text_add(out, name);
	add_backend_labels(out, v, b);
	text_add(out, ",result=\"success\"}");
	add_value(out, ok);
	text_add(out, name);
	add_backend_labels(out, v, b);
	text_add(out, ",result=\"failure\"}");
	add_value(out, failed);
}

static void
add_backends(const struct metrics_view *v, struct text *out)
{
	static const char dials[] = "iaido_backend_dials_total";
	static const char probes[] = "iaido_backend_probes_total";

	for (size_t i = 0; i < ARRAY_SIZE(backend_families); i++)
		add_backend_family(v, &backend_families[i], out);
	add_family(out, dials, "counter", "Dials to the backend for clients, by result.");
	for (size_t i = 0; i < v->backend_count; i++)
		add_results(v, dials, &v->backends[i], v->backends[i].sum.dials_ok,
			v->backends[i].sum.dials_failed, out);
	add_family(out, probes, "counter", "Probes of the backend, by result.");
	for (size_t i = 0; i < v->backend_count; i++)
		add_results(v, probes, &v->backends[i], v->backends[i].sum.probes_ok,
			v->backends[i].sum.probes_failed, out);
	add_single(out, "iaido_backend_series_omitted", "gauge",
		"Backends that have no series here because there are too many.", v->omitted);
}

static void
add_frontend_bytes(const struct metrics_view *v, struct text *out, const char *name, bool is_in)
{
	for (size_t i = 0; i < v->frontend_count; i++) {
		const struct snapshot_frontend *f = &v->frontends[i];

		text_add(out, name);
		add_label(out, "{", "frontend", f->bind_address);
		text_add(out, "}");
		add_value(out, is_in ? f->bytes_in : f->bytes_out);
	}
}

/* By backend; with too many of these, by frontend alone. */
static void
add_bytes(const struct metrics_view *v, struct text *out)
{
	static const struct backend_family families[] = {
		{ "iaido_received_bytes_total", "counter", "Bytes from clients to backends.",
			backend_bytes_in, false },
		{ "iaido_sent_bytes_total", "counter", "Bytes from backends to clients.",
			backend_bytes_out, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		add_backend_family(v, &families[i], out);
		if (v->omitted > 0 && v->backend_count == 0)
			add_frontend_bytes(v, out, families[i].name, i == 0);
	}
}

static void
add_lookups(struct text *out, const struct snapshot_name *n, const char *result, uint64_t value)
{
	add_label(out, "iaido_dns_lookups_total{", "host", n->host);
	add_label(out, ",", "result", result);
	text_add(out, "}");
	add_value(out, value);
}

static void
add_names(const struct snapshot *s, struct text *out)
{
	add_family(out, "iaido_dns_lookups_total", "counter", "DNS lookups, by result.");
	for (size_t i = 0; i < s->name_count; i++) {
		const struct snapshot_name *n = &s->names[i];

		add_lookups(out, n, "success", n->lookups_success);
		add_lookups(out, n, "error", n->lookups_error);
		add_lookups(out, n, "timeout", n->lookups_timeout);
	}
	add_family(out, "iaido_dns_answer_age_seconds", "gauge",
		"Age of the last good answer; before the first, of the configuration.");
	for (size_t i = 0; i < s->name_count; i++) {
		const struct snapshot_name *n = &s->names[i];
		int64_t age_ns = n->age_ns < 0 ? s->now_wall_ns - s->loaded_wall_ns : n->age_ns;

		add_label(out, "iaido_dns_answer_age_seconds{", "host", n->host);
		text_add(out, "}");
		add_seconds(out, age_ns);
	}
}

int
render_metrics(const struct snapshot *s, struct text *out)
{
	struct metrics_view v;
	int r = metrics_view_init(&v, s);

	if (r < 0)
		return r;
	make_backend_labels(&v);
	add_process(s, out);
	add_frontends(&v, out);
	add_ended(&v, out);
	add_histograms(&v, out);
	add_backends(&v, out);
	add_bytes(&v, out);
	add_names(s, out);
	r = v.labels.bad ? -ENOMEM : 0;
	metrics_view_fini(&v);
	return r;
}
