/* The diagnostics endpoint over evhttp: which path answers what. An answer is made at most so often
 * that making answers takes a tenth of the loop's time, however many ask and however large the state
 * is; in between, who asks gets the same text again. */
#include "config.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client.h"
#include "iaido/clock.h"
#include "iaido/conf.h"
#include "iaido/diag.h"
#include "iaido/snapshot.h"
#include "iaido/text.h"
#include "page.h"
#include "render.h"

#define HEAD_MAX 8192
#define BODY_MAX 8192 /* none is wanted; this much is read before the answer 405 */
#define NO_TIMEOUT_SECONDS 86400
#define KEEP_TIMES_COST 9

enum resource {
	RESOURCE_READY,
	RESOURCE_READY_ANY,
	RESOURCE_READY_ALL,
	RESOURCE_STATUS_YAML,
	RESOURCE_STATUS_JSON,
	RESOURCE_METRICS,
	RESOURCE_CONFIG_YAML,
	RESOURCE_CONFIG_JSON,
	RESOURCE_COUNT
};

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_page[] = "text/html; charset=utf-8";
static const char type_json[] = "application/json";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

/* An answer, shared by the connections that it is being sent to. */
struct answer {
	unsigned refs;
	int code;
	int64_t good_until_ns;
	struct text body;
};

struct diag {
	struct clients *clients;
	int fd;
	struct diag_source source;
	struct answer *answers[RESOURCE_COUNT];
};

static void
answer_unref(struct answer *a)
{
	if (!a || --a->refs > 0)
		return;
	text_fini(&a->body);
	free(a);
}

static void
on_body_sent(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	answer_unref(arg);
}

/* Sends a body that is taken (and may be NULL); with HEAD only its length is told. */
static void
send_body(struct evhttp_request *req, int code, const char *type, struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	char length[24];

	(void)snprintf(length, sizeof(length), "%zu", body ? evbuffer_get_length(body) : 0);
	(void)evhttp_add_header(headers, "Content-Type", type);
	(void)evhttp_add_header(headers, "Content-Length", length);
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	(void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD && body)
		(void)evbuffer_drain(body, evbuffer_get_length(body));
	evhttp_send_reply(req, code, NULL, body);
	if (body)
		evbuffer_free(body);
}

static void
send_line(struct evhttp_request *req, int code, const char *line)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		(void)evbuffer_add_printf(body, "%s\n", line);
	send_body(req, code, type_text, body);
}

static void
send_answer(struct evhttp_request *req, struct answer *a, const char *type)
{
	struct evbuffer *body = evbuffer_new();

	a->refs++;
	if (!body || evbuffer_add_reference(body, a->body.data, a->body.len, on_body_sent, a) < 0) {
		answer_unref(a);
		if (body)
			evbuffer_free(body);
		send_line(req, 500, "out of memory");
		return;
	}
	send_body(req, a->code, type, body);
}

static void
send_page(struct evhttp_request *req)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct evbuffer *body = evbuffer_new();
	size_t len;
	const void *data = page_data(&len);

	if (body)
		(void)evbuffer_add_reference(body, data, len, NULL, NULL);
	(void)evhttp_add_header(headers, "Content-Security-Policy", page_policy());
	(void)evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	send_body(req, 200, type_page, body);
}

static int
render_snapshot(const struct snapshot *s, enum resource what, struct answer *a)
{
	switch (what) {
	case RESOURCE_READY:
	case RESOURCE_READY_ANY:
	case RESOURCE_READY_ALL:
		if (render_readiness(s, (enum ready_backends)(what - RESOURCE_READY), &a->body))
			text_add(&a->body, "OK\n");
		else
			a->code = 503;
		break;
	case RESOURCE_STATUS_YAML:
		render_status(s, EMIT_YAML, &a->body);
		break;
	case RESOURCE_STATUS_JSON:
		render_status(s, EMIT_JSON, &a->body);
		break;
	case RESOURCE_METRICS:
		return render_metrics(s, &a->body);
	default:
		break;
	}
	return 0;
}

static int
render_resource(struct diag *d, enum resource what, struct answer *a)
{
	struct snapshot s = { 0 };
	int r;

	a->code = 200;
	if (what == RESOURCE_CONFIG_YAML) {
		r = conf_emit_yaml(d->source.current_conf(d->source.arg), &a->body);
	} else if (what == RESOURCE_CONFIG_JSON) {
		r = conf_emit_json(d->source.current_conf(d->source.arg), &a->body);
	} else {
		r = d->source.take_snapshot(d->source.arg, &s);
		if (r == 0)
			r = render_snapshot(&s, what, a);
		snapshot_fini(&s);
	}
	if (r < 0)
		return r;
	return a->body.bad ? -ENOMEM : 0;
}

/* The answer to hand out now: the last one while it is good, or a new one; NULL if none can be. */
static struct answer *
find_answer(struct diag *d, enum resource what)
{
	int64_t began_ns = clock_now_ns(), ended_ns;
	struct answer *a = d->answers[what];

	if (a && began_ns < a->good_until_ns)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->refs = 1;
	if (render_resource(d, what, a) < 0) {
		answer_unref(a);
		return NULL;
	}
	ended_ns = clock_now_ns();
	a->good_until_ns = ended_ns + KEEP_TIMES_COST * (ended_ns - began_ns);
	answer_unref(d->answers[what]);
	d->answers[what] = a;
	return a;
}

