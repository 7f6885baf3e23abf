/* A timer wheel: many coarse timeouts at the cost of one. Knows no clock: the owner passes `now`. */
#ifndef IAIDO_WHEEL_H
#define IAIDO_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded in what waits. A zeroed entry is one that is in no wheel. */
struct wheel_entry {
	struct wheel_entry *next;
	struct wheel_entry **prev;
	int64_t due_ns;
};

#define WHEEL_SLOTS 512

struct wheel {
	int64_t tick_ns;
	int64_t position; /* the tick up to which everything due was collected */
	uint64_t count;
	struct wheel_entry *due; /* collected, not handed out yet */
	uint64_t used[WHEEL_SLOTS / 64];
	struct wheel_entry *slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t tick_ns, int64_t now_ns);
/* Puts the entry in (or moves it); it is handed out at the first tick at or after due_ns. */
void wheel_set(struct wheel *w, struct wheel_entry *e, int64_t due_ns);
/* Takes it out; nothing happens when it is not in. */
void wheel_clear(struct wheel *w, struct wheel_entry *e);
bool wheel_entry_is_set(const struct wheel_entry *e);
/* Takes one entry that is due and returns it; NULL when none is left for this `now`. Entries set
 * meanwhile, even ones that are due already, wait for the next tick, so that the loop ends. */
struct wheel_entry *wheel_expire(struct wheel *w, int64_t now_ns);
/* When wheel_expire() is worth calling next; INT64_MAX when the wheel is empty. It may be early (after a
 * whole turn, or where there are many entries), never late. */
int64_t wheel_next_ns(const struct wheel *w);

#endif
