/* The one table of configuration keys: loading, defaults, ranges, --check, /configz and the check
 * of the manual all go by it, so that a new key is one row. */
#ifndef IAIDO_SCHEMA_H
#define IAIDO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_kind {
	CONF_KIND_DURATION,
	CONF_KIND_NUMBER,
	CONF_KIND_PORT,
	CONF_KIND_BOOL,
	CONF_KIND_ENUM,
	CONF_KIND_WORKERS,
	CONF_KIND_STRING,
	CONF_KIND_LOG_TARGET,
	CONF_KIND_DIAG,
	CONF_KIND_BIND,
	CONF_KIND_PROTO,
	CONF_KIND_SERVERS, /* a list of addresses */
	CONF_KIND_HOSTS, /* a list of names and addresses */
	CONF_KIND_SECTION, /* a mapping whose struct is embedded */
	CONF_KIND_LIST, /* a list of mappings: pointer and count */
};

enum {
	CONF_REQUIRED = 1 << 0,
	CONF_NOT_EMPTY = 1 << 1, /* of a list */
	CONF_ZERO_IS_DEFAULT = 1 << 2,
	CONF_ZERO_ALLOWED = 1 << 3, /* 0 although it is below min */
	CONF_NEGATIVE_ALLOWED = 1 << 4, /* any negative means the same; kept as -1 */
};

struct conf_section;

struct conf_field {
	const char *key;
	enum conf_kind kind;
	unsigned flags;
	size_t offset;
	const char *initial; /* as it would stand in the file; NULL = none */
	int64_t min;
	int64_t max;
	const char *special; /* what 0 or a negative value means, for messages */
	const char *const *names; /* of an enum, in order, NULL at the end */
	const struct conf_section *section; /* of a section or a list's items */
	size_t count_offset; /* of a list */
};

struct conf_section {
	const struct conf_field *fields;
	size_t field_count;
	size_t size; /* of the struct */
	size_t mark_offset; /* of its struct conf_mark; SIZE_MAX = it has none */
};

/* The whole file: struct conf. */
const struct conf_section *schema_root(void);

/* NULL when the section has no such key. */
const struct conf_field *schema_find_field(const struct conf_section *section, const char *key);
/* The key of the section that was probably meant; NULL when none is near. */
const char *schema_find_similar(const struct conf_section *section, const char *key);
/* Where else in the schema that very key is: writes "frontends[].tcp" into buf; false = nowhere. */
bool schema_find_home(const char *key, char *buf, size_t size);
/* How many single changes (a letter more, less, other) lie between two words, ignoring case;
 * UINT_MAX where one is longer than any key. */
unsigned schema_word_distance(const char *a, const char *b);

#endif
