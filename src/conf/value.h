/* Single values: the text of a scalar, checked against its row of the schema, into its member. */
#ifndef IAIDO_VALUE_H
#define IAIDO_VALUE_H

#include <stdbool.h>

struct conf_field;
struct node;
struct report;

/* Whether a scalar stands for null: nothing, ~ or null, without quotes. */
bool value_is_null(const struct node *n);

/* Reports, and returns false, when a scalar is longer than any value need be: an alias may have it
 * looked at a hundred thousand times. */
bool value_is_short(struct report *r, const struct node *n);

/* Stores what the scalar says in f's member of *base; reports and leaves the member as it was when
 * that is no good. Returns whether it was stored. */
bool value_load(struct report *r, const struct conf_field *f, void *base, const struct node *n);

/* The row's default in the same way: no report, since it is good. */
void value_load_initial(struct report *r, const struct conf_field *f, void *base);

/* The members that are lists of single values; the node is a list. */
bool value_load_servers(
	struct report *r, const struct conf_field *f, void *base, const struct node *n);
bool value_load_hosts(
	struct report *r, const struct conf_field *f, void *base, const struct node *n);

#endif
