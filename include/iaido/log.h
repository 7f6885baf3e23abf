/* The log: one event a line, as text or JSON, to stderr, syslog or a file. One log a process. */
#ifndef IAIDO_LOG_H
#define IAIDO_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum log_field_type { LOG_FIELD_STRING, LOG_FIELD_INT, LOG_FIELD_ERROR };

/* One name=value of an event. Build them with the macros below. */
struct log_field {
	const char *name;
	enum log_field_type type;
	const char *string;
	int64_t number;
};

#define LOG_STR(name, value) ((struct log_field){ (name), LOG_FIELD_STRING, (value), 0 })
#define LOG_INT(name, value) ((struct log_field){ (name), LOG_FIELD_INT, NULL, (int64_t)(value) })
/* Takes a -errno or errno value; written as its message. */
#define LOG_ERR(name, value) ((struct log_field){ (name), LOG_FIELD_ERROR, NULL, (int64_t)(value) })

/* Writes `message` (for people) with the event's stable name ("backend.failed") and its fields;
 * values are escaped, so that nothing from outside can forge a line. Never blocks: a line that
 * the target does not take is dropped and counted, the count written with the next line taken.
 *   2026-01-31T12:00:00.123Z warn backend 10.0.0.1:80 failed event=backend.failed error="refused"
 */
#define log_event(level, event, message, ...) \
	log_write((level), (event), (message), \
		(const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })
void log_write(enum log_level level, const char *event, const char *message,
	const struct log_field *fields);

/* True when an event of that level would be written: asked before costly fields are made. */
bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
enum log_level log_current_level(void);
enum log_format log_current_format(void);

/* Opens `target` ("stderr", "syslog" or a path) and returns its descriptor (close-on-exec,
 * non-blocking writes), or -errno. For syslog, *is_syslog becomes true and the lines carry a
 * RFC 3164 head. */
int log_open_target(const char *target, bool *is_syslog) MUST_CHECK;
/* Writes to fd from now on; takes fd (closes the former one, unless that is 2). */
void log_take_descriptor(int fd, bool is_syslog);
int log_descriptor(void);
bool log_is_syslog(void);

/* Lets an event that repeats through once a second; *left_out gets the number not let through. */
struct log_limit {
	int64_t next_ns;
	uint64_t left_out;
};
bool log_limit_allow(struct log_limit *l, int64_t now_ns, uint64_t *left_out);

/* Logs at error level and exits 1. For start-up only. */
void fatal(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

#endif
