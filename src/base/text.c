/* A growing string, and the escaping that JSON needs. */
#include "config.h"

#include "iaido/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
text_init(struct text *t)
{
	*t = (struct text){ 0 };
}

void
text_fini(struct text *t)
{
	free(t->data);
	text_init(t);
}

void
text_reset(struct text *t)
{
	t->len = 0;
	t->bad = false;
	if (t->data)
		t->data[0] = '\0';
}

/* Room for len more bytes and the NUL. */
static bool
reserve(struct text *t, size_t len)
{
	size_t size = t->size ? t->size : 256;
	char *grown;

	if (t->bad)
		return false;
	if (len < t->size - t->len)
		return true;
	while (size - t->len <= len && size <= SIZE_MAX / 2)
		size *= 2;
	grown = size - t->len <= len ? NULL : realloc(t->data, size);
	if (!grown) {
		t->bad = true;
		return false;
	}
	t->data = grown;
	t->size = size;
	return true;
}

void
text_add_bytes(struct text *t, const void *data, size_t len)
{
	if (!reserve(t, len))
		return;
	if (len > 0)
		memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void
text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	text_vaddf(t, format, ap);
	va_end(ap);
}

void
text_vaddf(struct text *t, const char *format, va_list ap)
{
	va_list again;
	int n;

	if (!reserve(t, 0))
		return;
	va_copy(again, ap);
	n = vsnprintf(t->data + t->len, t->size - t->len, format, ap);
	if (n < 0) {
		t->bad = true;
		t->data[t->len] = '\0';
	} else if ((size_t)n < t->size - t->len) {
		t->len += (size_t)n;
	} else if (reserve(t, (size_t)n)) {
		(void)vsnprintf(t->data + t->len, t->size - t->len, format, again);
		t->len += (size_t)n;
	} else {
		t->data[t->len] = '\0';
	}
	va_end(again);
}

size_t
text_utf8_len(const char *s, size_t len)
{
	const uint8_t *u = (const uint8_t *)s;
	uint8_t low = 0x80, high = 0xbf;
	size_t need;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf) {
		need = 2;
	} else if (u[0] >= 0xe0 && u[0] <= 0xef) {
		need = 3;
		if (u[0] == 0xe0)
			low = 0xa0; /* else it would fit in two bytes */
		else if (u[0] == 0xed)
			high = 0x9f; /* surrogates are no characters */
	} else if (u[0] >= 0xf0 && u[0] <= 0xf4) {
		need = 4;
		if (u[0] == 0xf0)
			low = 0x90;
		else if (u[0] == 0xf4)
			high = 0x8f; /* U+10FFFF is the last */
	} else {
		return 0;
	}
	if (len < need || u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if (u[i] < 0x80 || u[i] > 0xbf)
			return 0;
	return need;
}

static void
add_json_char(struct text *t, uint8_t c)
{
	switch (c) {
	case '"':
		text_add(t, "\\\"");
		break;
	case '\\':
		text_add(t, "\\\\");
		break;
	case '\n':
		text_add(t, "\\n");
		break;
	case '\r':
		text_add(t, "\\r");
		break;
	case '\t':
		text_add(t, "\\t");
		break;
	default:
		/* A byte that is no UTF-8 is shown as the character of that number. */
		text_addf(t, "\\u%04x", c);
	}
}

void
text_add_json(struct text *t, const char *s)
{
	size_t len = strlen(s), run = 0;

	text_add(t, "\"");
	while (run < len) {
		uint8_t c = (uint8_t)s[run];
		size_t n = text_utf8_len(s + run, len - run);

		if (n > 0 && c >= 0x20 && c != 0x7f && c != '"' && c != '\\') {
			run += n;
			continue;
		}
		text_add_bytes(t, s, run);
		add_json_char(t, c);
		s += run + 1;
		len -= run + 1;
		run = 0;
	}
	text_add_bytes(t, s, len);
	text_add(t, "\"");
}
