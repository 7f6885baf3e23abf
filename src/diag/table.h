/* A status as a table for people: what `iaido --status` prints. */
#ifndef IAIDO_DIAG_TABLE_H
#define IAIDO_DIAG_TABLE_H

#include <stdbool.h>

#include "iaido/macros.h"

struct text;

#define TABLE_COLUMNS 80

/* Adds the table of a /statusz in JSON; `not_ready` says why it is not, or is NULL. Colour is by
 * ANSI sequences. Returns 0 or -EBADMSG. */
int table_render(const struct text *status, const char *not_ready, bool colour, struct text *out)
	MUST_CHECK;

#endif
