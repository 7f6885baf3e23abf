/* The table of `iaido --status`: 80 columns, one line a backend. Reads the JSON through libyaml, of
 * whose language it is a part. Nothing that came over the wire reaches the terminal unescaped. */
#include "config.h"

#include "table.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yaml.h>

#include "iaido/text.h"

/* What stands behind a path of keys; all lookups of what is not there give an empty string. */
struct tree {
	yaml_document_t document;
};

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_DIM, COLOUR_BOLD };

struct table {
	struct tree tree;
	struct text *out;
	bool colour;
};

static yaml_node_t *
find_child(struct tree *t, yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		yaml_node_t *k = yaml_document_get_node(&t->document, p->key);

		if (k->type == YAML_SCALAR_NODE &&
			strcmp((const char *)k->data.scalar.value, key) == 0)
			return yaml_document_get_node(&t->document, p->value);
	}
	return NULL;
}

/* The scalar at "key" or "key.key" below a map. */
static const char *
get(struct tree *t, yaml_node_t *map, const char *path)
{
	const char *dot = strchr(path, '.');
	char key[32];
	yaml_node_t *n;

	if (dot) {
		(void)snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		return get(t, find_child(t, map, key), dot + 1);
	}
	n = find_child(t, map, path);
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

static uint64_t
get_number(struct tree *t, yaml_node_t *map, const char *path)
{
	return strtoull(get(t, map, path), NULL, 10);
}

/* The n-th child of a list, or NULL. */
static yaml_node_t *
get_item(struct tree *t, yaml_node_t *list, size_t n)
{
	if (!list || list->type != YAML_SEQUENCE_NODE ||
		n >= (size_t)(list->data.sequence.items.top - list->data.sequence.items.start))
		return NULL;
	return yaml_document_get_node(&t->document, list->data.sequence.items.start[n]);
}

static void
set_colour(struct table *t, enum colour colour)
{
	static const char *const codes[] = { "0", "31;1", "32", "33", "2", "1" };

	if (t->colour)
		text_addf(t->out, "\033[%sm", codes[colour]);
}

/* Adds s, clipped and filled up to `width` columns (0: as it is); what is no printable ASCII becomes
 * a question mark, but for the micro sign, which becomes a u. */
static void
add_cell(struct table *t, const char *s, size_t width, bool right)
{
	char cell[TABLE_COLUMNS + 1];
	size_t len = 0, left = strlen(s), n;

	for (; left > 0 && len < sizeof(cell) - 1; s += n, left -= n) {
		n = text_utf8_len(s, left);
		if (n == 2 && memcmp(s, "\xc2\xb5", 2) == 0)
			cell[len++] = 'u';
		else
			cell[len++] = n == 1 && *s >= 0x20 && *s != 0x7f ? *s : '?';
		n = n == 0 ? 1 : n;
	}
	cell[len] = '\0';
	if (width > 0 && len > width) {
		/* The end of an address or a path tells more than its middle. */
		size_t tail = (width - 2) / 2, head = width - 2 - tail;

		memcpy(cell + head, "..", 2);
		memmove(cell + head + 2, cell + len - tail, tail + 1);
	}
	text_addf(t->out, right ? "%*s" : "%-*s", (int)width, cell);
}

/* Free text, of one or more lines, over as many lines as it takes. */
static void
add_wrapped(struct table *t, const char *indent, const char *s)
{
	size_t width = TABLE_COLUMNS - strlen(indent);

	while (*s) {
		char line[TABLE_COLUMNS + 1];
		size_t n = strcspn(s, "\n");

		n = n < width ? n : width;
		memcpy(line, s, n);
		line[n] = '\0';
		text_add(t->out, indent);
		add_cell(t, line, 0, false);
		text_add(t->out, "\n");
		s += n + (s[n] == '\n');
	}
}

/* "1234", "56.7k", "8.9M": at most 5 columns. */
static const char *
short_number(uint64_t v, char buf[16])
{
	static const char units[] = "kMGTPE";
	double d = (double)v;
	int unit = -1;

	if (v < 10000) {
		(void)snprintf(buf, 16, "%u", (unsigned)v);
		return buf;
	}
	do {
		d /= 1000;
		unit++;
	} while (d >= 999.5 && units[unit + 1]);
	(void)snprintf(buf, 16, d < 99.95 ? "%.1f%c" : "%.0f%c", d, units[unit]);
	return buf;
}

/* The two largest units: "2d3h", "4m05s". */
static const char *
short_time(int64_t seconds, char buf[16])
{
	/* At most a century, which also tells the compiler that it fits. */
	unsigned s = seconds < 0 ? 0 : seconds > 3155760000 ? 3155760000 : (unsigned)seconds;

	if (s < 60)
		(void)snprintf(buf, 16, "%us", s);
	else if (s < 3600)
		(void)snprintf(buf, 16, "%um%02us", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(buf, 16, "%uh%02um", s / 3600, s / 60 % 60);
	else
		(void)snprintf(buf, 16, "%ud%uh", s / 86400, s / 3600 % 24);
	return buf;
}

/* How long ago an RFC 3339 time was. */
static const char *
since(const char *date, char buf[16])
{
	struct tm tm = { 0 };
	const char *end = strptime(date, "%Y-%m-%dT%H:%M:%S", &tm);

	return end ? short_time(time(NULL) - timegm(&tm), buf) : "";
}

/* Three digits are enough: "1.23ms" rather than "1.234567ms". */
static const char *
short_latency(const char *latency, char buf[16])
{
	char *unit;
	double v = strtod(latency, &unit);

	if (unit == latency)
		return "-";
	if (strpbrk(unit, "0123456789"))
		return latency; /* minutes and more */
	(void)snprintf(buf, 16, "%.3g%.3s", v, unit);
	return buf;
}

static void
count_workers(struct table *t, yaml_node_t *root, unsigned *ready, unsigned *draining)
{
	yaml_node_t *list = find_child(&t->tree, root, "workers"), *w;

	*ready = *draining = 0;
	for (size_t i = 0; (w = get_item(&t->tree, list, i)); i++) {
		if (strcmp(get(&t->tree, w, "state"), "ready") == 0)
			++*ready;
		else
			++*draining;
	}
}

static void
add_head(struct table *t, yaml_node_t *root, const char *not_ready)
{
	unsigned ready, draining;
	char up[16], line[TABLE_COLUMNS + 1];

	count_workers(t, root, &ready, &draining);
	(void)snprintf(line, sizeof(line), "iaido %.20s  pid %.10s  up %s  generation %.10s",
		get(&t->tree, root, "version"), get(&t->tree, root, "pid"),
		short_time((int64_t)get_number(&t->tree, root, "uptime"), up),
		get(&t->tree, root, "generation"));
	set_colour(t, not_ready ? COLOUR_RED : COLOUR_GREEN);
	text_add(t->out, not_ready ? "NOT READY  " : "ready  ");
	set_colour(t, COLOUR_NONE);
	add_cell(t, line, TABLE_COLUMNS - 11, false);
	text_addf(t->out, "\nworkers: %u ready, %u draining\n", ready, draining);
	if (not_ready) {
		set_colour(t, COLOUR_RED);
		add_wrapped(t, "  ", not_ready);
		set_colour(t, COLOUR_NONE);
	}
}

static void
add_config(struct table *t, yaml_node_t *root)
{
	yaml_node_t *config = find_child(&t->tree, root, "config");
	char ago[16];

	text_add(t->out, "config: ");
	add_cell(t, get(&t->tree, config, "path"), 46, false);
	text_addf(t->out, "  loaded %s ago\n", since(get(&t->tree, config, "loadedAt"), ago));
	if (strcmp(get(&t->tree, config, "lastReload.ok"), "false") != 0)
		return;
	set_colour(t, COLOUR_RED);
	text_addf(t->out, "last reload FAILED %s ago:\n",
		since(get(&t->tree, config, "lastReload.at"), ago));
	add_wrapped(t, "  ", get(&t->tree, config, "lastReload.error"));
	set_colour(t, COLOUR_NONE);
}

static enum colour
colour_of(const char *state)
{
	if (strcmp(state, "failed") == 0)
		return COLOUR_RED;
	if (strcmp(state, "draining") == 0)
		return COLOUR_YELLOW;
	return strcmp(state, "disabled") == 0 ? COLOUR_DIM : COLOUR_GREEN;
}

/* 4 tier, 9 state, 22 address, 8 latency, 12 connections, 7 total, 7 fails, 8 since: 77 and 3. */
static void
add_backend(struct table *t, yaml_node_t *b)
{
	struct tree *tree = &t->tree;
	const char *state = get(tree, b, "state"), *error = get(tree, b, "lastError");
	uint64_t max = get_number(tree, b, "connections.max");
	char buf[16], active[16], limit[16], both[40];

	text_add(t->out, "  ");
	add_cell(t, get(tree, b, "tier"), 4, false);
	text_add(t->out, " ");
	set_colour(t, colour_of(state));
	add_cell(t, state, 8, false);
	set_colour(t, COLOUR_NONE);
	text_add(t->out, " ");
	add_cell(t, get(tree, b, "address"), 22, false);
	add_cell(t, short_latency(get(tree, b, "latency"), buf), 8, true);
	(void)snprintf(both, sizeof(both), "%s%s%s",
		short_number(get_number(tree, b, "connections.active"), active), max ? "/" : "",
		max ? short_number(max, limit) : "");
	add_cell(t, both, 12, true);
	add_cell(t, short_number(get_number(tree, b, "connections.total"), buf), 7, true);
	add_cell(t, short_number(get_number(tree, b, "dialFailures"), buf), 6, true);
	add_cell(t, since(get(tree, b, "lastChange"), buf), 8, true);
	text_add(t->out, "\n");
	if (strcmp(state, "failed") == 0 && *error && strcmp(error, "null") != 0) {
		set_colour(t, COLOUR_DIM);
		add_wrapped(t, "                ", error);
		set_colour(t, COLOUR_NONE);
	}
}

static void
add_frontend(struct table *t, yaml_node_t *f)
{
	struct tree *tree = &t->tree;
	yaml_node_t *list = find_child(tree, f, "backends"), *b;
	bool accepting = strcmp(get(tree, f, "accepting"), "true") == 0;
	char active[16], total[16], waiting[16], in[16], out[16], line[TABLE_COLUMNS + 1];

	(void)snprintf(line, sizeof(line), "  %s open, %s total, %s waiting, %sB in, %sB out",
		short_number(get_number(tree, f, "connections.active"), active),
		short_number(get_number(tree, f, "connections.total"), total),
		short_number(get_number(tree, f, "connections.waiting"), waiting),
		short_number(get_number(tree, f, "bytes.in"), in),
		short_number(get_number(tree, f, "bytes.out"), out));
	text_add(t->out, "\n");
	set_colour(t, COLOUR_BOLD);
	add_cell(t, get(tree, f, "bindAddress"), 60, false);
	set_colour(t, COLOUR_NONE);
	set_colour(t, accepting ? COLOUR_NONE : COLOUR_RED);
	text_add(t->out, accepting ? "accepting\n" : "not accepting\n");
	set_colour(t, COLOUR_NONE);
	text_add(t->out, line);
	text_add(t->out, "\n");
	if (!get_item(tree, list, 0)) {
		text_add(t->out, "  no backends\n");
		return;
	}
	set_colour(t, COLOUR_DIM);
	text_add(t->out,
		"  tier state    backend                latency connections  total failed"
		"   since\n");
	set_colour(t, COLOUR_NONE);
	for (size_t i = 0; (b = get_item(tree, list, i)); i++)
		add_backend(t, b);
}

/* Only names that are in trouble: the others show as their backends. */
static void
add_names(struct table *t, yaml_node_t *root)
{
	yaml_node_t *list = find_child(&t->tree, root, "names"), *n;
	bool first = true;

	for (size_t i = 0; (n = get_item(&t->tree, list, i)); i++) {
		const char *error = get(&t->tree, n, "lastError");

		if (!*error || strcmp(error, "null") == 0)
			continue;
		text_add(t->out, first ? "\nnames that do not resolve:\n" : "");
		first = false;
		text_add(t->out, "  ");
		add_cell(t, get(&t->tree, n, "host"), 36, false);
		text_add(t->out, " ");
		add_cell(t, error, TABLE_COLUMNS - 39, false);
		text_add(t->out, "\n");
	}
}

/* Only what the table can show: ASCII and the micro sign. The rest, some of which libyaml does not
 * take in JSON, becomes question marks. */
static void
add_clean(struct text *out, const struct text *status)
{
	const char *s = status->data;
	size_t left = status->len, n;

	for (; left > 0; s += n, left -= n) {
		n = text_utf8_len(s, left);
		if ((n == 1 && *s >= 0x20 && *s != 0x7f) ||
			(n == 2 && memcmp(s, "\xc2\xb5", 2) == 0))
			text_add_bytes(out, s, n);
		else
			text_add(out, n == 1 ? " " : "?");
		n = n == 0 ? 1 : n;
	}
}

static bool
load_tree(const struct text *status, struct tree *tree)
{
	yaml_parser_t parser;
	struct text clean;
	bool loaded;

	if (!yaml_parser_initialize(&parser))
		return false;
	text_init(&clean);
	add_clean(&clean, status);
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)(clean.data ? clean.data : ""), clean.len);
	loaded = !clean.bad && yaml_parser_load(&parser, &tree->document);
	yaml_parser_delete(&parser);
	text_fini(&clean);
	return loaded;
}

int
table_render(const struct text *status, const char *not_ready, bool colour, struct text *out)
{
	struct table t = { .out = out, .colour = colour };
	yaml_node_t *root, *list, *f;

	if (!load_tree(status, &t.tree))
		return -EBADMSG;
	root = yaml_document_get_root_node(&t.tree.document);
	list = find_child(&t.tree, root, "frontends");
	if (list) {
		add_head(&t, root, not_ready);
		add_config(&t, root);
		for (size_t i = 0; (f = get_item(&t.tree, list, i)); i++)
			add_frontend(&t, f);
		add_names(&t, root);
	}
	yaml_document_delete(&t.tree.document);
	return list ? 0 : -EBADMSG;
}
