/* Walks a tree along the schema: keys that are unknown, twice there, missing or of the wrong type,
 * merge keys and defaults. Single values are value.c's, rules about several check.c's. */
#include "config.h"

#include "load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "schema.h"
#include "tree.h"
#include "value.h"

#define FIELDS_MAX 16
#define PATH_WORD_MAX 64

/* What a mapping says about each field of its section. */
struct said {
	const struct conf_section *section;
	const struct node *values[FIELDS_MAX];
};

static void load_section(
	struct report *r, const struct conf_section *section, void *base, const struct node *n);

static const char *
kind_name(const struct node *n)
{
	if (value_is_null(n))
		return "empty";
	switch (n->kind) {
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a mapping";
	default:
		return "a single value";
	}
}

static void
init_section(struct report *r, const struct conf_section *section, void *base)
{
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];

		if (f->kind == CONF_KIND_SECTION)
			init_section(r, f->section, (char *)base + f->offset);
		else
			value_load_initial(r, f, base);
	}
}

static void
report_unknown_key(struct report *r, const struct conf_section *section, const struct node *key)
{
	const char *similar;
	char home[128];

	/* What is anchored once may be used a thousand times. */
	if (report_is_said(r, key->mark))
		return;
	similar = schema_find_similar(section, key->value);
	/* "target" is rather "targets" than what "log" has; further away, it is the other. */
	if ((!similar || schema_word_distance(similar, key->value) > 1) &&
		schema_find_home(key->value, home, sizeof(home))) {
		report_error(r, key->mark, "unknown key here: it belongs %s%s",
			home[0] ? "under " : "at the top of the file", home);
		return;
	}
	if (similar)
		report_error(r, key->mark, "unknown key (did you mean %s?)", similar);
	else
		report_error(r, key->mark, "unknown key");
}

static bool
is_merge_key(const struct node *key)
{
	return key->is_plain && strcmp(key->value, "<<") == 0;
}

