/* Builds the tree from libyaml's events. What YAML allows and a configuration file has no use for
 * (tags, several documents) is refused here; what keys mean is load.c's to know. */
#include "config.h"

#include "tree.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "bytes.h"
#include "iaido/text.h"

#define BLOCK_SIZE (64 * 1024)
#define ANCHOR_BUCKETS 4096

/* Memory that is given back all at once. */
struct block {
	struct block *next;
	size_t used;
	size_t size;
	max_align_t data[];
};

struct anchor {
	struct anchor *next;
	const char *name;
	const struct node *node;
	bool is_open; /* its node has not ended yet */
};

struct tree {
	struct block *blocks;
	const struct node *root;
};

/* A list or mapping that has begun and not ended. */
struct open_node {
	struct node *node;
	const struct node *key; /* waits for its value */
	struct anchor *anchor;
};

struct builder {
	const char *data;
	size_t len;
	struct tree *tree;
	struct tree_error *error;
	struct anchor *anchors[ANCHOR_BUCKETS];
	uint32_t nodes; /* all of the document so far, aliases expanded */
	size_t depth;
	bool had_document;
	struct open_node open[TREE_DEPTH_MAX];
};

static void *
allocate(struct tree *t, size_t size)
{
	struct block *b = t->blocks;
	void *p;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!b || size > b->size - b->used) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		b->next = t->blocks;
		b->used = 0;
		b->size = room;
		t->blocks = b;
	}
	p = (char *)b->data + b->used;
	b->used += size;
	return p;
}

