/* From a tree to a struct conf, by the schema. */
#ifndef IAIDO_LOAD_H
#define IAIDO_LOAD_H

struct conf;
struct node;
struct report;

/* Fills in the defaults, then what the tree says; what is wrong is reported and keeps its default.
 * *c is zeroed before, and conf_free()'s afterwards in any case. */
void load_tree(struct report *r, struct conf *c, const struct node *root);

#endif
