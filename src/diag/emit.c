/* YAML and JSON from one sequence of calls. Written by hand, not by libyaml: a status of 65,536
 * backends has over a million scalars, and the master's loop waits while they are written. */
#include "config.h"

#include "emit.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "iaido/clock.h"
#include "iaido/macros.h"
#include "iaido/text.h"

static void
add_indent(struct emit *e, unsigned depth)
{
	static const char spaces[2 * EMIT_DEPTH_MAX + 1] = "                                ";

	text_add_bytes(e->out, spaces, (size_t)2 * depth);
}

/* What stands before a value: its key or dash, and what parts it from the one before. */
static void
add_lead(struct emit *e, const char *key)
{
	bool is_empty = e->level[e->depth].is_empty;

	assert((key == NULL) == e->level[e->depth].is_list);
	e->level[e->depth].is_empty = false;
	if (e->format == EMIT_JSON) {
		if (!is_empty)
			text_add(e->out, ",");
		if (key) { /* one of ours: nothing to escape */
			text_add(e->out, "\"");
			text_add(e->out, key);
			text_add(e->out, "\":");
		}
		return;
	}
	if (is_empty && e->depth > 0 && !e->level[e->depth].is_item)
		text_add(e->out, "\n");
	if (!is_empty || !e->level[e->depth].is_item)
		add_indent(e, e->depth);
	if (key) {
		text_add(e->out, key);
		text_add(e->out, ":");
	} else {
		text_add(e->out, "-");
	}
}

static void
open_level(struct emit *e, const char *key, bool is_list)
{
	bool is_item = e->level[e->depth].is_list;

	add_lead(e, key);
	assert(e->depth + 1 < EMIT_DEPTH_MAX);
	e->depth++;
	e->level[e->depth].is_list = is_list;
	e->level[e->depth].is_empty = true;
	e->level[e->depth].is_item = is_item;
	if (e->format == EMIT_JSON)
		text_add(e->out, is_list ? "[" : "{");
	else if (is_item)
		text_add(e->out, " ");
}

void
emit_begin(struct emit *e, struct text *out, enum emit_format format)
{
	*e = (struct emit){ .out = out, .format = format };
	e->level[0].is_empty = true;
	if (format == EMIT_JSON)
		text_add(out, "{");
}

void
emit_end(struct emit *e)
{
	assert(e->depth == 0);
	if (e->format == EMIT_JSON)
		text_add(e->out, "}\n");
}

void
emit_map(struct emit *e, const char *key)
{
	open_level(e, key, false);
}

void
emit_list(struct emit *e, const char *key)
{
	open_level(e, key, true);
}

void
emit_close(struct emit *e)
{
	bool is_list = e->level[e->depth].is_list;

	assert(e->depth > 0);
	if (e->format == EMIT_JSON) {
		text_add(e->out, is_list ? "]" : "}");
	} else if (e->level[e->depth].is_empty) {
		if (!e->level[e->depth].is_item)
			text_add(e->out, " ");
		text_add(e->out, is_list ? "[]\n" : "{}\n");
	}
	e->depth--;
}

/* Writes what was led in by add_lead(). */
static void
add_scalar(struct emit *e, const char *key, const char *text)
{
	add_lead(e, key);
	if (e->format == EMIT_YAML)
		text_add(e->out, " ");
	text_add(e->out, text);
	if (e->format == EMIT_YAML)
		text_add(e->out, "\n");
}

/* Words and IPv4 addresses, which no reader of YAML takes for something other than a string. */
static bool
is_plain_yaml(const char *s)
{
	static const char *const reserved[] = { "y", "n", "yes", "no", "on", "off", "true", "false",
		"null", "nan", "inf" };
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._/-:";
	size_t len = strlen(s), dots = 0;

	if (len == 0 || s[strspn(s, rest)] != '\0' || s[len - 1] == ':')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strcasecmp(s, reserved[i]) == 0)
			return false;
	for (size_t i = 0; i < len; i++)
		dots += s[i] == '.';
	return strchr(first, s[0]) || (dots == 3 && s[0] >= '0' && s[0] <= '9');
}

/* JSON's strings are YAML's, but for characters that YAML wants escaped and JSON does not. */
static void
add_yaml_string(struct text *out, const char *s)
{
	size_t len = strlen(s), n;

	text_add(out, "\"");
	for (; len > 0; s += n, len -= n) {
		uint8_t c = (uint8_t)*s;

		n = text_utf8_len(s, len);
		if (n == 0 || c < 0x20 || c == 0x7f) {
			n = 1;
			text_addf(out, "\\x%02x", c);
		} else if (n == 2 && c == 0xc2 && (uint8_t)s[1] < 0xa0) {
			text_addf(out, "\\x%02x", (uint8_t)s[1]);
		} else if (n == 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
			text_add(out, "\\uFEFF");
		} else if (n == 3 && memcmp(s, "\xef\xbf", 2) == 0 && (uint8_t)s[2] >= 0xbe) {
			text_addf(out, "\\uFF%02X", (unsigned)((uint8_t)s[2] + 0x40));
		} else {
			if (c == '"' || c == '\\')
				text_add(out, "\\");
			text_add_bytes(out, s, n);
		}
	}
	text_add(out, "\"");
}

void
emit_string(struct emit *e, const char *key, const char *value)
{
	if (!value) {
		emit_null(e, key);
		return;
	}
	add_lead(e, key);
	if (e->format == EMIT_JSON) {
		text_add_json(e->out, value);
		return;
	}
	text_add(e->out, " ");
	if (is_plain_yaml(value))
		text_add(e->out, value);
	else
		add_yaml_string(e->out, value);
	text_add(e->out, "\n");
}

void
emit_uint(struct emit *e, const char *key, uint64_t value)
{
	char digits[24];
	char *at = digits + sizeof(digits) - 1;

	/* Most of what a status holds: worth not asking printf. */
	*at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	add_scalar(e, key, at);
}

void
emit_bool(struct emit *e, const char *key, bool value)
{
	add_scalar(e, key, value ? "true" : "false");
}

void
emit_null(struct emit *e, const char *key)
{
	add_scalar(e, key, "null");
}

void
emit_seconds(struct emit *e, const char *key, int64_t ns)
{
	uint64_t ms = ns < 0 ? 0 : (uint64_t)(ns / NSEC_PER_MSEC);

	add_lead(e, key);
	if (e->format == EMIT_YAML)
		text_add(e->out, " ");
	text_addf(e->out, "%" PRIu64, ms / 1000);
	if (ms % 1000 != 0)
		text_addf(e->out, ".%03u", (unsigned)(ms % 1000));
	if (e->format == EMIT_YAML)
		text_add(e->out, "\n");
}

void
emit_time(struct emit *e, const char *key, int64_t wall_ns)
{
	char date[CLOCK_TEXT_MAX];

	emit_string(e, key, clock_format_wall(wall_ns, date));
}
