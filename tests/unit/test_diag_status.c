/* /statusz says the same in YAML and in JSON, with the names that are promised. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "../../src/diag/render.h"
#include "diag/scene.h"
#include "iaido/text.h"
#include "unit.h"

static yaml_document_t yaml, json;

static void
parse(const struct text *t, yaml_document_t *out)
{
	yaml_parser_t parser;

	ck_assert(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)t->data, t->len);
	ck_assert_msg(yaml_parser_load(&parser, out), "%s at line %zu: %s",
		parser.problem ? parser.problem : "?", parser.problem_mark.line + 1, t->data);
	yaml_parser_delete(&parser);
}

static void
load_snapshot(struct snapshot *snapshot)
{
	struct snapshot s = *snapshot;
	struct text t;

	text_init(&t);
	render_status(&s, EMIT_YAML, &t);
	ck_assert(!t.bad);
	parse(&t, &yaml);
	text_reset(&t);
	render_status(&s, EMIT_JSON, &t);
	ck_assert(!t.bad);
	parse(&t, &json); /* libyaml reads JSON too */
	text_fini(&t);
	snapshot_fini(&s);
}

static void
load_scene(void)
{
	struct snapshot s;

	scene_fill(&s);
	load_snapshot(&s);
}

static void
drop_scene(void)
{
	yaml_document_delete(&yaml);
	yaml_document_delete(&json);
}

static yaml_node_t *
node(yaml_document_t *d, int id)
{
	return yaml_document_get_node(d, id);
}

static const char *
scalar(yaml_node_t *n)
{
	ck_assert_int_eq(n->type, YAML_SCALAR_NODE);
	return (const char *)n->data.scalar.value;
}

/* Numbers, booleans and null are plain in JSON; they must be in YAML too. */
static void
check_scalars(yaml_node_t *y, yaml_node_t *j)
{
	ck_assert_uint_eq(y->data.scalar.length, j->data.scalar.length);
	ck_assert_str_eq(scalar(y), scalar(j));
	if (j->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		ck_assert_int_eq(y->data.scalar.style, YAML_PLAIN_SCALAR_STYLE);
}

static void
check_same(yaml_node_t *y, yaml_node_t *j)
{
	yaml_node_pair_t *yp, *jp;
	yaml_node_item_t *yi, *ji;

	ck_assert_int_eq(y->type, j->type);
	if (y->type == YAML_SCALAR_NODE) {
		check_scalars(y, j);
	} else if (y->type == YAML_SEQUENCE_NODE) {
		yi = y->data.sequence.items.start;
		ji = j->data.sequence.items.start;
		for (; yi < y->data.sequence.items.top; yi++, ji++) {
			ck_assert(ji < j->data.sequence.items.top);
			check_same(node(&yaml, *yi), node(&json, *ji));
		}
		ck_assert_ptr_eq(ji, j->data.sequence.items.top);
	} else {
		yp = y->data.mapping.pairs.start;
		jp = j->data.mapping.pairs.start;
		for (; yp < y->data.mapping.pairs.top; yp++, jp++) {
			ck_assert(jp < j->data.mapping.pairs.top);
			ck_assert_str_eq(
				scalar(node(&yaml, yp->key)), scalar(node(&json, jp->key)));
			check_same(node(&yaml, yp->value), node(&json, jp->value));
		}
		ck_assert_ptr_eq(jp, j->data.mapping.pairs.top);
	}
}

/* "frontends.0.backends.1.state" */
static yaml_node_t *
find(const char *path)
{
	yaml_node_t *n = yaml_document_get_root_node(&json);
	char step[64];
	int used;

	for (; sscanf(path, "%63[^.]%n", step, &used) == 1; path += used + (path[used] == '.')) {
		yaml_node_t *next = NULL;

		if (n->type == YAML_SEQUENCE_NODE) {
			yaml_node_item_t *at = n->data.sequence.items.start + atoi(step);

			ck_assert(at < n->data.sequence.items.top);
			n = node(&json, *at);
			continue;
		}
		ck_assert_int_eq(n->type, YAML_MAPPING_NODE);
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
			p < n->data.mapping.pairs.top; p++)
			if (strcmp(scalar(node(&json, p->key)), step) == 0)
				next = node(&json, p->value);
		ck_assert_msg(next, "no %s", path);
		n = next;
	}
	return n;
}

