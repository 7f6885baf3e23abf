/* Looks at the bytes before the parser does: libyaml tells no line for a wrong encoding or a control
 * character, and takes quadratic time for many %TAG lines. */
#include "config.h"

#include "bytes.h"

#include <stdint.h>
#include <string.h>

#include "iaido/text.h"
#include "tree.h"

/* The code of a valid character of n bytes that no YAML may hold; 0 of others. */
static unsigned
forbidden_code(const uint8_t *s, size_t n)
{
	if (n == 1 &&
		((s[0] < 0x20 && s[0] != '\t' && s[0] != '\n' && s[0] != '\r') || s[0] == 0x7f))
		return s[0];
	if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0 && s[1] != 0x85)
		return s[1];
	if (n == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe)
		return 0xff40u + s[2];
	return 0;
}

static void
step(struct conf_mark *mark, char c)
{
	if (c == '\n') {
		mark->line++;
		mark->column = 1;
	} else {
		mark->column++;
	}
}

static int
check_characters(const char *data, size_t len, struct tree_error *error)
{
	struct conf_mark mark = { 1, 1 };
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		const char *at = data + i;
		unsigned code;

		n = text_utf8_len(at, len - i);
		if (n == 0)
			return tree_refuse(
				error, mark, "byte 0x%02x: not valid UTF-8", (uint8_t)*at);
		if (*at == '\0')
			return tree_refuse(error, mark, "a NUL byte: this is no text file");
		code = forbidden_code((const uint8_t *)at, n);
		if (code)
			return tree_refuse(error, mark, "control character 0x%02x", code);
		if (mark.column == 1 && len - i >= 4 && memcmp(at, "%TAG", 4) == 0)
			return tree_refuse(
				error, mark, "tags are not supported: leave out the %%TAG line");
		step(&mark, *at);
	}
	return 0;
}

/* Points to the first character that is too many. */
static int
refuse_size(const char *data, struct tree_error *error)
{
	struct conf_mark mark = { 1, 1 };

	for (size_t i = 0; i < TREE_BYTES_MAX; i++)
		if (((uint8_t)data[i] & 0xc0) != 0x80) /* not the rest of a character */
			step(&mark, data[i]);
	return tree_refuse(error, mark, "larger than 1 MiB");
}

int
bytes_check(const char **data, size_t *len, struct tree_error *error)
{
	if (*len > TREE_BYTES_MAX)
		return refuse_size(*data, error);
	/* Some editors put it before the text; libyaml would count it as a column. */
	if (*len >= 3 && memcmp(*data, "\xef\xbb\xbf", 3) == 0) {
		*data += 3;
		*len -= 3;
	}
	return check_characters(*data, *len, error);
}
