/* Faults and warnings, gathered with their places; see report.h. */
#include "config.h"

#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
report_init(struct report *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	r->name = name;
	text_init(&r->path);
}

static void
free_findings(struct finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(findings[i].text);
}

void
report_fini(struct report *r)
{
	free_findings(r->errors, r->error_count);
	free_findings(r->warnings, r->warning_count);
	free(r->places);
	text_fini(&r->path);
}

size_t
report_enter_key(struct report *r, const char *key)
{
	size_t former = r->path.len;

	if (former > 0)
		text_add(&r->path, ".");
	text_add(&r->path, key);
	return former;
}

size_t
report_enter_index(struct report *r, size_t index)
{
	size_t former = r->path.len;

	text_addf(&r->path, "[%zu]", index);
	return former;
}

void
report_leave(struct report *r, size_t former)
{
	if (r->path.bad) {
		r->is_out_of_memory = true;
		return;
	}
	r->path.len = former;
	if (r->path.data)
		r->path.data[former] = '\0';
}

/* Whether the two say the same of the same key, though maybe of other items of a list. */
static bool
is_same_finding(const struct finding *a, const struct finding *b)
{
	const char *a_key = memrchr(a->text, '.', (size_t)(a->what - a->text));
	const char *b_key = memrchr(b->text, '.', (size_t)(b->what - b->text));

	return a->mark.line == b->mark.line && a->mark.column == b->mark.column &&
		strcmp(a_key ? a_key : a->text, b_key ? b_key : b->text) == 0;
}

bool
report_is_full(const struct report *r)
{
	return r->error_count == CONF_ERRORS_MAX;
}

bool
report_is_said(const struct report *r, struct conf_mark mark)
{
	for (size_t i = 0; i < r->error_count; i++)
		if (r->errors[i].mark.line == mark.line && r->errors[i].mark.column == mark.column)
			return true;
	return report_is_full(r);
}

PRINTF_LIKE(5, 0)
static void
add_finding(struct report *r, struct finding *findings, size_t *count, struct conf_mark mark,
	const char *format, va_list ap)
{
	struct finding found;
	size_t path_len;
	struct text t;

	if (*count == CONF_ERRORS_MAX)
		return;
	text_init(&t);
	if (r->path.len > 0)
		text_addf(&t, "%s: ", r->path.data);
	path_len = t.len;
	text_vaddf(&t, format, ap);
	if (t.bad) {
		text_fini(&t);
		r->is_out_of_memory = true;
		return;
	}
	found = (struct finding){ mark, t.data, t.data + path_len };
	/* What is anchored once and used often is wrong once. */
	for (size_t i = 0; i < *count; i++) {
		if (is_same_finding(&findings[i], &found)) {
			text_fini(&t);
			return;
		}
	}
	findings[(*count)++] = found;
}

void
report_error(struct report *r, struct conf_mark mark, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add_finding(r, r->errors, &r->error_count, mark, format, ap);
	va_end(ap);
}

void
report_warning(struct report *r, struct conf_mark mark, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add_finding(r, r->warnings, &r->warning_count, mark, format, ap);
	va_end(ap);
}

/* The slot that `where` has or would have. */
static struct place *
find_slot(struct place *places, size_t size, const void *where)
{
	uint64_t h = (uint64_t)(uintptr_t)where * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 32) & (size - 1);

	while (places[i].where && places[i].where != where)
		i = (i + 1) & (size - 1);
	return &places[i];
}

static bool
grow_places(struct report *r)
{
	size_t size = r->place_size ? 2 * r->place_size : 256;
	struct place *grown = calloc(size, sizeof(*grown));

	if (!grown)
		return false;
	for (size_t i = 0; i < r->place_size; i++)
		if (r->places[i].where)
			*find_slot(grown, size, r->places[i].where) = r->places[i];
	free(r->places);
	r->places = grown;
	r->place_size = size;
	return true;
}

void
report_set_place(struct report *r, const void *where, struct conf_mark mark, bool is_bad)
{
	struct place *slot;

	if (2 * r->place_count >= r->place_size && !grow_places(r)) {
		r->is_out_of_memory = true;
		return;
	}
	slot = find_slot(r->places, r->place_size, where);
	r->place_count += slot->where == NULL;
	*slot = (struct place){ where, mark, is_bad };
}

const struct place *
report_find_place(const struct report *r, const void *where)
{
	const struct place *slot;

	if (r->place_size == 0)
		return NULL;
	slot = find_slot(r->places, r->place_size, where);
	return slot->where ? slot : NULL;
}

static bool
stands_before(struct conf_mark a, struct conf_mark b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* There are at most CONF_ERRORS_MAX of them. */
static void
sort_findings(struct finding *findings, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct finding f = findings[i];
		size_t j = i;

		for (; j > 0 && stands_before(f.mark, findings[j - 1].mark); j--)
			findings[j] = findings[j - 1];
		findings[j] = f;
	}
}

static int
make_lines(const struct report *r, struct finding *findings, size_t count, char **lines,
	size_t *line_count)
{
	sort_findings(findings, count);
	for (size_t i = 0; i < count; i++) {
		const struct finding *f = &findings[i];
		struct text t;

		text_init(&t);
		/* Line 0: the file as a whole. */
		if (f->mark.line == 0)
			text_addf(&t, "%s: %s", r->name, f->text);
		else
			text_addf(
				&t, "%s:%u:%u: %s", r->name, f->mark.line, f->mark.column, f->text);
		if (t.bad) {
			text_fini(&t);
			return -ENOMEM;
		}
		lines[(*line_count)++] = t.data;
	}
	return 0;
}

int
report_finish(struct report *r, struct conf_report *out)
{
	memset(out, 0, sizeof(*out));
	if (r->is_out_of_memory ||
		make_lines(r, r->errors, r->error_count, out->errors, &out->error_count) < 0 ||
		make_lines(r, r->warnings, r->warning_count, out->warnings, &out->warning_count) <
			0) {
		conf_report_fini(out);
		return -ENOMEM;
	}
	return 0;
}

void
conf_report_fini(struct conf_report *r)
{
	for (size_t i = 0; i < r->error_count; i++)
		free(r->errors[i]);
	for (size_t i = 0; i < r->warning_count; i++)
		free(r->warnings[i]);
	memset(r, 0, sizeof(*r));
}

const char *
report_quote(const char *value, char buf[REPORT_QUOTE_MAX])
{
	size_t len = strnlen(value, REPORT_QUOTE_MAX), at = 0;

	buf[at++] = '"';
	while (len > 0) {
		size_t n = text_utf8_len(value, len);
		uint8_t c = (uint8_t)*value;

		if (at > REPORT_QUOTE_MAX - 16) {
			memcpy(buf + at, "...", 3);
			at += 3;
			break;
		}
		if (n == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\' ||
			(c == 0xc2 && n == 2 && (uint8_t)value[1] < 0xa0)) {
			n = 1;
			if (c == '"' || c == '\\')
				at += (size_t)snprintf(buf + at, 8, "\\%c", c);
			else
				at += (size_t)snprintf(buf + at, 8, "\\x%02x", c);
		} else {
			memcpy(buf + at, value, n);
			at += n;
		}
		value += n;
		len -= n;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
