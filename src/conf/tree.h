/* A YAML document as a bounded tree with marks. The limits are checked on the parser's events,
 * before anything is built of them; an alias points to the node that it stands for. */
#ifndef IAIDO_TREE_H
#define IAIDO_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/conf.h"
#include "iaido/macros.h"

#define TREE_DEPTH_MAX 64
#define TREE_NODES_MAX 100000
#define TREE_BYTES_MAX (1024 * 1024)

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node_child;

struct node {
	enum node_kind kind;
	bool is_plain; /* of a scalar: without quotes */
	struct conf_mark mark;
	uint32_t weight; /* nodes in it, aliases expanded */
	uint32_t height; /* levels of lists and mappings in it */
	uint32_t child_count;
	uint32_t len; /* of a scalar */
	const char *value; /* of a scalar: no NUL inside, valid UTF-8 */
	struct node_child *first;
	struct node_child *last;
};

struct node_child {
	struct node_child *next;
	const struct node *key; /* of a mapping; NULL in a list */
	const struct node *value;
};

/* Why there is no tree. */
struct tree_error {
	struct conf_mark mark;
	char what[256];
};

/* Fills in *error. Returns -EINVAL. */
int tree_refuse(struct tree_error *error, struct conf_mark mark, const char *format, ...)
	PRINTF_LIKE(3, 4);

struct tree;

/* Returns 0, -EINVAL (see *error) or -ENOMEM. An empty document has a null scalar as its root. */
int tree_parse(const void *data, size_t len, struct tree **out, struct tree_error *error)
	MUST_CHECK;
void tree_free(struct tree *t);
const struct node *tree_root(const struct tree *t);

#endif