static const char *
copy_string(struct tree *t, const char *s, size_t len)
{
	char *copy = allocate(t, len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

int
tree_refuse(struct tree_error *error, struct conf_mark mark, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	error->mark = mark;
	(void)vsnprintf(error->what, sizeof(error->what), format, ap);
	va_end(ap);
	return -EINVAL;
}

static struct conf_mark
to_mark(yaml_mark_t m)
{
	return (struct conf_mark){ (uint32_t)m.line + 1, (uint32_t)m.column + 1 };
}

static struct anchor **
find_bucket(struct builder *b, const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return &b->anchors[h % ANCHOR_BUCKETS];
}

static int
add_anchor(struct builder *b, const yaml_char_t *name, const struct node *node, struct anchor **out)
{
	const char *s = (const char *)name;
	struct anchor **bucket, *a;

	if (!name)
		return 0;
	a = allocate(b->tree, sizeof(*a));
	if (!a)
		return -ENOMEM;
	bucket = find_bucket(b, s);
	a->name = copy_string(b->tree, s, strlen(s));
	if (!a->name)
		return -ENOMEM;
	a->node = node;
	a->is_open = false;
	/* In front: a name that is given again means the newer node from there on. */
	a->next = *bucket;
	*bucket = a;
	if (out)
		*out = a;
	return 0;
}

static struct node *
new_node(struct builder *b, enum node_kind kind, struct conf_mark mark)
{
	struct node *n = allocate(b->tree, sizeof(*n));

	if (n)
		*n = (struct node){
			.kind = kind, .mark = mark, .weight = 1, .height = kind != NODE_SCALAR
		};
	return n;
}

/* Puts a finished node, or one just begun, where the document has it. */
static int
attach(struct builder *b, const struct node *node, struct conf_mark mark)
{
	struct open_node *top = b->depth > 0 ? &b->open[b->depth - 1] : NULL;
	struct node_child *child;

	if (!top) {
		b->tree->root = node;
		return 0;
	}
	if (top->node->kind == NODE_MAP && !top->key) {
		if (node->kind != NODE_SCALAR)
			return tree_refuse(
				b->error, mark, "a key must be a word, not a list or a mapping");
		top->key = node;
		return 0;
	}
	child = allocate(b->tree, sizeof(*child));
	if (!child)
		return -ENOMEM;
	*child = (struct node_child){ .key = top->key, .value = node };
	top->key = NULL;
	if (top->node->last)
		top->node->last->next = child;
	else
		top->node->first = child;
	top->node->last = child;
	top->node->child_count++;
	return 0;
}

/* Counts `weight` more nodes; adds them to the innermost open node. */
static int
count_nodes(struct builder *b, uint32_t weight, struct conf_mark mark)
{
	if (weight > TREE_NODES_MAX - b->nodes)
		return tree_refuse(b->error, mark,
			"more than %d nodes, counting what aliases stand for", TREE_NODES_MAX);
	b->nodes += weight;
	return 0;
}

static void
add_to_parent(struct builder *b, const struct node *node)
{
	struct node *parent = b->depth > 0 ? b->open[b->depth - 1].node : NULL;

	if (!parent)
		return;
	parent->weight += node->weight;
	if (node->height + 1 > parent->height)
		parent->height = node->height + 1;
}

static int
on_scalar(struct builder *b, const yaml_event_t *e)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct conf_mark mark = to_mark(e->start_mark);
	struct node *n;
	int r;

	if (e->data.scalar.tag)
		return tree_refuse(
			b->error, mark, "tags (\"!...\") are not supported: leave it out");
	if (memchr(value, '\0', len))
		return tree_refuse(b->error, mark, "a NUL character, which no value may hold");
	r = count_nodes(b, 1, mark);
	if (r < 0)
		return r;
	n = new_node(b, NODE_SCALAR, mark);
	if (!n)
		return -ENOMEM;
	n->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->len = (uint32_t)len;
	n->value = copy_string(b->tree, value, len);
	if (!n->value)
		return -ENOMEM;
	add_to_parent(b, n);
	r = add_anchor(b, e->data.scalar.anchor, n, NULL);
	return r < 0 ? r : attach(b, n, mark);
}

static int
on_begin(struct builder *b, enum node_kind kind, const yaml_char_t *tag, const yaml_char_t *anchor,
	struct conf_mark mark)
{
	struct anchor *a = NULL;
	struct node *n;
	int r;

	if (tag)
		return tree_refuse(
			b->error, mark, "tags (\"!...\") are not supported: leave it out");
	if (b->depth == TREE_DEPTH_MAX)
		return tree_refuse(
			b->error, mark, "nested more than %d levels deep", TREE_DEPTH_MAX);
	r = count_nodes(b, 1, mark);
	if (r < 0)
		return r;
	n = new_node(b, kind, mark);
	if (!n)
		return -ENOMEM;
	r = add_anchor(b, anchor, n, &a);
	if (r == 0)
		r = attach(b, n, mark);
	if (r < 0)
		return r;
	if (a)
		a->is_open = true;
	b->open[b->depth++] = (struct open_node){ .node = n, .anchor = a };
	return 0;
}

static int
on_end(struct builder *b)
{
	struct open_node *top;

	assert(b->depth > 0); /* the parser pairs beginnings and ends */
	top = &b->open[--b->depth];
	if (top->anchor)
		top->anchor->is_open = false;
	add_to_parent(b, top->node);
	return 0;
}

static int
on_alias(struct builder *b, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct conf_mark mark = to_mark(e->start_mark);
	struct anchor *a = *find_bucket(b, name);
	int r;

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	if (!a)
		return tree_refuse(
			b->error, mark, "*%.60s: no anchor &%.60s stands before it", name, name);
	if (a->is_open)
		return tree_refuse(
			b->error, mark, "*%.60s: stands inside of what it stands for", name);
	if (a->node->height > TREE_DEPTH_MAX - b->depth)
		return tree_refuse(
			b->error, mark, "nested more than %d levels deep", TREE_DEPTH_MAX);
	r = count_nodes(b, a->node->weight, mark);
	if (r < 0)
		return r;
	add_to_parent(b, a->node);
	return attach(b, a->node, mark);
}

static int
on_event(struct builder *b, const yaml_event_t *e)
{
	struct conf_mark mark = to_mark(e->start_mark);

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->had_document)
			return tree_refuse(
				b->error, mark, "a second document: the file holds only one");
		b->had_document = true;
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, e);
	case YAML_ALIAS_EVENT:
		return on_alias(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_begin(b, NODE_LIST, e->data.sequence_start.tag,
			e->data.sequence_start.anchor, mark);
	case YAML_MAPPING_START_EVENT:
		return on_begin(
			b, NODE_MAP, e->data.mapping_start.tag, e->data.mapping_start.anchor, mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b);
	default:
		return 0;
	}
}