static void
check_keys(const char *path, const char *keys)
{
	yaml_node_t *n = find(path);
	char got[512] = "";

	ck_assert_int_eq(n->type, YAML_MAPPING_NODE);
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
		p++) {
		strcat(got, got[0] ? " " : "");
		strcat(got, scalar(node(&json, p->key)));
	}
	ck_assert_str_eq(got, keys);
}

START_TEST(yaml_and_json_hold_the_same)
{
	load_scene();
	check_same(yaml_document_get_root_node(&yaml), yaml_document_get_root_node(&json));
	drop_scene();
}
END_TEST

START_TEST(the_names_are_those_promised)
{
	load_scene();
	check_keys("", "version pid uptime generation config workers frontends names");
	check_keys("config", "path loadedAt lastReload");
	check_keys("config.lastReload", "at ok error");
	check_keys("workers.0", "pid generation state connections");
	check_keys("frontends.0", "bindAddress accepting connections bytes ended backends");
	check_keys("frontends.0.connections", "active total waiting");
	check_keys("frontends.0.bytes", "in out");
	check_keys("frontends.0.ended",
		"eof reset timeout idle half-closed age overload promotion failed gone disabled "
		"drain no-backend dial-failed worker-lost error");
	check_keys("frontends.0.backends.0",
		"address host tier configuredTier latency state connections dialFailures bytes "
		"lastChange lastError");
	check_keys("frontends.0.backends.0.connections", "active total max");
	check_keys("names.0", "host addresses age ttl lastError");
	drop_scene();
}
END_TEST

static void
check_value(const char *path, const char *value)
{
	ck_assert_str_eq(scalar(find(path)), value);
}

START_TEST(values_are_written_as_promised)
{
	load_scene();
	check_value("uptime", "90.250");
	check_value("config.loadedAt", "2026-01-01T00:00:30.000Z");
	check_value("config.lastReload.ok", "false");
	check_value("config.lastReload.error", "iaido.yaml:3:5: frontends[0].\"x\": unknown\nkey");
	check_value("workers.1.state", "draining");
	check_value("frontends.0.ended.eof", "1200");
	check_value("frontends.0.backends.0.latency", "300.5\xc2\xb5s");
	check_value("frontends.0.backends.1.latency", "null");
	check_value("frontends.0.backends.0.state", "up");
	check_value("frontends.0.backends.1.state", "failed");
	check_value("frontends.0.backends.1.lastError", "Connection refused");
	check_value("frontends.0.backends.0.lastError", "null");
	check_value("frontends.0.backends.2.state", "disabled");
	check_value("frontends.0.backends.2.host", "we\"ird\\ho\nst\x01\xc3\xbf");
	check_value("frontends.0.backends.3.state", "draining");
	check_value("frontends.0.backends.3.bytes.out", "9007199254740996");
	check_value("names.0.age", "12.345");
	check_value("names.0.ttl", "60");
	check_value("names.0.addresses.1", "2001:db8::4");
	check_value("names.1.host", "no");
	check_value("names.1.age", "null");
	ck_assert_int_ne(find("names.1.host")->data.scalar.style, YAML_PLAIN_SCALAR_STYLE);
	drop_scene();
}
END_TEST

static size_t
length(const char *path)
{
	yaml_node_t *n = find(path);

	ck_assert_int_eq(n->type, YAML_SEQUENCE_NODE);
	return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
}

START_TEST(starting_workers_and_gone_backends_are_not_shown)
{
	load_scene();
	ck_assert_uint_eq(length("workers"), 2);
	ck_assert_uint_eq(length("frontends"), 2);
	ck_assert_uint_eq(length("frontends.0.backends"), 4);
	ck_assert_uint_eq(length("frontends.1.backends"), 0);
	ck_assert_uint_eq(length("names.1.addresses"), 0);
	drop_scene();
}
END_TEST

START_TEST(a_removed_frontend_is_shown_until_its_last_connection_ends)
{
	struct snapshot s;

	scene_fill(&s);
	s.frontends[1].active = 0;
	load_snapshot(&s);
	ck_assert_uint_eq(length("frontends"), 1);
	drop_scene();
}
END_TEST

