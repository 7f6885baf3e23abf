/* Writes a tree as YAML or as JSON: one walker calls these and need not know which. In a map each
 * value has a key; in a list the key is NULL. */
#ifndef IAIDO_DIAG_EMIT_H
#define IAIDO_DIAG_EMIT_H

#include <stdbool.h>
#include <stdint.h>

struct text;

enum emit_format { EMIT_YAML, EMIT_JSON };

#define EMIT_DEPTH_MAX 16

struct emit {
	struct text *out;
	enum emit_format format;
	unsigned depth;
	struct {
		bool is_list;
		bool is_empty;
		bool is_item; /* its first child stands behind the "- " of a list */
	} level[EMIT_DEPTH_MAX];
};

/* Begins with the outermost map. */
void emit_begin(struct emit *e, struct text *out, enum emit_format format);
void emit_end(struct emit *e);

void emit_map(struct emit *e, const char *key);
void emit_list(struct emit *e, const char *key);
/* Ends the innermost map or list. */
void emit_close(struct emit *e);

/* A NULL string is null. */
void emit_string(struct emit *e, const char *key, const char *value);
void emit_uint(struct emit *e, const char *key, uint64_t value);
void emit_bool(struct emit *e, const char *key, bool value);
void emit_null(struct emit *e, const char *key);
/* Seconds, to the millisecond. */
void emit_seconds(struct emit *e, const char *key, int64_t ns);
/* RFC 3339, UTC, of a CLOCK_REALTIME value. */
void emit_time(struct emit *e, const char *key, int64_t wall_ns);

#endif
