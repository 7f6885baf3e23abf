/* A growing string: what renders (logs, YAML, JSON, HTTP bodies) writes into one of these. */
#ifndef IAIDO_TEXT_H
#define IAIDO_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "iaido/macros.h"

/* Always NUL-terminated once something was written. Running out of memory marks it as bad. */
struct text {
	char *data;
	size_t len;
	size_t size;
	bool bad;
};

void text_init(struct text *t);
void text_fini(struct text *t);
/* Empties it, keeps the memory. */
void text_reset(struct text *t);
void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const void *data, size_t len);
void text_addf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_vaddf(struct text *t, const char *format, va_list ap) PRINTF_LIKE(2, 0);
/* A JSON string with its quotes; invalid UTF-8 and control characters are escaped. */
void text_add_json(struct text *t, const char *s);

/* The length of the UTF-8 character that s starts with, at most len; 0 when it is none. */
size_t text_utf8_len(const char *s, size_t len) MUST_CHECK;

#endif
