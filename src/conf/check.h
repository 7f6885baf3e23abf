/* The rules about more than one key. */
#ifndef IAIDO_CHECK_H
#define IAIDO_CHECK_H

struct conf;
struct report;

/* Adds what is wrong, or probably not meant, to the report. */
void check_conf(struct report *r, const struct conf *c);

#endif