static void
serve(struct diag *d, struct evhttp_request *req, enum resource what, const char *type)
{
	struct answer *a = find_answer(d, what);

	if (a)
		send_answer(req, a, type);
	else
		send_line(req, 500, "out of memory");
}

/* `?format=json` or yaml decides, else what the client says it accepts. -EINVAL: neither. */
static int
wanted_format(struct evhttp_request *req, const struct evkeyvalq *query, enum emit_format *out)
{
	const char *format = evhttp_find_header(query, "format");
	const char *accept = evhttp_find_header(evhttp_request_get_input_headers(req), "Accept");

	if (!format)
		*out = accept && strcasestr(accept, "application/json") ? EMIT_JSON : EMIT_YAML;
	else if (strcmp(format, "json") == 0)
		*out = EMIT_JSON;
	else if (strcmp(format, "yaml") == 0)
		*out = EMIT_YAML;
	else
		return -EINVAL;
	return 0;
}

static void
serve_tree(struct diag *d, struct evhttp_request *req, const struct evkeyvalq *query,
	enum resource yaml, enum resource json)
{
	enum emit_format format;

	if (wanted_format(req, query, &format) < 0)
		send_line(req, 400, "format is yaml or json");
	else if (format == EMIT_JSON)
		serve(d, req, json, type_json);
	else
		serve(d, req, yaml, type_text);
}

static void
serve_readiness(struct diag *d, struct evhttp_request *req, const struct evkeyvalq *query)
{
	const char *backends = evhttp_find_header(query, "backends");

	if (!backends)
		serve(d, req, RESOURCE_READY, type_text);
	else if (strcmp(backends, "any") == 0)
		serve(d, req, RESOURCE_READY_ANY, type_text);
	else if (strcmp(backends, "all") == 0)
		serve(d, req, RESOURCE_READY_ALL, type_text);
	else
		send_line(req, 400, "backends is any or all");
}

static void
serve_path(
	struct diag *d, struct evhttp_request *req, const char *path, const struct evkeyvalq *query)
{
	if (strcmp(path, "/") == 0)
		send_page(req);
	else if (strcmp(path, "/healthz") == 0)
		send_line(req, 200, "OK");
	else if (strcmp(path, "/readyz") == 0)
		serve_readiness(d, req, query);
	else if (strcmp(path, "/statusz") == 0)
		serve_tree(d, req, query, RESOURCE_STATUS_YAML, RESOURCE_STATUS_JSON);
	else if (strcmp(path, "/configz") == 0)
		serve_tree(d, req, query, RESOURCE_CONFIG_YAML, RESOURCE_CONFIG_JSON);
	else if (strcmp(path, "/metrics") == 0)
		serve(d, req, RESOURCE_METRICS, type_metrics);
	else
		send_line(req, 404, "not found");
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct diag *d = arg;
	enum evhttp_cmd_type method = evhttp_request_get_command(req);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *text = uri ? evhttp_uri_get_query(uri) : NULL;
	struct evkeyvalq query;

	/* evhttp counts the lines' ends in no size. */
	if (clients_answer(d->clients, req) > HEAD_MAX) {
		send_line(req, 400, "the head is too large");
		return;
	}
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		(void)evhttp_add_header(
			evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
		send_line(req, 405, "only GET and HEAD");
		return;
	}
	if (evhttp_parse_query_str(text ? text : "", &query) < 0) {
		send_line(req, 400, "the query is malformed");
		return;
	}
	serve_path(d, req, path ? path : "", &query);
	evhttp_clear_headers(&query);
}

static struct evhttp *
make_http(struct event_base *base, struct diag *d)
{
	struct evhttp *http = evhttp_new(base);

	if (!http)
		return NULL;
	evhttp_set_max_headers_size(http, HEAD_MAX);
	evhttp_set_max_body_size(http, BODY_MAX);
	evhttp_set_timeout(http, NO_TIMEOUT_SECONDS); /* it sees less progress than client.c does */
	evhttp_set_default_content_type(http, NULL);
	/* All it knows: it would answer 501 to the others, and 405 is what they deserve. */
	evhttp_set_allowed_methods(http,
		EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
			EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
			EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(http, on_request, d);
	return http;
}

int
diag_new(struct event_base *base, int fd, const struct diag_source *source, struct diag **out)
{
	struct diag *d = calloc(1, sizeof(*d));
	struct evhttp *http;
	int r;

	if (!d)
		return -ENOMEM;
	d->source = *source;
	d->fd = fd;
	http = make_http(base, d);
	r = http ? clients_new(base, http, fd, &d->clients) : -ENOMEM;
	if (r < 0) {
		if (http)
			evhttp_free(http);
		free(d);
		return r;
	}
	*out = d;
	return 0;
}

int
diag_descriptor(const struct diag *d)
{
	return d->fd;
}

void
diag_free(struct diag *d)
{
	if (!d)
		return;
	clients_free(d->clients);
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		answer_unref(d->answers[i]);
	close(d->fd);
	free(d);
}