/* The first byte of the character that the parser stopped at; it counts characters. */
static char
byte_at(const struct builder *b, yaml_mark_t mark)
{
	size_t at = 0;

	for (size_t i = 0; i < mark.index && at < b->len; i++)
		at += text_utf8_len(b->data + at, b->len - at);
	return at < b->len ? b->data[at] : '\0';
}

/* What the parser means, in the words of who wrote the file; NULL where its own will do. */
static const char *
explain_syntax(const char *problem, char c)
{
	if (strcmp(problem, "found character that cannot start any token") == 0)
		return c == '\t' ? "a tab stands here: indent with spaces"
				 : "a value that begins with this character needs quotes";
	if (strcmp(problem, "did not find expected node content") == 0 && c == ':')
		return "a value that begins with \":\" needs quotes between { } and [ ]";
	if (strcmp(problem, "mapping values are not allowed in this context") == 0)
		return "a \":\" does not fit here: quote the value, or mend the indentation";
	if (strcmp(problem, "did not find expected <document start>") == 0)
		return "this stands outside of what began above: mend the indentation";
	return NULL;
}

static int
refuse_syntax(struct builder *b, const yaml_parser_t *p)
{
	const char *problem = p->problem ? p->problem : "cannot be read";
	const char *better;

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* Seen at the end of the line at the earliest. */
	if (strcmp(problem, "could not find expected ':'") == 0)
		return tree_refuse(b->error, to_mark(p->context_mark),
			"not valid YAML: a key needs \":\" and a blank after it");
	better = explain_syntax(problem, byte_at(b, p->problem_mark));
	if (better)
		return tree_refuse(
			b->error, to_mark(p->problem_mark), "not valid YAML: %s", better);
	if (p->context && p->context_mark.line != p->problem_mark.line)
		return tree_refuse(b->error, to_mark(p->problem_mark),
			"not valid YAML: %s, %s from line %zu", problem, p->context,
			p->context_mark.line + 1);
	return tree_refuse(b->error, to_mark(p->problem_mark), "not valid YAML: %s%s%s", problem,
		p->context ? ", " : "", p->context ? p->context : "");
}

static int
build(struct builder *b, yaml_parser_t *parser)
{
	yaml_event_t event;
	bool is_end = false;
	int r = 0;

	while (r == 0 && !is_end) {
		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(b, parser);
		is_end = event.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &event);
		yaml_event_delete(&event);
	}
	if (r == 0 && !b->tree->root) {
		struct node *n = new_node(b, NODE_SCALAR, (struct conf_mark){ 1, 1 });

		if (!n)
			return -ENOMEM;
		n->is_plain = true;
		n->value = "";
		b->tree->root = n;
	}
	return r;
}

int
tree_parse(const void *data, size_t len, struct tree **out, struct tree_error *error)
{
	/* The parser takes no null pointer, not even for nothing. */
	struct builder b = { .data = len > 0 ? data : "", .len = len, .error = error };
	yaml_parser_t parser;
	int r;

	*error = (struct tree_error){ 0 };
	r = bytes_check(&b.data, &b.len, error);
	if (r < 0)
		return r;
	b.tree = calloc(1, sizeof(*b.tree));
	if (!b.tree || !yaml_parser_initialize(&parser)) {
		r = -ENOMEM;
	} else {
		yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&parser, (const unsigned char *)b.data, b.len);
		r = build(&b, &parser);
		yaml_parser_delete(&parser);
	}
	if (r < 0) {
		tree_free(b.tree);
		return r;
	}
	*out = b.tree;
	return 0;
}

void
tree_free(struct tree *t)
{
	struct block *next;

	if (!t)
		return;
	for (struct block *b = t->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	free(t);
}

const struct node *
tree_root(const struct tree *t)
{
	return t->root;
}
