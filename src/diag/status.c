/* /statusz: the state as a tree, walked once for both formats. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "iaido/duration.h"
#include "iaido/snapshot.h"
#include "render.h"

static const char *
backend_state_name(enum backend_state state)
{
	switch (state) {
	case BACKEND_UP:
		return "up";
	case BACKEND_FAILED:
		return "failed";
	case BACKEND_STATE_DISABLED:
		return "disabled";
	case BACKEND_DRAINING:
	case BACKEND_STATE_GONE:
		break;
	}
	return "draining";
}

static void
emit_bytes(struct emit *e, uint64_t in, uint64_t out)
{
	emit_map(e, "bytes");
	emit_uint(e, "in", in);
	emit_uint(e, "out", out);
	emit_close(e);
}

static void
emit_backend(struct emit *e, const struct snapshot_backend *b)
{
	char latency[DURATION_TEXT_MAX];
	char error[128];

	emit_map(e, NULL);
	emit_string(e, "address", b->address);
	emit_string(e, "host", b->host);
	emit_uint(e, "tier", b->tier);
	emit_uint(e, "configuredTier", b->configured_tier);
	emit_string(
		e, "latency", b->latency_ns > 0 ? duration_format(b->latency_ns, latency) : NULL);
	emit_string(e, "state", backend_state_name(b->state));
	emit_map(e, "connections");
	emit_uint(e, "active", b->active);
	emit_uint(e, "total", b->total);
	emit_uint(e, "max", b->max);
	emit_close(e);
	emit_uint(e, "dialFailures", b->dials_failed);
	emit_bytes(e, b->bytes_in, b->bytes_out);
	emit_time(e, "lastChange", b->last_change_wall_ns);
	emit_string(e, "lastError",
		b->last_error ? strerror_r(b->last_error, error, sizeof(error)) : NULL);
	emit_close(e);
}

static void
emit_ended(struct emit *e, const struct snapshot_frontend *f)
{
	emit_map(e, "ended");
	for (unsigned reason = 0; reason < ENDED_REASON_COUNT; reason++) {
		uint64_t count = 0;

		for (unsigned by = 0; by < ENDED_BY_COUNT; by++)
			count += f->ended[by][reason];
		emit_uint(e, ended_reason_name((enum ended_reason)reason), count);
	}
	emit_close(e);
}

static void
emit_frontend(struct emit *e, const struct snapshot_frontend *f)
{
	emit_map(e, NULL);
	emit_string(e, "bindAddress", f->bind_address);
	emit_bool(e, "accepting", f->accepting);
	emit_map(e, "connections");
	emit_uint(e, "active", f->active);
	emit_uint(e, "total", f->total);
	emit_uint(e, "waiting", f->waiting);
	emit_close(e);
	emit_bytes(e, f->bytes_in, f->bytes_out);
	emit_ended(e, f);
	emit_list(e, "backends");
	for (size_t i = 0; i < f->backend_count; i++)
		if (f->backends[i].state != BACKEND_STATE_GONE)
			emit_backend(e, &f->backends[i]);
	emit_close(e);
	emit_close(e);
}

static void
emit_config(struct emit *e, const struct snapshot *s)
{
	emit_map(e, "config");
	emit_string(e, "path", s->config_path);
	emit_time(e, "loadedAt", s->loaded_wall_ns);
	emit_map(e, "lastReload");
	emit_time(e, "at", s->reload_wall_ns);
	emit_bool(e, "ok", s->reload_ok);
	emit_string(e, "error", s->reload_error);
	emit_close(e);
	emit_close(e);
}

static void
emit_workers(struct emit *e, const struct snapshot *s)
{
	emit_list(e, "workers");
	for (size_t i = 0; i < s->worker_count; i++) {
		const struct snapshot_worker *w = &s->workers[i];

		if (w->state == WORKER_STARTING)
			continue; /* it does not serve yet; readiness tells of it */
		emit_map(e, NULL);
		emit_uint(e, "pid", (uint64_t)w->pid);
		emit_uint(e, "generation", w->generation);
		emit_string(e, "state", w->state == WORKER_READY ? "ready" : "draining");
		emit_uint(e, "connections", w->connections);
		emit_close(e);
	}
	emit_close(e);
}

static void
emit_name(struct emit *e, const struct snapshot_name *n)
{
	emit_map(e, NULL);
	emit_string(e, "host", n->host);
	emit_list(e, "addresses");
	for (size_t i = 0; i < n->address_count; i++)
		emit_string(e, NULL, n->addresses[i]);
	emit_close(e);
	if (n->age_ns < 0)
		emit_null(e, "age");
	else
		emit_seconds(e, "age", n->age_ns);
	if (n->ttl_ns < 0)
		emit_null(e, "ttl");
	else
		emit_seconds(e, "ttl", n->ttl_ns);
	emit_string(e, "lastError", n->last_error);
	emit_close(e);
}

void
render_status(const struct snapshot *s, enum emit_format format, struct text *out)
{
	struct emit e;

	emit_begin(&e, out, format);
	emit_string(&e, "version", s->version);
	emit_uint(&e, "pid", (uint64_t)s->pid);
	emit_seconds(&e, "uptime", s->uptime_ns);
	emit_uint(&e, "generation", s->generation);
	emit_config(&e, s);
	emit_workers(&e, s);
	emit_list(&e, "frontends");
	/* One that left the file is shown until its last connection ends; its metrics stay longer. */
	for (size_t i = 0; i < s->frontend_count; i++)
		if (!s->frontends[i].removed || s->frontends[i].active > 0)
			emit_frontend(&e, &s->frontends[i]);
	emit_close(&e);
	emit_list(&e, "names");
	for (size_t i = 0; i < s->name_count; i++)
		emit_name(&e, &s->names[i]);
	emit_close(&e);
	emit_end(&e);
}