/* What a path may hold as it is. */
static bool
is_short_word(const struct node *key)
{
	return key->len > 0 && key->len <= PATH_WORD_MAX &&
		strspn(key->value,
			"abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == key->len;
}

/* One key that the mapping itself has; what was said before, by a mapping that merges this one,
 * stays. own[] holds the marks of the keys that this mapping has had so far. */
static void
take_key(struct report *r, struct said *said, struct conf_mark *own, const struct node_child *c)
{
	const struct conf_field *f = schema_find_field(said->section, c->key->value);
	char quoted[REPORT_QUOTE_MAX];
	size_t i, former;

	former = report_enter_key(
		r, is_short_word(c->key) ? c->key->value : report_quote(c->key->value, quoted));
	if (!f) {
		report_unknown_key(r, said->section, c->key);
		report_leave(r, former);
		return;
	}
	i = (size_t)(f - said->section->fields);
	if (own[i].line > 0)
		report_error(r, c->key->mark, "stands here twice: first in line %u", own[i].line);
	own[i] = c->key->mark;
	if (!said->values[i])
		said->values[i] = c->value;
	report_leave(r, former);
}

static void take_mapping(struct report *r, struct said *said, const struct node *n);

static void
take_merge(struct report *r, struct said *said, const struct node *n)
{
	size_t former = report_enter_key(r, "<<");

	if (n->kind == NODE_MAP) {
		report_leave(r, former);
		take_mapping(r, said, n);
		return;
	}
	if (n->kind == NODE_LIST) {
		for (const struct node_child *c = n->first; c; c = c->next) {
			if (c->value->kind == NODE_MAP)
				take_mapping(r, said, c->value);
			else
				report_error(r, c->value->mark, "must be a mapping, not %s",
					kind_name(c->value));
		}
	} else {
		report_error(r, n->mark, "must be a mapping or a list of mappings, not %s",
			kind_name(n));
	}
	report_leave(r, former);
}

/* The depth is bounded by the tree's, the work by the number of its nodes. */
static void
take_mapping(struct report *r, struct said *said, const struct node *n)
{
	struct conf_mark own[FIELDS_MAX] = { { 0 } };
	const struct node *merge = NULL;

	for (const struct node_child *c = n->first; c; c = c->next) {
		if (!is_merge_key(c->key)) {
			take_key(r, said, own, c);
			continue;
		}
		if (merge) {
			size_t former = report_enter_key(r, "<<");

			report_error(
				r, c->key->mark, "stands here twice: write a list of mappings");
			report_leave(r, former);
		}
		merge = c->value;
	}
	/* Last: its own keys go before those that a mapping merges. */
	if (merge)
		take_merge(r, said, merge);
}

static void
load_list(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	const struct conf_section *section = f->section;
	char *items;
	size_t i = 0;

	if (n->child_count > (uint64_t)f->max) {
		report_error(r, n->mark, "has %u items: at most %lld are allowed", n->child_count,
			(long long)f->max);
		return;
	}
	if (n->child_count == 0)
		return;
	items = calloc(n->child_count, section->size);
	if (!items) {
		r->is_out_of_memory = true;
		return;
	}
	memcpy((char *)base + f->offset, &items, sizeof(items));
	*(size_t *)((char *)base + f->count_offset) = n->child_count;
	/* What is not looked at any more stays zeroed. */
	for (const struct node_child *c = n->first; c && !report_is_full(r); c = c->next, i++) {
		size_t former = report_enter_index(r, i);

		init_section(r, section, items + i * section->size);
		load_section(r, section, items + i * section->size, c->value);
		report_leave(r, former);
	}
}

static bool
has_right_type(struct report *r, const struct conf_field *f, const struct node *n)
{
	enum node_kind want = NODE_SCALAR;
	const char *name = "a single value";

	if (f->kind == CONF_KIND_SECTION) {
		want = NODE_MAP;
		name = "a mapping (key: value)";
	} else if (f->kind == CONF_KIND_LIST || f->kind == CONF_KIND_HOSTS ||
		f->kind == CONF_KIND_SERVERS) {
		want = NODE_LIST;
		name = "a list";
	}
	if (n->kind == want)
		return true;
	report_error(r, n->mark, "must be %s, not %s", name, kind_name(n));
	return false;
}

static void
load_field(struct report *r, const struct conf_field *f, void *base, const struct node *n)
{
	bool good = true;

	if (!has_right_type(r, f, n)) {
		report_set_place(r, (char *)base + f->offset, n->mark, true);
		return;
	}
	if ((f->flags & CONF_NOT_EMPTY) && n->child_count == 0)
		report_error(r, n->mark, "must not be empty");
	switch (f->kind) {
	case CONF_KIND_SECTION:
		load_section(r, f->section, (char *)base + f->offset, n);
		return;
	case CONF_KIND_LIST:
		load_list(r, f, base, n);
		break;
	case CONF_KIND_HOSTS:
		good = value_load_hosts(r, f, base, n);
		break;
	case CONF_KIND_SERVERS:
		good = value_load_servers(r, f, base, n);
		break;
	default:
		good = value_load(r, f, base, n);
	}
	if (f->kind != CONF_KIND_PROTO) /* which has no member */
		report_set_place(r, (char *)base + f->offset, n->mark, !good);
}

static void
load_section(struct report *r, const struct conf_section *section, void *base, const struct node *n)
{
	struct said said = { .section = section };

	assert(section->field_count <= FIELDS_MAX);
	if (section->mark_offset != SIZE_MAX)
		*(struct conf_mark *)((char *)base + section->mark_offset) = n->mark;
	if (n->kind == NODE_MAP)
		take_mapping(r, &said, n);
	else if (!value_is_null(n) || r->path.len > 0) {
		report_error(r, n->mark, "must be a mapping (key: value), not %s", kind_name(n));
		return;
	}
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];
		size_t former = report_enter_key(r, f->key);

		if (said.values[i] && !value_is_null(said.values[i]))
			load_field(r, f, base, said.values[i]);
		else if (f->flags & CONF_REQUIRED)
			report_error(r, said.values[i] ? said.values[i]->mark : n->mark,
				"is required%s",
				f->flags & CONF_NOT_EMPTY || f->kind != CONF_KIND_LIST
					? ""
					: " (an empty list, [], is allowed)");
		report_leave(r, former);
	}
}

void
load_tree(struct report *r, struct conf *c, const struct node *root)
{
	init_section(r, schema_root(), c);
	load_section(r, schema_root(), c, root);
}
