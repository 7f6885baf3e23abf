/* What the load program records, and how it is summed up. */
#ifndef IAIDO_TESTS_WAN_LOAD_H
#define IAIDO_TESTS_WAN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAME_MAX_LEN = 32 };

enum event_kind {
	EVENT_GREETED, /* a client was greeted; value: how long that took */
	EVENT_FAILED, /* it was not */
	EVENT_BROKEN, /* it was greeted, but an answer did not come */
	EVENT_LONG_UP, /* a long session was greeted */
	EVENT_LONG_CUT, /* one ended that worked */
	EVENT_LONG_HUNG, /* one ended that waited for an answer; value: for how long */
	EVENT_LONG_THAWED, /* one went on after a wait of more than a second; value */
	EVENT_LONG_LEFT, /* one still waits, for more than a second, when a phase ends; value */
	EVENT_MARK, /* a phase begins */
};

struct event {
	enum event_kind kind;
	int64_t at_ns; /* a client's: when it began; else when it happened */
	int64_t value_ns;
	char name[NAME_MAX_LEN]; /* who greeted; of a mark, its name */
};

void record(enum event_kind kind, int64_t at_ns, int64_t value_ns, const char *name);
/* One line of key=value for each phase; home is the region (a name up to its last -) that
 * connections should go to. */
void report_phases(const char *home, int64_t end_ns);
/* Everything, a line each: time (s), what, how long (ms), who. */
void report_events(const char *path);
/* One line on the second that ends now. */
void report_second(int64_t now_ns);

#endif