/* Each string comes back as it was: the words that YAML takes for something else above all. */
START_TEST(yaml_strings_stay_strings)
{
	static const char *const strings[] = { "", "no", "True", "null", "~", "1", "1e3", "0x10",
		".5", "-", "- a", "a: b", "a:", "#", "a #b", "[::1]:80", "{", "10.0.0.1:80",
		"1.2.3", "190:20:30", "2026-01-01", "x\xef\xbb\xbf", "x\xc2\x85y", "\xe2\x80\xa8",
		"\xef\xbf\xbe", "=", "<<", "'", "\"", "\\", "\t", "caf\xc3\xa9", "\xf0\x9f\x98\x80",
		" a", "a ", "%", "@", "`" };
	struct text t;
	struct emit e;
	yaml_node_t *root;

	text_init(&t);
	emit_begin(&e, &t, EMIT_YAML);
	emit_list(&e, "list");
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		emit_string(&e, NULL, strings[i]);
	emit_close(&e);
	emit_end(&e);
	parse(&t, &json);
	root = find("list");
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		yaml_node_t *n = node(&json, root->data.sequence.items.start[i]);

		ck_assert_str_eq(scalar(n), strings[i]);
		if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
			ck_assert_str_eq(strings[i], "10.0.0.1:80");
	}
	yaml_document_delete(&json);
	text_fini(&t);
}
END_TEST

START_TEST(nesting_is_kept_in_both_formats)
{
	static const char *const want[] = {
		[EMIT_YAML] = "a: []\nb:\n  - - 1\n    - x: {}\n      y:\n        - []\n  - {}\nc: "
			      "true\n",
		[EMIT_JSON] = "{\"a\":[],\"b\":[[1,{\"x\":{},\"y\":[[]]}],{}],\"c\":true}\n",
	};

	for (int format = EMIT_YAML; format <= EMIT_JSON; format++) {
		struct text t;
		struct emit e;

		text_init(&t);
		emit_begin(&e, &t, (enum emit_format)format);
		emit_list(&e, "a");
		emit_close(&e);
		emit_list(&e, "b");
		emit_list(&e, NULL);
		emit_uint(&e, NULL, 1);
		emit_map(&e, NULL);
		emit_map(&e, "x");
		emit_close(&e);
		emit_list(&e, "y");
		emit_list(&e, NULL);
		emit_close(&e);
		emit_close(&e);
		emit_close(&e);
		emit_close(&e);
		emit_map(&e, NULL);
		emit_close(&e);
		emit_close(&e);
		emit_bool(&e, "c", true);
		emit_end(&e);
		ck_assert_str_eq(t.data, want[format]);
		text_fini(&t);
	}
}
END_TEST

static void
check_readiness(const struct snapshot *s, enum ready_backends backends, const char *why)
{
	struct text t;

	text_init(&t);
	ck_assert_int_eq(render_readiness(s, backends, &t), why[0] == '\0');
	ck_assert_str_eq(t.data ? t.data : "", why);
	text_fini(&t);
}

START_TEST(readiness_says_why_not)
{
	struct snapshot s;

	scene_fill(&s);
	check_readiness(&s, READY_BACKENDS_IGNORED, "");
	check_readiness(&s, READY_BACKENDS_ANY, "");
	check_readiness(&s, READY_BACKENDS_ALL, ""); /* a removed frontend needs no backend */
	s.frontends[1].removed = false;
	check_readiness(&s, READY_BACKENDS_ANY, "");
	check_readiness(&s, READY_BACKENDS_ALL, "frontend [::1]:80 has no usable backend\n");
	s.frontends[0].backends[0].state = BACKEND_FAILED;
	check_readiness(&s, READY_BACKENDS_ANY, "no frontend has a usable backend\n");
	check_readiness(&s, READY_BACKENDS_IGNORED, "");
	s.workers_ready = false;
	check_readiness(&s, READY_BACKENDS_IGNORED, "workers are not ready yet\n");
	s.listening = false;
	check_readiness(&s, READY_BACKENDS_IGNORED, "listeners are not open yet\n");
	s.shutting_down = true;
	check_readiness(&s, READY_BACKENDS_IGNORED, "shutting down\n");
	snapshot_fini(&s);
}
END_TEST

UNIT_MAIN("diag_status", yaml_and_json_hold_the_same, the_names_are_those_promised,
	values_are_written_as_promised, starting_workers_and_gone_backends_are_not_shown,
	a_removed_frontend_is_shown_until_its_last_connection_ends, yaml_strings_stay_strings,
	nesting_is_kept_in_both_formats, readiness_says_why_not)
