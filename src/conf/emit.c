/* Prints a configuration by the schema, every key with its value, as YAML or as JSON. One walk
 * feeds a sink; the sinks know how the two formats write what they are told. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "iaido/addr.h"
#include "iaido/conf.h"
#include "iaido/duration.h"
#include "iaido/text.h"
#include "schema.h"

enum step { STEP_BEGIN_MAP, STEP_END_MAP, STEP_BEGIN_LIST, STEP_END_LIST };

struct sink {
	void (*structure)(struct sink *s, enum step step);
	/* A key, a string, or (is_plain) a number, boolean, word or null. */
	void (*scalar)(struct sink *s, const char *value, bool is_plain, bool is_key);
	struct text *out;
	bool bad;
	yaml_emitter_t emitter;
	bool needs_comma;
};

/* ---- YAML ---- */

static void
emit_event(struct sink *s, yaml_event_t *e, int initialised)
{
	/* The emitter frees the event, also when it fails. */
	if (!initialised || !yaml_emitter_emit(&s->emitter, e))
		s->bad = true;
}

static void
yaml_structure(struct sink *s, enum step step)
{
	yaml_event_t e;
	int ok = 0;

	if (s->bad)
		return;
	switch (step) {
	case STEP_BEGIN_MAP:
		ok = yaml_mapping_start_event_initialize(
			&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
		break;
	case STEP_END_MAP:
		ok = yaml_mapping_end_event_initialize(&e);
		break;
	case STEP_BEGIN_LIST:
		ok = yaml_sequence_start_event_initialize(
			&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
		break;
	case STEP_END_LIST:
		ok = yaml_sequence_end_event_initialize(&e);
		break;
	}
	emit_event(s, &e, ok);
}

/* Whether a reader of YAML would take the word for something else than a string. */
static bool
looks_typed(const char *s)
{
	static const char *const words[] = { "", "~", "null", "true", "false", "yes", "no", "on",
		"off", "y", "n", "<<", "=", ".nan", ".inf" };
	const char *point = strchr(s, '.');

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	/* A number of any kind; an address has more points than one. */
	return s[strspn(s, "0123456789abcdefABCDEFxXoO.:+-_")] == '\0' &&
		strpbrk(s, "0123456789") && !(point && strchr(point + 1, '.')) && s[0] != ':';
}

static void
yaml_scalar(struct sink *s, const char *value, bool is_plain, bool is_key)
{
	yaml_scalar_style_t style = is_plain || is_key || !looks_typed(value)
		? YAML_PLAIN_SCALAR_STYLE
		: YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	yaml_event_t e;

	if (s->bad)
		return;
	/* Where plain would not be read as this text, the emitter quotes. */
	emit_event(s, &e,
		yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)value,
			(int)strlen(value), 1, 1, style));
}

static int
yaml_write(void *data, unsigned char *buffer, size_t size)
{
	struct sink *s = data;

	text_add_bytes(s->out, buffer, size);
	return !s->out->bad;
}

static void
yaml_begin(struct sink *s)
{
	yaml_event_t e;

	yaml_emitter_set_output(&s->emitter, yaml_write, s);
	yaml_emitter_set_unicode(&s->emitter, 1);
	yaml_emitter_set_width(&s->emitter, -1);
	emit_event(s, &e, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING));
	if (!s->bad)
		emit_event(s, &e, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1));
}

static void
yaml_end(struct sink *s)
{
	yaml_event_t e;

	if (!s->bad)
		emit_event(s, &e, yaml_document_end_event_initialize(&e, 1));
	if (!s->bad)
		emit_event(s, &e, yaml_stream_end_event_initialize(&e));
}

/* ---- JSON ---- */

static void
json_structure(struct sink *s, enum step step)
{
	bool begins = step == STEP_BEGIN_MAP || step == STEP_BEGIN_LIST;

	if (begins && s->needs_comma)
		text_add(s->out, ",");
	text_add(s->out,
		step == STEP_BEGIN_MAP            ? "{"
			: step == STEP_END_MAP    ? "}"
			: step == STEP_BEGIN_LIST ? "["
						  : "]");
	s->needs_comma = !begins;
}

static void
json_scalar(struct sink *s, const char *value, bool is_plain, bool is_key)
{
	if (s->needs_comma)
		text_add(s->out, ",");
	if (is_plain)
		text_add(s->out, value);
	else
		text_add_json(s->out, value);
	if (is_key)
		text_add(s->out, ":");
	s->needs_comma = !is_key;
}

