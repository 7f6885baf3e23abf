/* Gathers what is wrong with a configuration while it is read: faults and warnings with the place
 * in the file and the path of the key, and where each value stood, for rules that look at two. */
#ifndef IAIDO_REPORT_H
#define IAIDO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/conf.h"
#include "iaido/macros.h"
#include "iaido/text.h"

struct finding {
	struct conf_mark mark;
	char *text; /* "path: what" */
	const char *what; /* in text */
};

/* One value's place: `where` is its member in the struct conf. */
struct place {
	const void *where;
	struct conf_mark mark;
	bool is_bad; /* it was refused; a default stands in for it */
};

struct report {
	const char *name; /* of the file */
	struct text path; /* of what is being read */
	struct finding errors[CONF_ERRORS_MAX];
	size_t error_count;
	struct finding warnings[CONF_ERRORS_MAX];
	size_t warning_count;
	struct place *places; /* a hash table */
	size_t place_count;
	size_t place_size;
	bool is_out_of_memory;
};

void report_init(struct report *r, const char *name);
void report_fini(struct report *r);

/* Appends ".key" or "[index]" to the path; returns what report_leave() takes to undo it. */
size_t report_enter_key(struct report *r, const char *key);
size_t report_enter_index(struct report *r, size_t index);
void report_leave(struct report *r, size_t former);

/* A fault, or a warning, of what the path names now. */
void report_error(struct report *r, struct conf_mark mark, const char *format, ...)
	PRINTF_LIKE(3, 4);
void report_warning(struct report *r, struct conf_mark mark, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Whether no more faults are taken: there is no use in looking for them. */
bool report_is_full(const struct report *r);
/* The same, or something is wrong there already. */
bool report_is_said(const struct report *r, struct conf_mark mark);

void report_set_place(struct report *r, const void *where, struct conf_mark mark, bool is_bad);
/* NULL when the file does not have it. */
const struct place *report_find_place(const struct report *r, const void *where);

/* Whole lines, ordered by their place in the file. Returns 0 or -ENOMEM. */
int report_finish(struct report *r, struct conf_report *out) MUST_CHECK;

#define REPORT_QUOTE_MAX 128
/* A value as messages show it: quoted, escaped, and cut where it is long. Returns buf. */
const char *report_quote(const char *value, char buf[REPORT_QUOTE_MAX]);

#endif