/* ---- The walk ---- */

static void walk_section(struct sink *s, const struct conf_section *section, const void *base);

static void
walk_string(struct sink *s, const char *value)
{
	s->scalar(s, value ? value : "null", !value, false);
}

static void
walk_number(struct sink *s, uint32_t value)
{
	char buf[16];

	(void)snprintf(buf, sizeof(buf), "%u", value);
	s->scalar(s, buf, true, false);
}

static void
walk_duration(struct sink *s, int64_t ns)
{
	char buf[DURATION_TEXT_MAX];

	walk_string(s, duration_format(ns, buf));
}

static void
walk_servers(struct sink *s, const struct resolver_conf *resolver)
{
	char buf[ADDR_TEXT_MAX];

	s->structure(s, STEP_BEGIN_LIST);
	for (size_t i = 0; i < resolver->server_count; i++)
		walk_string(s, addr_format(&resolver->servers[i], buf));
	s->structure(s, STEP_END_LIST);
}

static void
walk_hosts(struct sink *s, const struct target_conf *target)
{
	s->structure(s, STEP_BEGIN_LIST);
	for (size_t i = 0; i < target->host_count; i++)
		walk_string(s, target->hosts[i]);
	s->structure(s, STEP_END_LIST);
}

static void
walk_list(struct sink *s, const struct conf_field *f, const void *base)
{
	size_t count = *(const size_t *)((const char *)base + f->count_offset);
	const char *items;

	memcpy(&items, (const char *)base + f->offset, sizeof(items));
	s->structure(s, STEP_BEGIN_LIST);
	for (size_t i = 0; i < count; i++)
		walk_section(s, f->section, items + i * f->section->size);
	s->structure(s, STEP_END_LIST);
}

static void
walk_field(struct sink *s, const struct conf_field *f, const void *base)
{
	const void *at = (const char *)base + f->offset;
	int choice;

	switch (f->kind) {
	case CONF_KIND_DURATION:
		walk_duration(s, *(const int64_t *)at);
		break;
	case CONF_KIND_NUMBER:
		walk_number(s, *(const uint32_t *)at);
		break;
	case CONF_KIND_WORKERS:
		if (*(const uint32_t *)at == CONF_WORKERS_AUTO)
			walk_string(s, "auto");
		else
			walk_number(s, *(const uint32_t *)at);
		break;
	case CONF_KIND_PORT:
		walk_number(s, *(const uint16_t *)at);
		break;
	case CONF_KIND_BOOL:
		s->scalar(s, *(const bool *)at ? "true" : "false", true, false);
		break;
	case CONF_KIND_ENUM:
		memcpy(&choice, at, sizeof(choice));
		walk_string(s, f->names[choice]);
		break;
	case CONF_KIND_STRING:
	case CONF_KIND_LOG_TARGET:
	case CONF_KIND_DIAG:
	case CONF_KIND_BIND:
		walk_string(s, *(char *const *)at);
		break;
	case CONF_KIND_PROTO:
		walk_string(s, "TCP");
		break;
	case CONF_KIND_SERVERS:
		walk_servers(s, base);
		break;
	case CONF_KIND_HOSTS:
		walk_hosts(s, base);
		break;
	case CONF_KIND_SECTION:
		walk_section(s, f->section, at);
		break;
	case CONF_KIND_LIST:
		walk_list(s, f, base);
		break;
	}
}

static void
walk_section(struct sink *s, const struct conf_section *section, const void *base)
{
	s->structure(s, STEP_BEGIN_MAP);
	for (size_t i = 0; i < section->field_count; i++) {
		s->scalar(s, section->fields[i].key, false, true);
		walk_field(s, &section->fields[i], base);
	}
	s->structure(s, STEP_END_MAP);
}

int
conf_emit_yaml(const struct conf *c, struct text *out)
{
	struct sink s = { .structure = yaml_structure, .scalar = yaml_scalar, .out = out };

	if (!yaml_emitter_initialize(&s.emitter))
		return -ENOMEM;
	yaml_begin(&s);
	walk_section(&s, schema_root(), c);
	yaml_end(&s);
	yaml_emitter_delete(&s.emitter);
	return s.bad || out->bad ? -ENOMEM : 0;
}

int
conf_emit_json(const struct conf *c, struct text *out)
{
	struct sink s = { .structure = json_structure, .scalar = json_scalar, .out = out };

	walk_section(&s, schema_root(), c);
	text_add(out, "\n");
	return out->bad ? -ENOMEM : 0;
}
